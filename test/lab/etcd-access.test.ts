// Who may come to an etcd, and what they may do there: TLS with certificates, users with passwords, a role for each node.

import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { StoreAccess } from '../../src/store/access.ts'
import { encodeCredentials, encodeNames } from '../../src/store/etcd/permission-messages.ts'
import { grantNode, listGrantedNodes, revokeNode } from '../../src/store/etcd-users.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import { Follower, testNetwork, testRecord } from '../unit/store/conformance.ts'
import { Authority } from './certificates.ts'
import { EtcdCluster } from './etcd-cluster.ts'
import { until } from './until.ts'

const inSync = { what: 'in sync', done: (events: readonly { kind: string }[]) => events.at(-1)?.kind === 'inSync' }

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'podwire-access-'))
  try {
    await run(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Opens a store for a while. */
async function withStore<T>(address: string, access: StoreAccess, run: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore(address, access)
  try {
    return await run(store)
  } finally {
    await store.close()
  }
}

test('etcd access: a server is checked against the authority, and checks our certificate', async () => {
  await withFolder(async folder => {
    const ours = await Authority.make(folder, 'ours')
    const theirs = await Authority.make(folder, 'theirs')
    const server = await ours.issue('server', 'server', '')
    const client = await ours.issue('client', 'client', 'a')
    const stranger = await theirs.issue('stranger', 'client', 'a')
    const good = { caFile: ours.caFile, ...client }
    const files = ['--cert-file', server.certFile, '--key-file', server.keyFile, '--trusted-ca-file', ours.caFile]
    await using cluster = await EtcdCluster.start({ tls: [...files, '--client-cert-auth'], access: good })
    const address = cluster.address()
    const read = (access: StoreAccess) => withStore(address, access, store => store.listNodes())
    await withStore(address, good, async store => {
      assert.equal(await store.createNetwork(testNetwork), true)
      await store.writeNode(testRecord('a'))
    })
    assert.deepEqual(await read(good), [testRecord('a')])
    const cases: [what: string, access: StoreAccess, reason: RegExp][] = [
      ['of the system', client, /self-signed certificate|unable to (get|verify)/],
      ['another authority', { ...client, caFile: theirs.caFile }, /self-signed certificate|unable to (get|verify)/],
      ['no certificate', { caFile: ours.caFile }, /certificate|closed|broke/],
      ['of a stranger', { caFile: ours.caFile, ...stranger }, /certificate|closed|broke/],
    ]
    for (const [what, access, reason] of cases) {
      await assert.rejects(read(access), { code: 'ERR_PODWIRE_STORE', message: reason }, what)
    }
    // A certificate that is renewed is taken with the next connection; a key that others can read never is.
    await chmod(client.keyFile, 0o644)
    await assert.rejects(read(good), { code: 'ERR_PODWIRE_KEY_EXPOSED' })
    await assert.rejects(read({ ...good, keyFile: join(folder, 'none') }), { code: 'ERR_PODWIRE_FILE' })
  })
})

/** An etcd with users; `root` is the access of who may do all, `as` that of others by "USER:PASSWORD". */
async function withUsers(
  run: (given: {
    cluster: EtcdCluster
    address: string
    root: StoreAccess
    as: (secret: string) => Promise<StoreAccess>
  }) => Promise<void>,
): Promise<void> {
  await withFolder(async folder => {
    let count = 0
    const as = async (secret: string): Promise<StoreAccess> => {
      const [user = '', password = ''] = secret.split(':')
      const passwordFile = join(folder, `${count++}`)
      await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
      return { user, passwordFile }
    }
    // Cheap passwords, and tokens that die while a test looks.
    await using cluster = await EtcdCluster.start({
      options: ['--bcrypt-cost', '4', '--auth-token-ttl', '2', '--log-level', 'info'],
    })
    await cluster.ask(async client => {
      await client.ask('Auth/UserAdd', encodeCredentials('root', 'rooty'))
      await client.ask('Auth/RoleAdd', encodeNames('root'))
      await client.ask('Auth/UserGrantRole', encodeNames('root', 'root'))
      await client.ask('Auth/AuthEnable', Buffer.alloc(0))
    })
    await run({ cluster, address: cluster.address(), root: await as('root:rooty'), as })
  })
}

test("etcd access: a node's user reads the network, and writes its own record and claims only", async () => {
  await withUsers(async ({ address, root, as }) => {
    const claimed = { prefix: '10.99.1.0/24', node: 'a', sinceMs: 1 }
    await withStore(address, root, async store => {
      await store.createNetwork(testNetwork)
      await store.writeNode(testRecord('b'))
      for (const claim of [claimed, { prefix: '10.99.2.0/24', node: 'b', sinceMs: 1 }]) await store.claim(claim)
    })
    const users = { address, access: root }
    const secret = await grantNode(users, { node: 'a', claims: [claimed.prefix] })
    const access = await as(Buffer.from(secret.bytes).toString())
    assert.deepEqual(await listGrantedNodes(users), ['a'])
    await withStore(address, access, async store => {
      using follower = new Follower(store)
      await follower.until(inSync.what, inSync.done)
      const own = testRecord('a', { prefixes: [claimed.prefix] })
      await store.writeNode(own)
      assert.equal(await store.claim(claimed), true)
      await follower.until('its record', events =>
        events.some(event => event.kind === 'node' && event.record.name === 'a'),
      )
      const denied = { code: 'ERR_PODWIRE_STORE', message: /permission denied/ }
      await assert.rejects(store.writeNode(testRecord('b', { endpoints: [] })), denied)
      await assert.rejects(store.writeNode(testRecord('c')), denied)
      await assert.rejects(store.claim({ prefix: '10.99.3.0/24', node: 'a', sinceMs: 1 }), denied)
      await assert.rejects(store.release({ prefix: '10.99.2.0/24', node: 'b', sinceMs: 1 }), denied)
      await assert.rejects(store.removeNode('b'), denied)
      assert.deepEqual(await store.listNodes(), [own, testRecord('b')])
      // It may leave, with all that is its own.
      assert.equal(await store.removeNode('a'), true)
      assert.deepEqual(
        (await store.listClaims()).map(({ node }) => node),
        ['b'],
      )
      assert.deepEqual(await store.listNodes(), [testRecord('b')])
    })
  })
})

test('etcd access: a user that is made anew has another password; one that is taken away is out', async () => {
  await withUsers(async ({ address, root, as }) => {
    await withStore(address, root, store => store.createNetwork(testNetwork))
    const users = { address, access: root }
    const grant = async () => as(Buffer.from((await grantNode(users, { node: 'a', claims: [] })).bytes).toString())
    const write = (access: StoreAccess) => withStore(address, access, store => store.writeNode(testRecord('a')))
    const first = await grant()
    await write(first)
    const second = await grant()
    await write(second)
    const wrong = { code: 'ERR_PODWIRE_STORE', message: /invalid user ID or password/ }
    await assert.rejects(write(first), wrong)
    assert.equal(await revokeNode(users, 'a'), true)
    assert.equal(await revokeNode(users, 'a'), false)
    assert.deepEqual(await listGrantedNodes(users), [])
    await assert.rejects(write(second), wrong)
  })
})

test('etcd access: a token that died is renewed, and a user without a password comes nowhere', async () => {
  await withUsers(async ({ cluster, address, root }) => {
    await withStore(address, root, async store => {
      await store.createNetwork(testNetwork)
      using follower = new Follower(store)
      await follower.until(inSync.what, inSync.done)
      // Nobody uses the token until etcd has forgotten it, and says so in its log.
      const isForgotten = () => cluster.members[0]?.printed.includes('deleted a simple token') ?? false
      await until('the token died', isForgotten, 30)
      await store.writeNode(testRecord('a'))
      await follower.until('a', events => events.at(-1)?.kind === 'node')
      assert.ok(!follower.kinds().includes('lost'))
    })
    await assert.rejects(
      withStore(address, {}, store => store.listNodes()),
      { code: 'ERR_PODWIRE_STORE', message: /user name is empty/ },
    )
  })
})

test('etcd access: an etcd that asks nobody who comes gives no user', async () => {
  await using cluster = await EtcdCluster.start()
  const granted = grantNode({ address: cluster.address(), access: {} }, { node: 'a', claims: [] })
  await assert.rejects(granted, { code: 'ERR_PODWIRE_STORE', message: /authentication is not enabled/ })
})
