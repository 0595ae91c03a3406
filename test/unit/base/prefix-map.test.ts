import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatCidr, maskCidr, overlapsCidr, parsePrefix } from '../../../src/base/cidr.ts'
import { PrefixMap } from '../../../src/base/prefix-map.ts'

const anyPrefix = (() => {
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
  return shifted
})()

test('prefix map: finds one that overlaps exactly where there is one', () => {
  fc.assert(
    fc.property(fc.array(anyPrefix, { maxLength: 12 }), anyPrefix, (kept, asked) => {
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

test('prefix map: all that overlap, from the outermost to the inner by address, whatever was put in and taken out before', () => {
  const steps = fc.array(fc.tuple(anyPrefix, fc.constantFrom('set', 'delete', 'ask')), { maxLength: 30 })
  fc.assert(
    fc.property(steps, list => {
      const map = new PrefixMap<string>()
      const kept = new Map<string, (typeof list)[number][0]>()
      for (const [prefix, step] of list) {
        const text = formatCidr(prefix)
        if (step === 'set') {
          map.set(prefix, text)
          kept.set(text, prefix)
        } else if (step === 'delete') {
          map.delete(prefix)
          kept.delete(text)
        }
        assert.equal(map.size, kept.size)
        assert.equal(map.get(prefix), kept.has(text) ? text : undefined)
        if (step !== 'ask') continue
        const expected = [...kept.values()]
          .filter(other => overlapsCidr(other, prefix))
          .sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : a.length - b.length))
        assert.deepEqual([...map.allOverlapping(prefix)], expected.map(formatCidr))
      }
    }),
    { seed: 5, numRuns: 1000 },
  )
})
