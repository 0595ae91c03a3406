// Who is let in by `podwire server`, who is not, and what each may do.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { formatJoinToken, parseJoinToken } from '../../../src/model/join-token.ts'
import { createToken, listTokens, revokeToken } from '../../../src/store/server-admin.ts'
import { openStore } from '../../../src/store/store.ts'
import { Follower, testNetwork, testRecord } from '../store/conformance.ts'
import { TestServer } from './harness.ts'

const inSync = (follower: Follower) => follower.until('in sync', events => events.at(-1)?.kind === 'inSync')

test('join: a token says where, which network, whose key and for whom, and lets one node in', async () => {
  await using server = await TestServer.start(testNetwork)
  const { id, token, expiresMs } = await createToken(server.state, { node: 'a' })
  const { secret, pin, ...rest } = parseJoinToken(token)
  assert.deepEqual(rest, { network: 'test', store: 'server:https://127.0.0.1:1', node: 'a' })
  assert.match(pin ?? '', /^[\w-]{43}$/)
  assert.ok(Math.abs(expiresMs - Date.now() - 3_600_000) < 60_000, 'an hour')
  const access = await server.join('a', { token })
  assert.equal((await stat(access.identityFile ?? '')).mode & 0o777, 0o600)
  const [listed] = await listTokens(server.state)
  assert.deepEqual([listed?.id, listed?.node, listed?.uses, listed?.usedBy], [id, 'a', 1, ['a']])
  // Only its hash is kept.
  const [file = ''] = await readdir(join(server.state, 'tokens'))
  const secretText = Buffer.from(secret.bytes).toString()
  assert.ok(!(await readFile(join(server.state, 'tokens', file), 'utf8')).includes(secretText.split('.')[1] ?? '?'))
})

test('join: each token that is no good is refused with its reason, and leaves no identity', async () => {
  await using server = await TestServer.start(testNetwork)
  const make = async (wish = {}) => await createToken(server.state, wish)
  const used = await make()
  await server.join('first', { token: used.token })
  const revoked = await make()
  assert.equal(await revokeToken(server.state, revoked.id), true)
  assert.equal(await revokeToken(server.state, 'ffffffff'), false)
  const expired = await make({ lifetimeMs: 1 })
  const good = parseJoinToken((await make()).token)
  const forgedSecret = Buffer.from(good.secret.bytes)
  forgedSecret[forgedSecret.length - 5] = forgedSecret.at(-5) === 65 ? 66 : 65
  const { Secret } = await import('../../../src/base/secret.ts')
  const forged = formatJoinToken({ ...good, secret: new Secret(forgedSecret) })
  const bound = await make({ node: 'b' })
  const taken = await make()
  const cases: [node: string, token: string, code: string, message: RegExp][] = [
    ['x', used.token, 'ERR_PODWIRE_TOKEN_USED', /used already, by "first"/],
    ['x', revoked.token, 'ERR_PODWIRE_TOKEN_REVOKED', /was revoked/],
    ['x', expired.token, 'ERR_PODWIRE_TOKEN_EXPIRED', /expired at 20/],
    ['x', forged, 'ERR_PODWIRE_TOKEN_UNKNOWN', /knows no such/],
    ['x', bound.token, 'ERR_PODWIRE_TOKEN_FOR_ANOTHER', /is for the node "b", and this is "x"/],
    ['first', taken.token, 'ERR_PODWIRE_NODE_NAME_TAKEN', /"first" is in use/],
    ['../x', taken.token, 'ERR_PODWIRE_NAME', /cannot be used as a name/],
  ]
  for (const [node, token, code, message] of cases) {
    const identity = join(server.folder, 'refused')
    await assert.rejects(server.join(node, { token, identity }), { code, message })
    assert.ok(!existsSync(identity), code)
  }
  // What was refused used nothing up.
  await server.join('x', { token: taken.token })
})

test('join: the same key joins again by its token, others as often as it says', async () => {
  await using server = await TestServer.start(testNetwork)
  const { token } = await createToken(server.state, { uses: 2 })
  const identity = join(server.folder, 'mine')
  for (let i = 0; i < 3; i++) await server.join('a', { token, identity })
  await server.join('b', { token })
  await assert.rejects(server.join('c', { token }), { code: 'ERR_PODWIRE_TOKEN_USED', message: /by "a", "b"$/ })
  // An identity is of one name.
  await assert.rejects(server.join('d', { identity }), { code: 'ERR_PODWIRE_STORE_DENIED', message: /that of "a"/ })
})

test('join: of many at once with one token, one is let in', async () => {
  await using server = await TestServer.start(testNetwork)
  const { token } = await createToken(server.state, {})
  const joins = await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map(name => server.join(name, { token })))
  assert.equal(joins.filter(({ status }) => status === 'fulfilled').length, 1)
})

test('join: a crash between the use and the identity lets the same key in again, and no other', async () => {
  await using server = await TestServer.start(testNetwork)
  const { id, token } = await createToken(server.state, {})
  const identity = join(server.folder, 'mine')
  const access = await server.join('a', { token, identity })
  // As a crash would leave it: the use is written, the identity is not.
  const { rm } = await import('node:fs/promises')
  await rm(join(server.state, 'identities'), { recursive: true })
  await server.restart()
  assert.deepEqual((await listTokens(server.state))[0]?.usedBy, ['a'])
  await assert.rejects(server.join('a', { token }), { code: 'ERR_PODWIRE_TOKEN_USED' })
  await assert.rejects(server.join('b', { token, identity }), { code: 'ERR_PODWIRE_TOKEN_USED' })
  await server.join('a', { token, identity })
  const store = await openStore(`server:https://127.0.0.1:${server.port}`, access)
  assert.equal((await store.readNetwork()).name, 'test')
  assert.equal((await listTokens(server.state))[0]?.id, id)
})

test('join: an address that fails ten times in a minute is sent away, also with a good token', async () => {
  await using server = await TestServer.start(testNetwork)
  const bad = (await createToken(server.state, { node: 'z' })).token
  for (let i = 0; i < 10; i++) {
    await assert.rejects(server.join('a', { token: bad }), { code: 'ERR_PODWIRE_TOKEN_FOR_ANOTHER' })
  }
  await assert.rejects(server.join('a'), { code: 'ERR_PODWIRE_STORE_BUSY', message: /127\.0\.0\.1 for \d+ s/ })
})

test('nodes: one writes what is its own, and nothing else', async () => {
  await using server = await TestServer.start(testNetwork)
  const address = `server:https://127.0.0.1:${server.port}`
  const a = await openStore(address, await server.join('a'))
  const admin = await server.admin()
  await admin.writeNode(testRecord('b'))
  await admin.claim({ prefix: '10.99.2.0/24', node: 'b', sinceMs: 5 })
  const denied = { code: 'ERR_PODWIRE_STORE_DENIED', message: /let "a" do this/ }
  await assert.rejects(a.writeNode(testRecord('b')), denied)
  await assert.rejects(a.writeNode(testRecord('c')), denied)
  await assert.rejects(a.removeNode('b'), denied)
  await assert.rejects(a.claim({ prefix: '10.99.1.0/24', node: 'b', sinceMs: 1 }), denied)
  await assert.rejects(a.release({ prefix: '10.99.2.0/24', node: 'b', sinceMs: 5 }), denied)
  await assert.rejects(a.createNetwork(testNetwork), denied)
  // Nor does it get another's prefix by saying that it was there first.
  assert.equal(await a.claim({ prefix: '10.99.2.0/23', node: 'a', sinceMs: 1 }), false)
  assert.equal(await a.claim({ prefix: '10.99.2.0/23', node: 'a', sinceMs: 6 }), true)
  assert.deepEqual(
    (await a.listNodes()).map(({ name }) => name),
    ['b'],
  )
  await a.writeNode(testRecord('a'))
  assert.equal(await a.removeNode('a'), true)
})

test('nodes: a claim more than 64 is refused', async () => {
  await using server = await TestServer.start(testNetwork)
  const a = await openStore(`server:https://127.0.0.1:${server.port}`, await server.join('a'))
  const admin = await server.admin()
  const claimOf = (i: number) => ({ prefix: `10.99.${i}.0/24`, node: 'a', sinceMs: 1 })
  for (let i = 0; i < 63; i++) assert.equal(await admin.claim(claimOf(i)), true)
  assert.equal(await a.claim(claimOf(63)), true)
  assert.equal(await a.claim(claimOf(64)), false)
  assert.equal(await a.claim(claimOf(1)), true, 'its own is still its own')
})

test('nodes: one that is removed hears of it, its watch ends, and it may do nothing more', async () => {
  await using server = await TestServer.start(testNetwork)
  const address = `server:https://127.0.0.1:${server.port}`
  const identity = join(server.folder, 'mine')
  const access = await server.join('a', { identity })
  const a = await openStore(address, access)
  await a.writeNode(testRecord('a'))
  using follower = new Follower(a)
  await inSync(follower)
  assert.equal(await (await server.admin()).removeNode('a'), true)
  await follower.until('lost', events => events.at(-1)?.kind === 'lost')
  const lost = follower.events.at(-1)
  assert.match(lost?.kind === 'lost' ? lost.reason : '', /"a" was removed from the network/)
  assert.ok(follower.kinds().includes('removal'))
  const removed = { code: 'ERR_PODWIRE_NODE_REMOVED' }
  await assert.rejects(a.readNetwork(), removed)
  await assert.rejects(a.writeNode(testRecord('a', { publicKey: testRecord('x').publicKey })), removed)
  await server.restart()
  await assert.rejects((await openStore(`server:https://127.0.0.1:${server.port}`, access)).readNetwork(), removed)
  // It joins anew under its name, with an identity that is new.
  const before = await readFile(identity, 'utf8')
  await server.join('a', { identity })
  assert.notEqual(await readFile(identity, 'utf8'), before)
  const again = await openStore(`server:https://127.0.0.1:${server.port}`, access)
  await assert.rejects(again.writeNode(testRecord('a')), removed, 'its old WireGuard key stays out')
  await again.writeNode(testRecord('a', { publicKey: testRecord('x').publicKey }))
})

test('nodes: an identity that never joined, or none, is told so; another server is not spoken to', async () => {
  await using server = await TestServer.start(testNetwork)
  await using other = await TestServer.start(testNetwork)
  const access = await server.join('a')
  const foreign = await other.join('a')
  const to = (port: number) => `server:https://127.0.0.1:${port}`
  const stranger = await openStore(to(server.port), { ...access, ...pick(foreign.identityFile) })
  await assert.rejects(stranger.readNetwork(), { code: 'ERR_PODWIRE_STORE_DENIED', message: /join first/ })
  // The pin is that of the key: it stays when the server starts again.
  await server.restart()
  await (await openStore(to(server.port), access)).readNetwork()
  const wrong = await openStore(to(other.port), access)
  await assert.rejects(wrong.readNetwork(), error => {
    assert.equal((error as { code?: string }).code, 'ERR_PODWIRE_STORE_PIN')
    return [access.pin, foreign.pin].every(pin => String(error).includes(pin ?? '?'))
  })
  await assert.rejects(openStore(to(server.port), {}), { code: 'ERR_PODWIRE_STORE_ADDRESS', message: /--store-pin/ })
  const open = join(server.folder, 'open')
  await writeFile(open, await readFile(access.identityFile ?? ''), { mode: 0o644 })
  await assert.rejects(openStore(to(server.port), { ...access, identityFile: open }), {
    code: 'ERR_PODWIRE_KEY_EXPOSED',
  })
})

const pick = (identityFile: string | undefined) => (identityFile === undefined ? {} : { identityFile })
