import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatPathMessage, isAuthentic, parsePathMessage, probeKeys } from '../../../src/agent/path-message.ts'
import { formatPublicKey } from '../../../src/base/key.ts'
import { generatePrivateKey, publicKeyOf } from '../../../src/wireguard/keys.ts'

function twoNodes() {
  const [a, b] = [generatePrivateKey(), generatePrivateKey()]
  return { a: probeKeys(a, publicKeyOf(a), publicKeyOf(b)), b: probeKeys(b, publicKeyOf(b), publicKeyOf(a)) }
}

test('path message: two nodes have the same keys, another for each direction, and nobody else has them', () => {
  const { a, b } = twoNodes()
  const others = twoNodes()
  assert.ok(a && b && others.a)
  assert.deepEqual(a.asks, b.asked)
  assert.deepEqual(a.asked, b.asks)
  assert.notDeepEqual(a.asks, a.asked)
  assert.notDeepEqual(a.asks, others.a.asks)
})

test('path message: a key of low order gives none', () => {
  const own = generatePrivateKey()
  assert.equal(probeKeys(own, publicKeyOf(own), formatPublicKey(new Uint8Array(32))), undefined)
})

test('path message: a question is as long as what it stands for, an answer is short, and both are read as written', () => {
  const { a } = twoNodes()
  assert.ok(a)
  for (const bytes of [1312, 1452, 8952, 65_507]) {
    for (const kind of ['question', 'answer'] as const) {
      const message = { kind, bytes, number: Date.now() * 1000 }
      const datagram = formatPathMessage(message, a.asks)
      assert.equal(datagram.length, kind === 'question' ? bytes : 28)
      assert.deepEqual(parsePathMessage(datagram), message)
      assert.ok(isAuthentic(datagram, a.asks))
      assert.ok(!isAuthentic(datagram, a.asked))
    }
  }
})

test('path message: one that was changed in any of its fields, or cut, is not believed', () => {
  const { a } = twoNodes()
  assert.ok(a)
  const question = formatPathMessage({ kind: 'question', bytes: 1312, number: 1_700_000_000_000_000 }, a.asks)
  for (let at = 0; at < 28; at++) {
    const changed = Buffer.from(question)
    changed[at] = (changed[at] ?? 0) ^ 1
    assert.ok(parsePathMessage(changed) === undefined || !isAuthentic(changed, a.asks), `byte ${at}`)
  }
  assert.equal(parsePathMessage(question.subarray(0, 1311)), undefined)
  assert.equal(parsePathMessage(Buffer.concat([question, Buffer.alloc(1)])), undefined)
})

test('path message: any bytes are read without an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.constantFrom(0, 1, 2, 3), (bytes, kind) => {
      const datagram = Buffer.from(bytes)
      if (datagram.length > 1) datagram.set([kind, 1])
      const message = parsePathMessage(datagram)
      assert.ok(message === undefined || (datagram.length >= 28 && Number.isSafeInteger(message.number)))
    }),
  )
})
