// Callers of `podwire server` that say nothing, garbage, too much, or too slowly: each loses its own connection, and a node beside
// them is answered.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect as connectSocket, type Socket } from 'node:net'
import { test } from 'node:test'
import { connect } from 'node:tls'
import fc from 'fast-check'
import { selfSigned } from '../../../src/store/self-signed.ts'
import { readIdentity } from '../../../src/store/server-client.ts'
import { openStore } from '../../../src/store/store.ts'
import { until } from '../../lab/until.ts'
import { testNetwork, testRecord } from '../store/conformance.ts'
import { TestServer } from './harness.ts'

/** Short, so that what is waited for comes soon; long enough for a handshake on a machine that is busy. */
const limits = { beatMs: 50, silentMs: 2_000, patienceMs: 4_000 }

/** All that comes on a connection until it ends, however it ends. */
async function untilEnd(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', chunk => {
    text += chunk
  })
  socket.on('error', () => {})
  if (!socket.closed) await new Promise(resolve => socket.on('close', resolve))
  return text
}

async function connectAs(port: number, identityFile = ''): Promise<Socket> {
  const shown = identityFile === '' ? {} : await credentials(identityFile)
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...shown })
  await once(socket, 'secureConnect')
  return socket.on('error', () => {})
}

async function credentials(identityFile: string) {
  return { key: await readFile(identityFile), cert: selfSigned(await readIdentity(identityFile), 'podwire') }
}

test('limits: silence, garbage, half a request and too much of one end their own connection', async () => {
  await using server = await TestServer.start(testNetwork, { limits })
  const access = await server.join('a')
  const node = await openStore(`server:https://127.0.0.1:${server.port}`, access)
  const head = 'POST /v1/join HTTP/1.1\r\nhost: x\r\n'
  const plain: string[] = ['', 'GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01\x02\x00\x01\x00', '\0'.repeat(70_000)]
  const secure: [sent: string, answer: RegExp][] = [
    ['', /^$/],
    ['\0\x01\x02', /^$/],
    ['GET ', /^$/],
    [`${head}content-length: 10\r\n\r\n{`, /^$/],
    [`${head}x: ${'y'.repeat(10_000)}\r\n\r\n`, /^$/],
    [`${head}content-length: 99999999\r\n\r\n{`, /^HTTP\/1\.1 400 .*larger than 64 KiB/s],
    [`${head}transfer-encoding: chunked\r\n\r\n11170\r\n${'z'.repeat(70_000)}`, /^$|larger than 64 KiB/],
    [`${head}content-length: 1\r\n\r\n{`, /^HTTP\/1\.1 400 .*not JSON/s],
    ['GET /../../etc/passwd HTTP/1.1\r\nhost: x\r\n\r\n', /^HTTP\/1\.1 403 .*join first/s],
    ['POST /v1/watch HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n', /^HTTP\/1\.1 403 .*join first/s],
    ['GET http://[ HTTP/1.1\r\nhost: x\r\n\r\n', /^HTTP\/1\.1 403|^$/],
  ]
  const ends = [
    ...plain.map(async sent => {
      const socket = connectSocket(server.port, '127.0.0.1')
      socket.write(sent)
      await untilEnd(socket)
    }),
    ...secure.map(async ([sent, answer]) => {
      const socket = await connectAs(server.port)
      socket.write(sent)
      assert.match(await untilEnd(socket), answer, JSON.stringify(sent.slice(0, 80)))
    }),
  ]
  await Promise.all([...ends, node.writeNode(testRecord('a'))])
  assert.deepEqual(await node.readNode('a'), testRecord('a'))
})

test('limits: over the network nobody is root, with a key or without', async () => {
  await using server = await TestServer.start(testNetwork)
  const { identityFile } = await server.join('a')
  const asks = [
    'POST tokens',
    'GET tokens',
    'DELETE tokens/0',
    'PUT network',
    'GET nodes',
    'DELETE nodes/a',
    'POST watch',
  ]
  for (const file of ['', identityFile]) {
    for (const ask of file === '' ? asks : asks.slice(0, 4)) {
      const socket = await connectAs(server.port, file)
      const [method, path] = ask.split(' ')
      socket.write(`${method} /v1/${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}`)
      assert.match(await untilEnd(socket), /^HTTP\/1\.1 403 .*ERR_PODWIRE_STORE_DENIED/s, `${ask} ${file}`)
    }
  }
})

test('limits: a watcher that gives no sign is let go', async () => {
  await using server = await TestServer.start(testNetwork, { limits })
  const { identityFile } = await server.join('a')
  const socket = await connectAs(server.port, identityFile)
  socket.write('POST /v1/watch HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
  const said = await untilEnd(socket)
  assert.match(said, /"kind":"inSync"/)
  assert.match(said, /\r\n1\r\n\n\r\n/, 'a beat')
})

test('limits: strangers from one address are so many, nodes more', async () => {
  await using server = await TestServer.start(testNetwork, { limits: { strangers: 4, patienceMs: 60_000 } })
  const access = await server.join('a')
  // A node counts as a stranger until the server has seen its key, which may be after its own side is done.
  const open = async (identityFile?: string) => {
    let made: Socket | undefined
    const isOpen = async () => {
      made = await connectAs(server.port, identityFile).catch(() => undefined)
      return made !== undefined
    }
    await until('a connection is let in', isOpen)
    return made ?? assert.fail()
  }
  const nodes: Socket[] = []
  for (let i = 0; i < 8; i++) nodes.push(await open(access.identityFile))
  const strangers: Socket[] = []
  for (let i = 0; i < 4; i++) strangers.push(await open())
  await assert.rejects(connectAs(server.port))
  assert.ok(nodes.every(socket => !socket.destroyed))
  // When one goes another may come.
  strangers[0]?.destroy()
  strangers.push(await open())
  for (const socket of [...nodes, ...strangers]) socket.destroy()
})

test('limits: any request, of a node, root or a stranger, is answered or refused with a coded error', async () => {
  await using server = await TestServer.start(testNetwork)
  const { Routes } = await import('../../../src/server/routes.ts')
  const { openServerState } = await import('../../../src/server/state.ts')
  const { PodwireError } = await import('../../../src/base/errors.ts')
  const { silent } = await import('./harness.ts')
  const state = await openServerState(server.state)
  const routes = new Routes(state, silent)
  const { nodeKey } = await import('./crash-steps.ts')
  await state.identities.add('a', nodeKey)
  const word = fc.oneof(
    fc.constantFrom(
      'network',
      'nodes',
      'claims',
      'release',
      'join',
      'tokens',
      'watch',
      '',
      'a',
      '..',
      '__proto__',
      '%00',
    ),
    fc.string(),
  )
  const value = fc.oneof(
    fc.constantFrom<unknown>(
      testRecord('a'),
      testNetwork,
      { prefix: '10.99.1.0/24', node: 'a', sinceMs: 1 },
      { node: 'a', secret: '00000000.x' },
      { node: 'a', uses: 2, lifetimeMs: 5 },
    ),
    fc.jsonValue(),
  )
  const request = fc.record({
    method: fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'PATCH', ''),
    path: fc.array(word, { maxLength: 3 }).map(words => words.join('/')),
    value,
    caller: fc.constantFrom(
      { kind: 'root' } as const,
      { kind: 'remote', address: '192.0.2.1', key: nodeKey } as const,
      { kind: 'remote', address: '192.0.2.2', key: undefined } as const,
    ),
  })
  await fc.assert(
    fc.asyncProperty(request, async ({ method, path, value, caller }) => {
      try {
        await routes.answer(caller, { method, path, body: { file: 'x', path: '', value } })
        assert.ok(caller.kind === 'root' || caller.key !== undefined, 'a stranger is answered nothing')
      } catch (error) {
        assert.ok(error instanceof PodwireError, String(error))
      }
    }),
    { numRuns: 300, seed: 1 },
  )
  // What was written can be read again.
  await openServerState(server.state)
})
