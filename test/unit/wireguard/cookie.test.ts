// MACs of what is sent, checked as a responder would, and cookies (paper, sections 5.4.4 and 5.4.7).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { blake2s } from '@noble/hashes/blake2.js'
import { addMacs, consumeCookieReply, createMacState } from '../../../src/wireguard/cookie.ts'

const remote = new Uint8Array(32).fill(7)
const macKey = blake2s(Buffer.concat([Buffer.from('mac1----'), remote]))
const cookieKey = blake2s(Buffer.concat([Buffer.from('cookie--'), remote]))
const cookie = new Uint8Array(16).fill(3)

function initiation(): Uint8Array {
  return Uint8Array.from({ length: 148 }, (_, i) => (i === 0 ? 1 : i < 4 || i >= 116 ? 0 : i))
}

function cookieReply(mac1: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(24).fill(5)
  const sealed = xchacha20poly1305(cookieKey, nonce, mac1).encrypt(cookie)
  return Uint8Array.from([3, 0, 0, 0, 1, 2, 3, 4, ...nonce, ...sealed])
}

test('paper 5.4.4: mac1 is the keyed hash of all before it; without a cookie mac2 is zero', () => {
  const message = initiation()
  addMacs(createMacState(remote), message, 0)
  assert.deepEqual(message.subarray(116, 132), blake2s(message.subarray(0, 116), { key: macKey, dkLen: 16 }))
  assert.deepEqual(message.subarray(132), new Uint8Array(16))
})

test('kernel: after a cookie reply mac2 is made with it, for 120 s less 5 s', () => {
  const first = initiation()
  const sent = addMacs(createMacState(remote), first, 0)
  const state = consumeCookieReply(sent, cookieReply(first.subarray(116, 132)), 1000)
  assert.ok(state)
  for (const [nowMs, used] of [
    [1000, true],
    [115_999, true],
    [116_000, false],
  ] as const) {
    const message = initiation()
    addMacs(state, message, nowMs)
    const mac2 = used ? blake2s(message.subarray(0, 132), { key: cookie, dkLen: 16 }) : new Uint8Array(16)
    assert.deepEqual(message.subarray(132), mac2, `after ${nowMs} ms`)
  }
})

test('kernel: a cookie reply is taken once, so that its replay does not make an old cookie young', () => {
  const message = initiation()
  const sent = addMacs(createMacState(remote), message, 0)
  const reply = cookieReply(message.subarray(116, 132))
  const state = consumeCookieReply(sent, reply, 1000)
  assert.ok(state)
  assert.equal(consumeCookieReply(state, reply, 100_000), undefined)
})

test('paper 5.4.7: a cookie reply that answers nothing, answers something else, or was changed is refused', () => {
  const message = initiation()
  const fresh = createMacState(remote)
  const sent = addMacs(fresh, message, 0)
  const good = cookieReply(message.subarray(116, 132))
  assert.equal(consumeCookieReply(fresh, good, 0), undefined)
  assert.equal(consumeCookieReply(sent, cookieReply(new Uint8Array(16)), 0), undefined)
  for (let at = 8; at < good.length; at++) {
    const bad = Uint8Array.from(good)
    bad[at] = (bad[at] ?? 0) ^ 1
    assert.equal(consumeCookieReply(sent, bad, 0), undefined, `byte ${at}`)
  }
  assert.equal(consumeCookieReply(sent, good.subarray(1), 0), undefined)
})
