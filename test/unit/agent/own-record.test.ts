import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OwnRecord } from '../../../src/agent/own-record.ts'
import type { NodeRecord } from '../../../src/model/node-record.ts'
import { testRecord } from '../store/conformance.ts'

const ours = testRecord('a')
const elsewhere = testRecord('a', { endpoints: ['192.0.2.9:51820'] })
const intruder = testRecord('a', { publicKey: testRecord('x').publicKey })

/** Hosts that share one store, and hear of each write at once: each thinks that the record is its own. */
function hostsOf(...records: NodeRecord[]) {
  let shown: NodeRecord | undefined
  let writes = 0
  const said: string[] = []
  const say = (_: unknown, text: string) => said.push(text)
  const store = {
    readNode: async () => shown,
    async writeNode(record: NodeRecord) {
      writes += 1
      put(record)
    },
  }
  const put = (record: NodeRecord) => {
    shown = record
    for (const { own } of hosts) own.take({ kind: 'node', record })
  }
  const hosts = records.map(record => {
    const { name, publicKey } = record
    return { record, own: new OwnRecord({ store, name, publicKey, log: { info: say, warn: say, error: say } }) }
  })
  return {
    hosts: hosts.map(({ own }) => own),
    put,
    said,
    writes: () => writes,
    shown: () => shown,
    async round(...who: number[]) {
      for (const i of who) await hosts[i]?.own.publish(hosts[i].record, shown, true)
    },
  }
}

test('own record: written once, and not again while the store holds it', async () => {
  const net = hostsOf(ours)
  for (let i = 0; i < 3; i++) await net.round(0)
  assert.equal(net.writes(), 1)
  assert.deepEqual(net.shown(), ours)
})

test('own record: what the watch has not told yet is not written again; what it says is gone is', async () => {
  const net = hostsOf(ours)
  await net.round(0)
  const [own] = net.hosts
  await own?.publish(ours, undefined, true)
  assert.equal(net.writes(), 1)
  own?.take({ kind: 'nodeGone', name: 'a' })
  await own?.publish(ours, undefined, true)
  assert.equal(net.writes(), 2)
})

test('own record: one that was edited by hand is written again', async () => {
  const net = hostsOf(ours)
  await net.round(0)
  net.put(elsewhere)
  await net.round(0)
  assert.deepEqual(net.shown(), ours)
  assert.equal(net.hosts[0]?.rival, undefined)
})

test('own record: two hosts with one key write a few times, then one is left, and it is said once who is there', async () => {
  const net = hostsOf(ours, elsewhere)
  for (let i = 0; i < 50; i++) await net.round(0, 1)
  assert.ok(net.writes() <= 5, `${net.writes()} writes`)
  assert.ok(net.hosts.some(({ rival }) => rival?.includes('with our own key')))
  assert.ok(net.said.filter(text => text.includes('is left as it is')).length <= 2)
})

test('own record: a name that another host took with its own key is left to it', async () => {
  const net = hostsOf(ours)
  await net.round(0)
  net.put(intruder)
  for (let i = 0; i < 5; i++) await net.round(0)
  assert.equal(net.writes(), 1)
  assert.ok(net.hosts[0]?.rival?.includes(`with the key ${intruder.publicKey}`))
})

test('own record: while the store is away nothing is written; when it comes back empty, it is written before it is in sync', async () => {
  const record = { ...ours }
  const written: NodeRecord[] = []
  const store = {
    readNode: async () => written.at(-1),
    async writeNode(one: NodeRecord) {
      written.push(one)
    },
  }
  const say = () => {}
  const log = { info: say, warn: say, error: say }
  const own = new OwnRecord({ store, name: 'a', publicKey: record.publicKey, log })
  await own.publish(record, undefined, false)
  assert.equal(written.length, 0)
  own.take({ kind: 'back' })
  assert.equal(own.mayBeForgotten, true)
  await own.publish(record, undefined, false)
  assert.equal(written.length, 1)
  assert.equal(own.mayBeForgotten, false)
})
