// How a watch of `podwire server` goes on after breaks.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { readIdentity, ServerClient } from '../../../src/store/server-client.ts'
import { watchServer } from '../../../src/store/server-watch.ts'
import { openStore, type StoreEvent } from '../../../src/store/store.ts'
import { until } from '../../lab/until.ts'
import { TestServer } from '../server/harness.ts'
import { Follower, testNetwork, testRecord } from './conformance.ts'

const inSync = (events: readonly StoreEvent[]) => events.at(-1)?.kind === 'inSync'

test('server watch: a host that is gone without a word is noticed, and the watch goes on when it is back', async () => {
  await using server = await TestServer.start(testNetwork)
  const { pin = '', identityFile = '' } = await server.join('a')
  const way = await server.way()
  const client = new ServerClient(`server:https://127.0.0.1:${way.port}`, {
    pin,
    identity: await readIdentity(identityFile),
  })
  const events: StoreEvent[] = []
  const ending = new AbortController()
  // The server's beats come every 5 s: by these, it is silent long before.
  const ended = watchServer(client, event => events.push(event), ending.signal, { beatMs: 100, silentMs: 1_000 })
  try {
    await until('in sync', () => inSync(events), 30)
    way.freeze()
    await until('lost', () => events.at(-1)?.kind === 'lost', 30)
    const lost = events.at(-1)
    assert.match(lost?.kind === 'lost' ? lost.reason : '', /nothing was heard for 1 s/)
    await (await server.admin()).writeNode(testRecord('b'))
    way.mend()
    await until('b is heard of', () => events.some(event => event.kind === 'node'), 30)
  } finally {
    ending.abort()
    await ended
  }
})

test('server watch: after a break what is gone is gone at once, as the server says so itself', async () => {
  await using server = await TestServer.start(testNetwork)
  const admin = await server.admin()
  for (const name of ['b', 'c']) await admin.writeNode(testRecord(name))
  const way = await server.way()
  using follower = new Follower(await openStore(`server:https://127.0.0.1:${way.port}`, await server.join('a')))
  await follower.until('in sync', inSync)
  const before = follower.events.length
  way.cut()
  await follower.until('lost', events => events.at(-1)?.kind === 'lost')
  await admin.removeNode('b')
  await admin.writeNode(testRecord('d'))
  way.mend()
  await follower.until('in sync again', events => events.length > before && inSync(events))
  const said = follower.events.slice(before).filter(({ kind }) => kind !== 'lost')
  assert.deepEqual(
    said.map(({ kind }) => kind),
    ['back', 'removal', 'node', 'nodeGone', 'inSync'],
  )
})

test('server watch: a server that starts again is listed anew, and nothing is gone', async () => {
  await using server = await TestServer.start(testNetwork)
  const admin = await server.admin()
  await admin.writeNode(testRecord('b'))
  await admin.claim({ prefix: '10.99.1.0/24', node: 'b', sinceMs: 1 })
  const way = await server.way()
  using follower = new Follower(await openStore(`server:https://127.0.0.1:${way.port}`, await server.join('a')))
  await follower.until('in sync', inSync)
  const before = follower.events.length
  await server.restart()
  await follower.until('in sync again', events => events.length > before && inSync(events))
  const said = follower.events.slice(before).map(({ kind }) => kind)
  assert.deepEqual(
    said.filter(kind => kind !== 'lost'),
    ['back', 'inSync'],
  )
})

test('server watch: a network that is not there yet is waited for', async () => {
  await using server = await TestServer.start()
  const admin = await server.admin()
  using follower = new Follower(admin)
  await follower.until('lost', events => events.at(-1)?.kind === 'lost')
  await admin.createNetwork(testNetwork)
  await follower.until('in sync', inSync)
  assert.deepEqual(
    follower.kinds().filter(kind => kind !== 'lost'),
    ['back', 'network', 'inSync'],
  )
})

test('server watch: a second server on one state is refused; one that was killed left nothing in the way', async () => {
  await using server = await TestServer.start(testNetwork)
  const { startServer } = await import('../../../src/server/server.ts')
  const { silent } = await import('../server/harness.ts')
  const listen = { host: '127.0.0.1', port: 0 }
  const second = () => startServer({ folder: server.state, listen, log: silent })
  await assert.rejects(second(), { code: 'ERR_PODWIRE_SERVER_STATE', message: /another server runs on it/ })
  const folder = join(server.folder, 'none')
  await assert.rejects(startServer({ folder, listen, log: silent }), { code: 'ERR_PODWIRE_SERVER_STATE' })
  await (await server.admin()).readNetwork()
})
