// The two ends of the UAPI socket together, over a device that only remembers; and each against an end that misbehaves.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, test } from 'node:test'
import { podwireError } from '../../../src/base/errors.ts'
import { formatPublicKey } from '../../../src/base/key.ts'
import type { Device, DeviceChange, DeviceState } from '../../../src/model/device.ts'
import type { DeviceStatus } from '../../../src/wireguard/device-status.ts'
import { connectUapi, requestStatus } from '../../../src/wireguard/uapi-client.ts'
import { claimSocket, serveUapi } from '../../../src/wireguard/uapi-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'podwire-uapi-test-'))
after(() => rmSync(folder, { recursive: true }))
let sockets = 0
const freshPath = () => join(folder, `${++sockets}.sock`)

const publicKey = formatPublicKey(new Uint8Array(32).fill(4))
const state: DeviceState = {
  listenPort: 51820,
  fwmark: 1,
  peers: [{ publicKey, txBytes: 1n, rxBytes: 2n, persistentKeepaliveSeconds: 3, allowedIps: ['10.0.0.0/8'] }],
}

const ownStatus = { interface: 'wg0', drops: { 'a\nb=c': 1 } } as unknown as DeviceStatus

/** A device that remembers its changes, and refuses port 1 as taken. */
function rememberingDevice(): Device & { changes: DeviceChange[] } {
  const changes: DeviceChange[] = []
  return {
    changes,
    get: async () => state,
    async set(change) {
      if (change.listenPort === 1) throw podwireError('ERR_PODWIRE_PORT_IN_USE', { port: 1 })
      changes.push(change)
    },
  }
}

async function serve(device: Device, file = freshPath()) {
  const removed = deferred()
  await claimSocket(file)
  const server = await serveUapi({
    device,
    status: () => ownStatus,
    nameOrPath: file,
    log: () => {},
    onRemoved: () => removed.resolve(),
  })
  return { file, server, removed: removed.promise }
}

function deferred() {
  let resolve = () => {}
  const promise = new Promise<void>(done => {
    resolve = done
  })
  return { promise, resolve }
}

test('uapi socket: get and set of a device behind it', async () => {
  const device = rememberingDevice()
  const { file, server } = await serve(device)
  const client = connectUapi(file)
  assert.deepEqual(await client.get(), state)
  await client.set({ listenPort: 7, peers: [{ publicKey, allowedIps: ['10.0.0.0/8'] }] })
  assert.deepEqual(device.changes, [{ listenPort: 7 }, { peers: [{ publicKey, allowedIps: ['10.0.0.0/8'] }] }])
  server.close()
  assert.ok(!existsSync(file))
})

test('uapi socket: what the device refuses comes back, and what came before is done', async () => {
  const device = rememberingDevice()
  const { file, server } = await serve(device)
  await assert.rejects(connectUapi(file).set({ privateKey: null, listenPort: 1, fwmark: 2 }), {
    code: 'ERR_PODWIRE_PORT_IN_USE',
    message: /port 1 /,
  })
  assert.deepEqual(device.changes, [{ privateKey: null }])
  server.close()
})

test('uapi socket: a large answer and a large request pass whole', async () => {
  const prefixes = Array.from({ length: 130_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}/32`)
  const device = rememberingDevice()
  const [peer] = state.peers
  assert.ok(peer)
  device.get = async () => ({ ...state, peers: [{ ...peer, allowedIps: prefixes }] })
  const { file, server } = await serve(device)
  const client = connectUapi(file)
  assert.deepEqual((await client.get()).peers[0]?.allowedIps, prefixes)
  await client.set({ peers: [{ publicKey, allowedIps: prefixes }] })
  assert.deepEqual(device.changes, [{ peers: [{ publicKey, allowedIps: prefixes }] }])
  server.close()
})

test('uapi socket: it is for its owner only; the folder is made', async () => {
  const file = join(folder, 'made', 'wg0.sock')
  const { server } = await serve(rememberingDevice(), file)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  server.close()
})

test('uapi socket: one in use is refused, and goes on; a stale one and a stray file are replaced', async () => {
  const { file, server } = await serve(rememberingDevice())
  await assert.rejects(claimSocket(file), { code: 'ERR_PODWIRE_NAME_IN_USE' })
  assert.equal((await connectUapi(file).get()).listenPort, 51820)
  server.close()
  writeFileSync(file, '')
  const again = await serve(rememberingDevice(), file)
  assert.equal((await connectUapi(file).get()).listenPort, 51820)
  again.server.close()
})

test('uapi socket: of two that claim a path at once one serves it, and the other is told', async () => {
  for (const stale of [false, true]) {
    const file = freshPath()
    if (stale) writeFileSync(file, '')
    const served = await Promise.allSettled([
      serve(rememberingDevice(), file),
      serve(rememberingDevice(), file),
      serve(rememberingDevice(), file),
    ])
    const winners = served.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    const codes = served.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason.code] : []))
    assert.deepEqual(codes, ['ERR_PODWIRE_NAME_IN_USE', 'ERR_PODWIRE_NAME_IN_USE'])
    assert.equal((await connectUapi(file).get()).listenPort, 51820)
    for (const { server } of winners) server.close()
    assert.deepEqual(
      readdirSync(folder).filter(name => name.startsWith(basename(file))),
      [],
    )
  }
})

test('uapi socket: its removal is noticed, and the file of another that took its place is left alone', async () => {
  const { file, server, removed } = await serve(rememberingDevice())
  rmSync(file)
  await removed
  writeFileSync(file, 'another')
  server.close()
  assert.ok(existsSync(file))
})

test('uapi client: no socket, and no device behind it, are told', async () => {
  for (const [file, reason] of [
    [freshPath(), /ENOENT/],
    [folder, /ECONNREFUSED|ENOTSOCK/],
  ] as const) {
    await assert.rejects(connectUapi(file).get(), { code: 'ERR_PODWIRE_SOCKET', message: reason })
  }
})

for (const [title, answer, reason] of [
  ['closes without a word', '', /closed before/],
  ['closes in the middle', 'listen_port=1\n', /closed before/],
  ['leaves out errno', 'listen_port=1\n\n', /does not end with errno/],
] as const) {
  test(`uapi client: a device that ${title} is an error`, async () => {
    const file = freshPath()
    const server = createServer(socket => {
      socket.once('data', () => socket.end(answer))
    }).listen(file)
    await once(server, 'listening')
    await assert.rejects(connectUapi(file).get(), { code: 'ERR_PODWIRE_SOCKET', message: reason })
    server.close()
  })
}

test('uapi socket: a podwire device says how it does, and goes on', async () => {
  const { file, server } = await serve(rememberingDevice())
  assert.deepEqual(await requestStatus(file), ownStatus)
  assert.deepEqual(await requestStatus(file), ownStatus)
  assert.equal((await connectUapi(file).get()).listenPort, 51820)
  server.close()
  await assert.rejects(requestStatus(file), { code: 'ERR_PODWIRE_SOCKET', message: /ENOENT/ })
})

for (const [title, answer] of [
  ['closes', ''],
  ['answers with an errno', 'errno=22\n\n'],
  ['answers something else', 'listen_port=1\nerrno=0\n\n'],
  ['has a status of its own', 'status={up}\nerrno=0\n\n'],
] as const) {
  test(`uapi client: another program's device that ${title} is told from podwire's`, async () => {
    const file = freshPath()
    const server = createServer(socket => {
      socket.once('data', () => socket.end(answer))
    }).listen(file)
    await once(server, 'listening')
    const hint = `See what it says of itself with \`wg show ${basename(file, '.sock')}\`.`
    await assert.rejects(requestStatus(file), { code: 'ERR_PODWIRE_NOT_PODWIRE', hint })
    server.close()
  })
}

test('uapi client: errno is taken with either sign, and said by its name if it has one', async () => {
  const cases = [
    [-22, /: invalid argument \(EINVAL\)$/],
    [22, /: invalid argument \(EINVAL\)$/],
    [98, /: address already in use \(EADDRINUSE\)$/], // of a change without a port
    [77777, /: errno 77777$/],
  ] as const
  for (const [errno, message] of cases) {
    const file = freshPath()
    const server = createServer(socket => {
      socket.once('data', () => socket.end(`errno=${errno}\n\n`))
    }).listen(file)
    await once(server, 'listening')
    await assert.rejects(connectUapi(file).set({}), { code: 'ERR_PODWIRE_UAPI_REFUSED', message })
    server.close()
  }
})

test('uapi server: a request in small pieces is answered; one that is cut off does nothing', async () => {
  const device = rememberingDevice()
  const { file, server } = await serve(device)
  const socket = createConnection(file).setEncoding('utf8')
  for (const piece of ['se', 't=1\nfw', 'mark=', '5\n', '\n']) {
    socket.write(piece)
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.deepEqual(await once(socket, 'data'), ['errno=0\n\n'])
  assert.deepEqual(device.changes, [{ fwmark: 5 }])
  socket.end('set=1\nfwmark=6\n')
  await once(socket, 'close')
  assert.deepEqual(device.changes, [{ fwmark: 5 }])
  server.close()
})
