import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { containsCidr, formatCidr, overlapsCidr, parsePrefix, subPrefix } from '../../../src/base/cidr.ts'
import { choosePrefix } from '../../../src/plan/choose-prefix.ts'

test('prefix: the first of the range that is free', () => {
  const cases: [range: string, length: number, claimed: string[], chosen: string | undefined][] = [
    ['10.99.0.0/16', 24, [], '10.99.0.0/24'],
    ['10.99.0.0/16', 24, ['10.99.0.0/24', '10.99.2.0/24'], '10.99.1.0/24'],
    ['10.99.0.0/16', 24, ['10.99.2.0/24', '10.99.0.0/23'], '10.99.3.0/24'],
    ['10.99.0.0/16', 24, ['10.99.0.5/32', 'fd99::/64'], '10.99.1.0/24'],
    ['10.99.0.0/16', 24, ['10.98.0.0/16'], '10.99.0.0/24'],
    ['10.99.0.0/16', 24, ['10.0.0.0/8'], undefined],
    ['10.99.0.0/24', 24, [], '10.99.0.0/24'],
    ['10.99.0.0/24', 24, ['10.99.0.9/32'], undefined],
    ['10.99.0.0/23', 24, ['10.99.1.0/24', '10.99.0.0/24'], undefined],
    ['fd99::/48', 64, ['fd99::/64'], 'fd99:0:0:1::/64'],
    ['fd00::/8', 128, [], 'fd00::/128'],
  ]
  for (const [range, length, claimed, chosen] of cases) {
    assert.equal(choosePrefix(parsePrefix(range, ''), length, claimed), chosen, `${range} ${claimed}`)
  }
})

test('prefix: the first that is free from a place on, then from the start', () => {
  const cases: [range: string, length: number, claimed: string[], from: number, chosen: string | undefined][] = [
    ['10.99.0.0/16', 24, [], 0.5, '10.99.128.0/24'],
    ['10.99.0.0/16', 24, ['10.99.128.0/23', '10.99.0.0/24'], 0.5, '10.99.130.0/24'],
    ['10.99.0.0/16', 24, ['10.99.0.0/17'], 0.999, '10.99.255.0/24'],
    ['10.99.0.0/16', 24, ['10.99.0.0/24', '10.99.192.0/18'], 0.75, '10.99.1.0/24'],
    ['10.99.0.0/23', 24, ['10.99.0.0/24', '10.99.1.0/24'], 0.5, undefined],
    ['fd99::/48', 64, [], 0.5, 'fd99:0:0:8000::/64'],
    ['fd00::/8', 128, [], 0.5, 'fd00::8000:0/128'],
  ]
  for (const [range, length, claimed, from, chosen] of cases) {
    assert.equal(choosePrefix(parsePrefix(range, ''), length, claimed, from), chosen, `${range} ${from}`)
  }
})

test('prefix: overlaps no claim, and is undefined only when every one overlaps', () => {
  const range = parsePrefix('10.99.0.0/26', '')
  const claim = fc
    .integer({ min: 26, max: 32 })
    .chain(length =>
      fc.integer({ min: 0, max: 2 ** (length - 26) - 1 }).map(i => formatCidr(subPrefix(range, length, BigInt(i)))),
    )
  fc.assert(
    fc.property(fc.array(claim, { maxLength: 30 }), fc.integer({ min: 26, max: 32 }), (claimed, length) => {
      const chosen = choosePrefix(range, length, claimed)
      const taken = claimed.map(text => parsePrefix(text, ''))
      const free = Array.from({ length: 2 ** (length - 26) }, (_, i) => subPrefix(range, length, BigInt(i))).find(
        prefix => !taken.some(other => overlapsCidr(other, prefix)),
      )
      assert.equal(chosen, free && formatCidr(free))
      if (chosen) assert.ok(containsCidr(range, parsePrefix(chosen, '')))
    }),
  )
})
