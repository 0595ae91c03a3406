import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { maskCidr, overlapsCidr, parsePrefix } from '../../../src/base/cidr.ts'
import { PrefixMap } from '../../../src/base/prefix-map.ts'

test('prefix map: finds one that overlaps exactly where there is one', () => {
  const prefix = fc.oneof(
    fc.record({ family: fc.constant(4 as const), length: fc.integer({ min: 0, max: 32 }), value: fc.bigInt(0n, 255n) }),
    fc.record({
      family: fc.constant(6 as const),
      length: fc.integer({ min: 0, max: 128 }),
      value: fc.bigInt(0n, 255n),
    }),
  )
  // Few bits, at either end of the address, so that many overlap.
  const shifted = fc.tuple(prefix, fc.boolean()).map(([{ family, length, value }, high]) => {
    const places = BigInt((family === 4 ? 32 : 128) - 8)
    return maskCidr({ family, length, value: high ? value << places : value })
  })
  fc.assert(
    fc.property(fc.array(shifted, { maxLength: 12 }), shifted, (kept, asked) => {
      const map = new PrefixMap<(typeof kept)[number]>()
      for (const one of kept) map.set(one, one)
      const found = map.overlapping(asked)
      assert.equal(
        found !== undefined,
        kept.some(one => overlapsCidr(one, asked)),
      )
      assert.ok(found === undefined || overlapsCidr(found, asked))
    }),
    { seed: 5, numRuns: 2000 },
  )
})

test('prefix map: counts what it has', () => {
  const map = new PrefixMap<string>()
  for (const text of ['10.0.0.0/8', '10.0.0.0/8', 'fd00::/8']) map.set(parsePrefix(text, 'test'), text)
  assert.equal(map.size, 2)
})
