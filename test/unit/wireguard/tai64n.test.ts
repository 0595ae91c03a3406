// TAI64N timestamps: the format, how coarse they are, and that they only grow.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isAfter, timestamp } from '../../../src/wireguard/tai64n.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const year2100Ms = 4_102_444_800_000

const cases: [wallMs: number, stamp: string][] = [
  [0, '400000000000000a00000000'],
  [1, '400000000000000a00000000'],
  [16, '400000000000000a00000000'],
  [17, '400000000000000a01000000'],
  [1000, '400000000000000b00000000'],
  [999, '400000000000000a3b000000'],
  [1_700_000_000_500, '400000006553f10a1d000000'],
]
for (const [wallMs, stamp] of cases) {
  test(`tai64n: ${wallMs} ms after 1970 is ${stamp}`, () => {
    assert.equal(hex(timestamp(wallMs)), stamp)
  })
}

test('tai64n: whatever the clock does, each is later than the one before, and hides the low 24 bits', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: year2100Ms }), { minLength: 2 }), walls => {
      let last = timestamp(walls[0] ?? 0)
      for (const wallMs of walls.slice(1)) {
        const next = timestamp(wallMs, last)
        assert.ok(isAfter(next, last) && !isAfter(last, next))
        const nanoseconds = Buffer.from(next).readUInt32BE(8)
        assert.ok(nanoseconds < 1_000_000_000 && (nanoseconds & 0xffffff) === 0)
        last = next
      }
    }),
  )
})
