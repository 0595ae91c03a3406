import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseAddress } from '../../../src/plan/choose-address.ts'

test('address: the lowest that is free, and none that is somebody’s', () => {
  const cases: [prefix: string, used: string[], expected: string | undefined][] = [
    ['10.99.1.0/24', [], '10.99.1.2'],
    ['10.99.1.0/24', ['10.99.1.2', '10.99.1.4'], '10.99.1.3'],
    ['fd99:0:0:1::/64', ['fd99:0:0:1::2'], 'fd99:0:0:1::3'],
    ['10.99.1.0/30', [], '10.99.1.2'],
    ['10.99.1.0/30', ['10.99.1.2'], undefined],
    ['10.99.1.0/31', [], undefined],
    ['10.99.1.0/32', [], undefined],
    ['fd99::/127', [], undefined],
    ['fd99::/126', ['fd99::2'], 'fd99::3'],
    ['fd99::/128', [], undefined],
  ]
  for (const [prefix, used, expected] of cases) assert.equal(chooseAddress(prefix, new Set(used)), expected, prefix)
})
