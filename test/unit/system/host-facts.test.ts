import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missingCapabilities } from '../../../src/system/host-facts.ts'

test('host facts: a capability that is not effective is missing', () => {
  assert.deepEqual(missingCapabilities('Name:\tnode\nCapEff:\t000001ffffffffff\n'), [])
  assert.deepEqual(missingCapabilities('CapEff:\t0000000000001000\n'), [])
  assert.deepEqual(missingCapabilities('CapEff:\t0000000000000fff\n'), ['CAP_NET_ADMIN'])
  assert.deepEqual(missingCapabilities('CapPrm:\t000001ffffffffff\n'), ['CAP_NET_ADMIN'])
})
