// A cluster of three real members, of which one dies, is paused, or is alone.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openStore, type Store, type StoreEvent } from '../../src/store/store.ts'
import { Follower, testNetwork, testRecord } from '../unit/store/conformance.ts'
import { EtcdCluster, type Member } from './etcd-cluster.ts'
import type { Forwarder } from './forwarder.ts'
import { until } from './until.ts'

let cluster: EtcdCluster
let count = 0

before(async () => {
  cluster = await EtcdCluster.start({ members: 3 })
})

after(() => cluster[Symbol.asyncDispose]())

interface Given {
  /** In sync, by ways of its own. */
  readonly follower: Follower
  readonly writer: Store
  /** The member that the follower is connected to, if it never had another. */
  readonly followed: Member
}

async function withFollower(run: (given: Given) => Promise<void>): Promise<void> {
  const prefix = `/net-${count++}`
  const ways: Forwarder[] = []
  for (const member of cluster.members) ways.push(await cluster.newWay(member))
  const [writer, reader] = [await openStore(cluster.address(prefix)), await openStore(cluster.address(prefix, ways))]
  try {
    await writer.createNetwork(testNetwork)
    using follower = new Follower(reader)
    await until('in sync', () => isInSync(follower.events), 30)
    const followed = cluster.members.find((_, i) => (ways[i]?.accepted ?? 0) > 0)
    assert.ok(followed)
    await run({ follower, writer, followed })
  } finally {
    for (const store of [writer, reader]) await store.close()
    for (const way of ways) await way[Symbol.asyncDispose]()
  }
}

const isInSync = (events: readonly StoreEvent[]) => events.at(-1)?.kind === 'inSync'

function namesOf(events: readonly StoreEvent[]): string[] {
  return events.flatMap(event => (event.kind === 'node' ? event.record.name : []))
}

test('etcd cluster: a member is killed under a writer and a follower, and nothing is lost, and nothing said twice', async () => {
  await withFollower(async ({ follower, writer, followed }) => {
    const names = Array.from({ length: 120 }, (_, i) => `n${i}`)
    for (const [i, name] of names.entries()) {
      const killed = i === 40 ? followed.kill() : undefined // no wait: the next write meets it as it is
      await writer.writeNode(testRecord(name))
      assert.equal(await writer.claim({ prefix: `10.99.${i}.0/24`, node: name, sinceMs: i }), true)
      if (i === 80) followed.start()
      await killed
    }
    const done = () => namesOf(follower.events).length >= names.length
    await until(`all, said: ${JSON.stringify(follower.kinds())}`, done, 30)
    assert.deepEqual(namesOf(follower.events).sort(), [...names].sort())
    await until('all claims', () => follower.kinds().filter(kind => kind === 'claim').length >= names.length, 30)
    assert.equal(follower.kinds().filter(kind => kind === 'claim').length, names.length)
    assert.ok(!follower.kinds().some(kind => kind.endsWith('Gone')))
    assert.equal((await writer.listNodes()).length, names.length)
    assert.equal((await writer.listClaims()).length, names.length)
    await cluster.ready()
  })
})

test('etcd cluster: a member that is paused is noticed by its silence, and left for another', async () => {
  await withFollower(async ({ follower, writer, followed }) => {
    followed.signal('SIGSTOP')
    try {
      await writer.writeNode(testRecord('a'))
      await until('a', () => namesOf(follower.events).includes('a'), 60)
      assert.ok(!follower.kinds().includes('lost'))
    } finally {
      followed.signal('SIGCONT')
    }
    await cluster.ready()
  })
})

test('etcd cluster: a member that is left alone is lost, not quietly behind', async () => {
  await withFollower(async ({ follower, writer, followed }) => {
    const others = cluster.members.filter(member => member !== followed)
    for (const member of others) await member.kill()
    await until('lost', () => follower.kinds().includes('lost'), 60)
    for (const member of others) member.start()
    await cluster.ready()
    await until('in sync again', () => isInSync(follower.events), 30)
    await writer.writeNode(testRecord('a'))
    await until('a', () => namesOf(follower.events).includes('a'), 30)
  })
})
