import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Attempts } from '../../../src/server/attempts.ts'

const isRefused = (attempts: Attempts, address: string) => {
  try {
    attempts.check(address)
    return false
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'ERR_PODWIRE_STORE_BUSY')
    return true
  }
}

test('attempts: ten failures in a minute, and an address waits for the rest of it', () => {
  let nowMs = 5
  const attempts = new Attempts(() => nowMs)
  for (let i = 0; i < 10; i++) {
    assert.ok(!isRefused(attempts, '192.0.2.1'))
    attempts.failed('192.0.2.1')
  }
  assert.ok(isRefused(attempts, '192.0.2.1'))
  assert.ok(isRefused(attempts, '::ffff:192.0.2.1'), 'the same, as a socket of both families has it')
  assert.ok(!isRefused(attempts, '192.0.2.2'))
  nowMs += 60_000
  assert.ok(!isRefused(attempts, '192.0.2.1'))
  attempts.failed('192.0.2.1')
  assert.ok(!isRefused(attempts, '192.0.2.1'))
})

test('attempts: a /64 of IPv6 counts as one address', () => {
  const attempts = new Attempts(() => 0)
  for (let i = 0; i < 10; i++) attempts.failed(`2001:db8::${i}`)
  for (const [address, refused] of [
    ['2001:db8::ffff:1', true],
    ['2001:db8:0:0:9::1', true],
    ['2001:db8:0:1::1', false],
    ['::1', false],
    ['2001:db9::', false],
  ] as const) {
    assert.equal(isRefused(attempts, address), refused, address)
  }
})

test('attempts: what is remembered is bounded', () => {
  const attempts = new Attempts(() => 0)
  for (let i = 0; i < 10; i++) attempts.failed('192.0.2.1')
  for (let i = 0; i < 4095; i++) attempts.failed(`10.0.${i >> 8}.${i & 255}`)
  assert.ok(isRefused(attempts, '192.0.2.1'))
  attempts.failed('192.0.2.2')
  assert.ok(!isRefused(attempts, '192.0.2.1'))
})
