// What every form of store must do, as tests that each form runs over itself.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { claimPrefixes } from '../../../src/agent/claim.ts'
import { formatPublicKey } from '../../../src/base/key.ts'
import type { NetworkConfig } from '../../../src/model/network-config.ts'
import type { NodeRecord } from '../../../src/model/node-record.ts'
import type { Store, StoreEvent } from '../../../src/store/store.ts'

export const testNetwork: NetworkConfig = {
  name: 'test',
  range: ['10.99.0.0/16', 'fd99::/48'],
  nodePrefixLength: { ipv4: 24, ipv6: 64 },
}

/** A store of its own for one test, which closes what was opened of it. */
export interface Opened extends AsyncDisposable {
  readonly store: Store
  /** The same store, opened anew, by a way of its own: an outage does not reach it. */
  reopen(): Promise<Store>
  /** `store` cannot reach anything any more, until the end. */
  outage(): Promise<{ end(): Promise<void> }>
  /** What happened so far can no longer be asked for: compaction, 410, a server without its history. Absent: there is none. */
  forgetHistory?(): Promise<void>
}

export interface Form {
  /** An empty store, without a network. */
  open(): Promise<Opened>
}

/** A store with `testNetwork`. */
async function openNetwork({ open }: Form): Promise<Opened> {
  const opened = await open()
  assert.equal(await opened.store.createNetwork(testNetwork), true)
  return opened
}

export function testRecord(name: string, change: Partial<NodeRecord> = {}): NodeRecord {
  const publicKey = formatPublicKey(Buffer.alloc(32, name))
  return { name, publicKey, endpoints: ['192.0.2.1:51820'], prefixes: [], ...change }
}

/** Follows a watch and waits for what it should say. */
export class Follower implements Disposable {
  readonly events: StoreEvent[] = []
  readonly #abort = new AbortController()

  constructor(store: Store) {
    store.watch(event => this.events.push(event), this.#abort.signal)
  }

  /** Waits until `done` holds of what was said. */
  async until(what: string, done: (events: readonly StoreEvent[]) => boolean): Promise<void> {
    for (const deadline = performance.now() + 20_000; !done(this.events); await delay(5)) {
      if (performance.now() > deadline) assert.fail(`not within 20 s: ${what}; said: ${JSON.stringify(this.events)}`)
    }
  }

  kinds(): string[] {
    return this.events.map(({ kind }) => kind)
  }

  [Symbol.dispose](): void {
    this.#abort.abort()
  }
}

const inSync = (events: readonly StoreEvent[]) => events.at(-1)?.kind === 'inSync'

export function testStore(form: string, kind: Form): void {
  const open = () => openNetwork(kind)

  test(`${form} store: an empty one is said to be, and set up once`, async () => {
    await using opened = await kind.open()
    const { store, reopen } = opened
    await assert.rejects(store.readNetwork(), { code: 'ERR_PODWIRE_STORE' })
    const other = await reopen()
    const made = await Promise.all([store, other].map(one => one.createNetwork(testNetwork)))
    assert.deepEqual(made.sort(), [false, true])
    assert.equal(await other.createNetwork({ ...testNetwork, name: 'second' }), false)
    assert.deepEqual(await store.readNetwork(), testNetwork)
  })

  test(`${form} store: says network, claims and nodes, then that it is in sync`, async () => {
    await using opened = await open()
    const { store } = opened
    await store.claim({ prefix: '10.99.3.0/24', node: 'a', sinceMs: 1 })
    const record = testRecord('a', { prefixes: ['10.99.3.0/24'] })
    await store.writeNode(record)
    using follower = new Follower(store)
    await follower.until('in sync', inSync)
    assert.deepEqual(follower.events, [
      { kind: 'network', network: testNetwork },
      { kind: 'claim', claim: { prefix: '10.99.3.0/24', node: 'a', sinceMs: 1 } },
      { kind: 'node', record },
      { kind: 'inSync' },
    ])
  })

  test(`${form} store: says each change once, and nothing when nothing changes`, async () => {
    await using opened = await open()
    const { store } = opened
    await store.writeNode(testRecord('a'))
    using follower = new Follower(store)
    await follower.until('in sync', inSync)
    const before = follower.events.length
    await store.writeNode(testRecord('a')) // the same again
    const moved = testRecord('a', { endpoints: ['192.0.2.9:1'] })
    await store.writeNode(moved)
    await store.writeNode(testRecord('b'))
    await follower.until('b', events => events.some(event => event.kind === 'node' && event.record.name === 'b'))
    assert.deepEqual(follower.events.slice(before), [
      { kind: 'node', record: moved },
      { kind: 'node', record: testRecord('b') },
    ])
  })

  test(`${form} store: a name that another key has is refused, with both keys named, and the record stays`, async () => {
    await using opened = await open()
    const { store, reopen } = opened
    const record = testRecord('a')
    await store.writeNode(record)
    const other = await reopen()
    const intruder = testRecord('a', { publicKey: testRecord('x').publicKey })
    await assert.rejects(other.writeNode(intruder), error => {
      assert.equal((error as { code?: string }).code, 'ERR_PODWIRE_NODE_NAME_TAKEN')
      assert.ok(String(error).includes(record.publicKey))
      return String(error).includes(intruder.publicKey)
    })
    assert.deepEqual(await other.readNode('a'), record)
  })

  test(`${form} store: of two that create one name at the same time, one is refused`, async () => {
    await using opened = await open()
    const { store, reopen } = opened
    const other = await reopen()
    for (let round = 0; round < 20; round++) {
      const mine = testRecord(`n${round}`)
      const theirs = testRecord(`n${round}`, { publicKey: testRecord('x').publicKey })
      const results = await Promise.allSettled([store.writeNode(mine), other.writeNode(theirs)])
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
    }
  })

  test(`${form} store: of many who claim one prefix, one gets it, and keeps it when asked again`, async () => {
    await using opened = await open()
    const { store, reopen } = opened
    const other = await reopen()
    const claims = Array.from({ length: 20 }, (_, i) => ({ prefix: '10.99.0.0/24', node: `n${i}`, sinceMs: i }))
    const got = await Promise.all(claims.map((claim, i) => (i % 2 ? store : other).claim(claim)))
    const winners = claims.filter((_, i) => got[i])
    assert.equal(winners.length, 1)
    const [winner] = winners
    assert.ok(winner)
    assert.deepEqual(await store.listClaims(), [winner])
    assert.equal(await other.claim({ ...winner, sinceMs: 999 }), true)
    assert.deepEqual(await store.listClaims(), [winner])
    for (const loser of claims.filter(claim => claim !== winner)) await store.release(loser)
    assert.deepEqual(await store.listClaims(), [winner])
    await other.release(winner)
    assert.deepEqual(await store.listClaims(), [])
  })

  test(`${form} store: claimed prefixes come from the range, one of each family, and are found again`, async () => {
    await using opened = await open()
    const { store, reopen } = opened
    const a = await claimPrefixes({ store, network: testNetwork, node: 'a' })
    const b = await claimPrefixes({ store, network: testNetwork, node: 'b' })
    assert.deepEqual(
      [a, b],
      [
        ['10.99.0.0/24', 'fd99::/64'],
        ['10.99.1.0/24', 'fd99:0:0:1::/64'],
      ],
    )
    assert.deepEqual(await claimPrefixes({ store: await reopen(), network: testNetwork, node: 'a' }), a)
  })

  test(`${form} store: a node that starts again keeps its claim against a younger one, and not against an older`, async () => {
    for (const [sinceMs, kept] of [
      [2, true],
      [0, false],
    ] as const) {
      await using opened = await open()
      const { store } = opened
      await store.claim({ prefix: '10.99.4.0/24', node: 'a', sinceMs: 1 })
      await store.claim({ prefix: '10.99.4.0/23', node: 'b', sinceMs })
      const [prefix] = await claimPrefixes({ store, network: testNetwork, node: 'a' })
      assert.equal(prefix === '10.99.4.0/24', kept, `against a claim of ${sinceMs}`)
    }
  })

  test(`${form} store: a node whose claims were lost gets the prefixes it uses, unless another has them`, async () => {
    await using opened = await open()
    const { store } = opened
    await store.claim({ prefix: 'fd99:0:0:7::/64', node: 'b', sinceMs: 1 })
    const inUse = ['10.99.7.0/24', 'fd99:0:0:7::/64']
    assert.deepEqual(await claimPrefixes({ store, network: testNetwork, node: 'a', inUse }), [
      '10.99.7.0/24',
      'fd99::/64',
    ])
  })

  test(`${form} store: lists its nodes by name`, async () => {
    await using opened = await open()
    const { store, reopen } = opened
    assert.deepEqual(await store.listNodes(), [])
    const records = ['b', 'a', 'c'].map(name => testRecord(name))
    for (const record of records) await store.writeNode(record)
    const names = (await (await reopen()).listNodes()).map(({ name }) => name)
    assert.deepEqual(names, ['a', 'b', 'c'])
    assert.equal(await store.readNode('d'), undefined)
  })

  test(`${form} store: a node that is removed is gone with its claims, and its key stays out`, async () => {
    await using opened = await open()
    const { store, reopen } = opened
    const record = testRecord('a', { prefixes: ['10.99.3.0/24'] })
    await store.claim({ prefix: '10.99.3.0/24', node: 'a', sinceMs: 1 })
    await store.claim({ prefix: '10.99.4.0/24', node: 'b', sinceMs: 1 })
    await store.writeNode(record)
    using follower = new Follower(store)
    await follower.until('in sync', inSync)
    const other = await reopen()
    assert.equal(await other.removeNode('a'), true)
    assert.equal(await other.removeNode('a'), false)
    await follower.until('it is gone', events => {
      const kinds = events.map(({ kind }) => kind)
      return ['removal', 'nodeGone', 'claimGone'].every(kind => kinds.includes(kind as StoreEvent['kind']))
    })
    const [removal] = follower.events.flatMap(event => (event.kind === 'removal' ? event.removal : []))
    assert.deepEqual([removal?.node, removal?.publicKey], ['a', record.publicKey])
    assert.deepEqual(
      (await store.listClaims()).map(({ prefix }) => prefix),
      ['10.99.4.0/24'],
    )
    await assert.rejects(store.writeNode(record), { code: 'ERR_PODWIRE_NODE_REMOVED' })
    const again = testRecord('a', { publicKey: testRecord('x').publicKey })
    await store.writeNode(again)
    assert.deepEqual(await store.readNode('a'), again)
    // Who comes later hears of it as well.
    using late = new Follower(other)
    await late.until('in sync', inSync)
    assert.ok(late.kinds().includes('removal'))
  })

  test(`${form} store: while it is away nothing is gone; when it is back, all that changed is said`, {
    timeout: 60_000,
  }, async () => {
    for (const forgets of [false, true]) {
      await using opened = await open()
      const { store, reopen, forgetHistory } = opened
      if (forgets && forgetHistory === undefined) return
      const names = ['a', 'b']
      for (const name of names) await store.writeNode(testRecord(name))
      using follower = new Follower(store)
      await follower.until('in sync', inSync)
      const before = follower.events.length
      const outage = await opened.outage()
      await follower.until('lost', events => events.at(-1)?.kind === 'lost')
      await assert.rejects(store.readNode('a'), { code: 'ERR_PODWIRE_STORE' })
      const other = await reopen()
      await other.removeNode('a')
      const moved = testRecord('b', { endpoints: ['192.0.2.9:1'] })
      await other.writeNode(moved)
      await other.writeNode(testRecord('c'))
      if (forgets) await forgetHistory?.()
      assert.ok(follower.events.slice(before).every(({ kind }) => kind === 'lost'))
      await outage.end()
      await follower.until('in sync again', inSync)
      const said = follower.events.slice(before).filter(({ kind }) => kind !== 'lost')
      assert.equal(said[0]?.kind, 'back')
      const nodes = said.flatMap(event => (event.kind === 'node' ? event.record : []))
      assert.deepEqual(
        nodes.sort((a, b) => (a.name < b.name ? -1 : 1)),
        [moved, testRecord('c')],
      )
      assert.deepEqual(
        said.flatMap(event => (event.kind === 'nodeGone' ? event.name : [])),
        ['a'],
      )
      // The watch lives on.
      await store.writeNode(testRecord('d'))
      await follower.until('d', events => events.some(event => event.kind === 'node' && event.record.name === 'd'))
    }
  })
}
