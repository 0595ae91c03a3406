import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../../../src/kubernetes/resource.ts'
import {
  claimName,
  claimObject,
  networkObject,
  nodeObject,
  readClaimObject,
  readNetworkObject,
  readNodeObject,
  readRemovalObject,
  removalObject,
} from '../../../src/store/kubernetes-objects.ts'
import { testNetwork, testRecord } from './conformance.ts'

const claim = { prefix: 'fd99:0:0:1::/64', node: 'a', sinceMs: 7 }
const removal = { node: 'a', publicKey: testRecord('a').publicKey, sinceMs: 7 }

test('kubernetes objects: what is written is read', () => {
  const read = (object: object) => object as KubeObject
  assert.deepEqual(readNetworkObject(read(networkObject(testNetwork))), testNetwork)
  assert.deepEqual(readNodeObject(nodeObject(testRecord('a'))), testRecord('a'))
  assert.deepEqual(readClaimObject(read(claimObject(claim))), claim)
  assert.deepEqual(readRemovalObject(read(removalObject(removal))), removal)
})

test('kubernetes objects: a claim has one name, which the API allows', () => {
  for (const [prefix, name] of [
    ['10.99.1.0/24', '10.99.1.0-24'],
    ['fd99:0:0:1::/64', 'fd99-0000-0000-0001-0000-0000-0000-0000-64'],
    ['64:ff9b::/96', '0064-ff9b-0000-0000-0000-0000-0000-0000-96'],
  ] as const) {
    assert.equal(claimName(prefix), name)
    assert.match(name, /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/)
  }
})

test('kubernetes objects: what somebody else could have written is refused with its reason', () => {
  const labels = { metadata: { name: 'a', labels: { x: 'y'.repeat(1 << 20) } } }
  const other = claimObject(claim) as KubeObject
  for (const [read, expected] of [
    [() => readNodeObject({ ...nodeObject(testRecord('a')), ...labels }), /podwirenodes\/a.*larger than 64 KiB/],
    [() => readNodeObject({ metadata: { name: 'a' } }), /podwirenodes\/a.*publicKey/],
    [() => readNodeObject(nodeObject(testRecord('a', { prefixes: ['0.0.0.0/0'] }))), /podwirenodes\/a: prefixes\[0\]/],
    [() => readNodeObject({ metadata: { name: 'a' }, spec: { ...testRecord('a'), name: 'b' } }), undefined],
    [() => readClaimObject({ ...other, metadata: { name: '10.99.1.0-24' } }), /belongs to "fd99-0000/],
  ] as const) {
    if (expected === undefined) assert.equal((read() as { name: string }).name, 'a')
    else assert.throws(read, expected)
  }
})
