// The etcd form of the store on one real member: what every form must do, and what is etcd's own.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { claimPrefixes } from '../../src/agent/claim.ts'
import { overlapsCidr, parsePrefix } from '../../src/base/cidr.ts'
import { formatNetworkConfig } from '../../src/model/network-config.ts'
import { formatNodeRecord } from '../../src/model/node-record.ts'
import { openStore, type StoreEvent } from '../../src/store/store.ts'
import { Follower, testNetwork, testRecord, testStore } from '../unit/store/conformance.ts'
import { runClaimer } from '../unit/store/run-claimer.ts'
import { EtcdCluster, type Member } from './etcd-cluster.ts'
import { until } from './until.ts'

let cluster: EtcdCluster
let count = 0

before(async () => {
  cluster = await EtcdCluster.start()
})

after(() => cluster[Symbol.asyncDispose]())

/** An empty part of the one etcd, with a way to it that can break. */
async function openEmpty() {
  const [member] = cluster.members as [Member]
  const prefix = `/net-${count++}`
  const way = await cluster.newWay(member)
  const store = await openStore(cluster.address(prefix, [way]))
  const others: Awaited<ReturnType<typeof openStore>>[] = []
  return {
    prefix,
    way,
    store,
    async reopen() {
      const other = await openStore(cluster.address(prefix))
      others.push(other)
      return other
    },
    async outage() {
      way.cut()
      return { end: async () => way.open() }
    },
    forgetHistory: () => cluster.compact(),
    async [Symbol.asyncDispose]() {
      for (const one of [store, ...others]) await one.close()
      await way[Symbol.asyncDispose]()
    },
  }
}

testStore('etcd', { open: openEmpty })

const isInSync = (events: readonly StoreEvent[]) => events.at(-1)?.kind === 'inSync'

async function openNetwork(network = testNetwork) {
  const opened = await openEmpty()
  await opened.store.createNetwork(network)
  return opened
}

/** A follower that is in sync. */
async function following(opened: Awaited<ReturnType<typeof openNetwork>>): Promise<Follower> {
  const follower = new Follower(opened.store)
  await follower.until('in sync', isInSync)
  return follower
}

test('etcd store: what cannot be read is left out with its key and the reason, and all others hold', async () => {
  await using opened = await openNetwork()
  const { prefix, store } = opened
  await store.writeNode(testRecord('a'))
  const cases: [key: string, value: string, reason: RegExp][] = [
    ['nodes/broken', '{\n  "name": "broken",,\n}', /line 2, column 20: .*not JSON/],
    ['nodes/alias', formatNodeRecord(testRecord('a')), /name: its key says "alias"/],
    ['nodes/', formatNodeRecord(testRecord('a')), /name: its key says ""/],
    ['nodes/a/b', formatNodeRecord(testRecord('a')), /name: its key says "a\/b"/],
    ['nodes/long', `${' '.repeat(65 << 10)}${formatNodeRecord(testRecord('long'))}`, /it is larger than 64 KiB/],
    ['claims/10.99.1.0_24', '{"prefix": "10.99.2.0/24", "node": "a", "sinceMs": 1}', /prefix: its key says/],
    ['claims/10.0.0.0_0', '{"prefix": "0.0.0.0/0", "node": "a", "sinceMs": 1}', /prefix/],
    ['removals/00', '{}', /removals\/00/],
  ]
  for (const [key, value] of cases) await cluster.put(`${prefix}/${key}`, value)
  await cluster.put(`${prefix}/else/where`, 'not ours')
  using follower = await following(opened)
  const nodes = () => follower.events.flatMap(event => (event.kind === 'node' ? event.record.name : []))
  const problems = () => follower.events.flatMap(event => (event.kind === 'problem' ? event.reason : []))
  assert.deepEqual(nodes(), ['a'])
  assert.equal(problems().length, cases.length)
  for (const [key, , reason] of cases) {
    const found = problems().filter(text => text.startsWith(`${prefix}/${key}: `) && reason.test(text))
    assert.equal(found.length, 1, `${key}: ${problems().join('\n')}`)
  }
  assert.deepEqual(await store.listNodes(), [testRecord('a')])
  // One that is mended is said; one that becomes unreadable is gone.
  await cluster.put(`${prefix}/nodes/broken`, formatNodeRecord(testRecord('broken')))
  await follower.until('mended', () => nodes().includes('broken'))
  await cluster.put(`${prefix}/nodes/broken`, 'x')
  await follower.until('broken', () => problems().length === cases.length + 1)
  assert.ok(follower.events.some(event => event.kind === 'nodeGone' && event.name === 'broken'))
})

test('etcd store: a network that is edited badly is told, and the last one holds', async () => {
  await using opened = await openNetwork()
  using follower = await following(opened)
  await cluster.put(`${opened.prefix}/network`, '{')
  await follower.until('problem', events => events.at(-1)?.kind === 'problem')
  const wider = { ...testNetwork, range: ['10.96.0.0/12'], nodePrefixLength: { ipv4: 24 } }
  await cluster.put(`${opened.prefix}/network`, formatNetworkConfig(wider))
  await follower.until('network', events => events.at(-1)?.kind === 'network')
})

test('etcd store: one that is wiped is lost and nobody left; made anew, it has seconds to say what it holds', async () => {
  await using opened = await openNetwork()
  const { prefix, store } = opened
  for (const name of ['a', 'b']) await store.writeNode(testRecord(name))
  await store.claim({ prefix: '10.99.3.0/24', node: 'a', sinceMs: 1 })
  using follower = await following(opened)
  const before = follower.events.length
  await cluster.delete(...['claims/10.99.3.0_24', 'network', 'nodes/a', 'nodes/b'].map(key => `${prefix}/${key}`))
  await follower.until('lost', events => events.at(-1)?.kind === 'lost')
  assert.deepEqual(follower.kinds().slice(before), ['lost'])
  await assert.rejects(store.writeNode(testRecord('a')), { code: 'ERR_PODWIRE_STORE', message: /no network/ })
  const claim = { prefix: '10.99.0.0/24', node: 'a', sinceMs: 1 }
  await assert.rejects(store.claim(claim), { code: 'ERR_PODWIRE_STORE', message: /no network/ })
  const other = await opened.reopen()
  await other.createNetwork(testNetwork)
  await follower.until('back', events => events.at(-1)?.kind === 'back')
  await other.writeNode(testRecord('a')) // it has heard of it; b never does
  await until('in sync again', () => isInSync(follower.events), 30)
  const gone = follower.events.flatMap(event => (event.kind === 'nodeGone' ? event.name : []))
  assert.deepEqual(gone, ['b'])
})

test('etcd store: thousands of records come in pages, and one change is one event', async () => {
  await using opened = await openNetwork()
  const { prefix, store } = opened
  const names = Array.from({ length: 2_500 }, (_, i) => `n${String(i).padStart(4, '0')}`)
  await cluster.ask(async client => {
    for (let i = 0; i < names.length; i += 100) {
      const chunk = names.slice(i, i + 100).map(name => testRecord(name))
      const success = chunk.map(record => ({ put: `${prefix}/nodes/${record.name}`, value: formatNodeRecord(record) }))
      await client.txn({ compare: [], success })
    }
  })
  assert.deepEqual(
    (await store.listNodes()).map(({ name }) => name),
    names,
  )
  using follower = await following(opened)
  const said = follower.events.flatMap(event => (event.kind === 'node' ? event.record.name : []))
  assert.deepEqual(said, names)
  const before = follower.events.length
  const moved = testRecord('n1234', { endpoints: ['192.0.2.9:1'] })
  await store.writeNode(moved)
  await follower.until('moved', events => events.length > before)
  assert.deepEqual(follower.events.slice(before), [{ kind: 'node', record: moved }])
})

test('etcd store: a fleet at rest writes nothing, also when it starts and when it was cut off', async () => {
  await using opened = await openNetwork()
  const { store, way } = opened
  await store.writeNode(testRecord('a'))
  const claim = { prefix: '10.99.3.0/24', node: 'a', sinceMs: 1 }
  await store.claim(claim)
  const before = await cluster.revision()
  using follower = await following(opened)
  way.cut()
  await follower.until('lost', events => events.at(-1)?.kind === 'lost')
  way.open()
  await follower.until('in sync', isInSync)
  await store.writeNode(testRecord('a'))
  await store.claim({ ...claim, sinceMs: 2 })
  assert.equal(await cluster.revision(), before)
})

test('etcd store: of two ways, one that is silent or cut is left for the other, and nobody hears of it', async () => {
  await using opened = await openNetwork()
  const [member] = cluster.members as [Member]
  for (const what of ['silence', 'cut'] as const) {
    await using bad = await cluster.newWay(member)
    await using good = await cluster.newWay(member)
    bad[what]()
    // The first one is taken at random.
    for (let i = 0; bad.accepted === 0; i++) {
      const store = await openStore(cluster.address(opened.prefix, [bad, good]))
      using follower = new Follower(store)
      await follower.until('in sync', isInSync)
      assert.ok(!follower.kinds().includes('lost'))
      await store.close()
      assert.ok(i < 100)
    }
  }
})

test('etcd store: a write whose answer never came is done once, and said to be done', async () => {
  await using opened = await openNetwork()
  const { store, way } = opened
  const other = await opened.reopen()
  using follower = new Follower(other)
  await follower.until('in sync', isInSync)
  for (let round = 0; round < 10; round++) {
    const record = testRecord(`n${round}`)
    const done = [store.writeNode(record), store.claim({ prefix: `10.99.${round}.0/24`, node: 'a', sinceMs: 1 })]
    // Cut while they are on their way, or before, or after.
    const cutting = new Promise(resolve => setTimeout(resolve, round)).then(() => way.cut())
    const results = await Promise.allSettled(done)
    await cutting
    way.open()
    await store.writeNode(record)
    assert.equal(await store.claim({ prefix: `10.99.${round}.0/24`, node: 'a', sinceMs: 1 }), true)
    assert.ok(results.every(({ status }) => status === 'fulfilled' || status === 'rejected'))
  }
  const claims = await other.listClaims()
  assert.equal(claims.length, 10)
  await other.writeNode(testRecord('last'))
  await follower.until('the last', events => events.at(-1)?.kind === 'node' && events.length === 1 + 1 + 10 + 10 + 1)
})

function assertApart(texts: readonly string[]): void {
  const prefixes = texts.map(text => parsePrefix(text, 'claim'))
  for (const [i, a] of prefixes.entries()) for (const b of prefixes.slice(i + 1)) assert.ok(!overlapsCidr(a, b))
}

test('etcd store: claimers in many processes, some killed, never get prefixes that overlap', {
  timeout: 120_000,
}, async () => {
  const network = { ...testNetwork, range: ['10.99.0.0/20', 'fd99::/48'] }
  await using opened = await openNetwork(network)
  const address = cluster.address(opened.prefix)
  const nodes = Array.from({ length: 8 }, (_, i) => `n${i}`)
  await Promise.all(nodes.map((node, i) => runClaimer(address, node, i % 2 === 0 ? 150 + 60 * i : undefined)))
  const first = await Promise.all(nodes.map(node => runClaimer(address, node)))
  const again = await Promise.all(nodes.map(node => runClaimer(address, node)))
  assert.deepEqual(again, first, 'a node that restarts finds its claims again')
  const all = first.flatMap(list => list ?? [])
  assert.equal(all.length, 2 * nodes.length)
  assertApart(all)
  assert.equal((await opened.store.listClaims()).length, 2 * nodes.length, 'no claim is left over')
})

test('etcd store: many at once in one process, under different lengths, never overlap', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 24, max: 28 }), { minLength: 2, maxLength: 6 }), async lengths => {
      await using opened = await openNetwork()
      const claims = lengths.map(async (ipv4, i) => {
        const network = { ...testNetwork, range: ['10.99.0.0/16'], nodePrefixLength: { ipv4 } }
        return claimPrefixes({ store: await opened.reopen(), network, node: `n${i}` })
      })
      assertApart((await Promise.all(claims)).flat())
    }),
    { numRuns: 10 },
  )
})

test('etcd store: when it is closed, nothing is left of it', async () => {
  await using opened = await openNetwork()
  const ending = new AbortController()
  const events: StoreEvent[] = []
  opened.store.watch(event => events.push(event), ending.signal)
  await until('in sync', () => isInSync(events))
  ending.abort()
  await opened.store.close()
  await assert.rejects(opened.store.listNodes(), { code: 'ERR_PODWIRE_CLOSED' })
  assert.ok(isInSync(events))
})
