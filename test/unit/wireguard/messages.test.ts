// The handshake messages as bytes: strict, and never a throw.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  formatInitiation,
  formatResponse,
  parseCookieReply,
  parseInitiation,
  parseResponse,
} from '../../../src/wireguard/messages.ts'

const parsers = [
  { name: 'initiation', type: 1, length: 148, parse: parseInitiation },
  { name: 'response', type: 2, length: 92, parse: parseResponse },
  { name: 'cookie reply', type: 3, length: 64, parse: parseCookieReply },
]
const index = fc.nat(0xffffffff)
const field = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

for (const { name, type, length, parse } of parsers) {
  test(`messages: bytes of any length and content are a ${name} only with its length, type and reserved zeroes`, () => {
    const likely = fc
      .tuple(fc.nat(4), fc.constantFrom(0, 0, 0, 1, 128), field(length - 4))
      .map(([first, reserved, rest]) => Uint8Array.from([first, 0, 0, reserved, ...rest]))
    const message = fc.oneof(
      likely,
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ minLength: 0, maxLength: 65535 }),
    )
    fc.assert(
      fc.property(message, bytes => {
        const valid = bytes.length === length && bytes[0] === type && !bytes[1] && !bytes[2] && !bytes[3]
        assert.equal(parse(bytes) !== undefined, valid)
      }),
      { numRuns: 500 },
    )
  })

  test(`messages: a ${name} one byte shorter, one longer, or with a reserved bit is none`, () => {
    const good = new Uint8Array(length)
    good[0] = type
    assert.ok(parse(good))
    assert.equal(parse(good.subarray(1)), undefined)
    assert.equal(parse(good.subarray(0, length - 1)), undefined)
    assert.equal(parse(Uint8Array.from([...good, 0])), undefined)
    assert.equal(parse(new Uint8Array(0)), undefined)
    for (const at of [1, 2, 3]) {
      for (let bit = 0; bit < 8; bit++) {
        const bad = Uint8Array.from(good)
        bad[at] = 1 << bit
        assert.equal(parse(bad), undefined, `byte ${at} bit ${bit}`)
      }
    }
  })
}

test('messages: fields survive being written and read, also out of the middle of a larger buffer', () => {
  const initiation = fc.record(
    {
      sender: index,
      ephemeral: field(32),
      encryptedStatic: field(48),
      encryptedTimestamp: field(28),
    },
    { noNullPrototype: true },
  )
  const response = fc.record(
    { sender: index, receiver: index, ephemeral: field(32), encryptedNothing: field(16) },
    { noNullPrototype: true },
  )
  const shifted = (message: Uint8Array) => Uint8Array.from([9, 9, 9, ...message]).subarray(3)
  fc.assert(
    fc.property(initiation, response, (one, two) => {
      assert.deepEqual(parseInitiation(shifted(formatInitiation(one))), one)
      assert.deepEqual(parseResponse(shifted(formatResponse(two))), two)
    }),
  )
})
