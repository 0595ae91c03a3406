// The primitives against their published vectors, and against @noble as an oracle.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chacha20poly1305, xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { x25519 } from '@noble/curves/ed25519.js'
import { blake2s } from '@noble/hashes/blake2.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac as nobleHmac } from '@noble/hashes/hmac.js'
import fc from 'fast-check'
import { dh, hash, hmac, kdf, mac, open, openExtended, publicBytesOf, seal } from '../../../src/wireguard/crypto.ts'
import { clamp, generatePrivateKey, publicKeyOf } from '../../../src/wireguard/keys.ts'

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
const hex = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString('hex')
const empty = new Uint8Array(0)
const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 })

const exchanges = [
  {
    from: 'RFC 7748, 5.2, first',
    scalar: 'a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4',
    point: 'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c',
    secret: 'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
  },
  {
    from: 'RFC 7748, 5.2, second (the top bit of the point is ignored)',
    scalar: '4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d',
    point: 'e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493',
    secret: '95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957',
  },
  {
    from: 'RFC 7748, 6.1',
    scalar: '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb',
    point: '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
    secret: '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
  },
]

for (const { from, scalar, point, secret } of exchanges) {
  test(`x25519: ${from}`, () => {
    assert.equal(hex(dh(bytes(scalar), bytes(point))), secret)
  })
}

test('x25519: RFC 7748, 5.2, a thousand iterations', () => {
  let k = bytes(`09${'00'.repeat(31)}`)
  let u = k
  for (let i = 0; i < 1000; i++) {
    const next = dh(k, u)
    assert.ok(next)
    u = k
    k = next
  }
  assert.equal(hex(k), '684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51')
})

test('x25519: what noble computes', () => {
  fc.assert(
    fc.property(key32, key32, (a, b) => {
      const publicB = x25519.getPublicKey(b)
      assert.equal(hex(publicBytesOf(b)), hex(publicB))
      assert.equal(hex(dh(a, publicB)), hex(x25519.getSharedSecret(a, publicB)))
    }),
    { numRuns: 30 },
  )
})

// Points of order 1, 2, 4 and 8 on the curve and its twist, and the same with values not reduced.
const lowOrder = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
  `${'00'.repeat(31)}80`,
]
for (const point of lowOrder) {
  test(`x25519: the point of low order ${point.slice(0, 8)}… gives no secret`, () => {
    assert.equal(dh(bytes('77'.repeat(32)), bytes(point)), undefined)
  })
}

test('keys: a new one is clamped, and its public key is that of noble', () => {
  const key = generatePrivateKey()
  assert.deepEqual(clamp(key.bytes), key.bytes)
  assert.equal(publicKeyOf(key), Buffer.from(x25519.getPublicKey(key.bytes)).toString('base64'))
  assert.equal(hex(clamp(bytes('ff'.repeat(32)))), `f8${'ff'.repeat(30)}7f`)
  assert.equal(hex(clamp(bytes('00'.repeat(32)))), `${'00'.repeat(31)}40`)
})

test('aead: RFC 8439, A.5', () => {
  const sealed = bytes(
    '64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0' +
      'bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855' +
      '9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e9' +
      '9040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a' +
      '0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130' +
      '305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709beead9d67890cbb22392336fea1851f38',
  )
  const key = bytes('1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0')
  const counter = 0x0807060504030201n
  const authenticated = bytes('f33388860000000000004e91')
  const plaintext = open(key, counter, sealed, authenticated)
  assert.ok(plaintext)
  assert.match(Buffer.from(plaintext).toString(), /^Internet-Drafts are draft documents .* \/“work in progress\.\/”$/)
  assert.equal(hex(seal(key, counter, plaintext, authenticated)), hex(sealed))
})

test('aead: seals what noble seals, and opens nothing that was changed', () => {
  fc.assert(
    fc.property(
      key32,
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      fc.uint8Array(),
      fc.uint8Array(),
      fc.nat(),
      (key, counter, plaintext, authenticated, flip) => {
        const nonce = new Uint8Array(12)
        new DataView(nonce.buffer).setBigUint64(4, counter, true)
        const sealed = seal(key, counter, plaintext, authenticated)
        assert.equal(hex(sealed), hex(chacha20poly1305(key, nonce, authenticated).encrypt(plaintext)))
        assert.equal(hex(open(key, counter, sealed, authenticated)), hex(plaintext))
        const changed = Uint8Array.from(sealed)
        const at = flip % changed.length
        changed[at] = (changed[at] ?? 0) ^ (1 << (flip % 8))
        assert.equal(open(key, counter, changed, authenticated), undefined)
      },
    ),
  )
  assert.equal(open(new Uint8Array(32), 0n, new Uint8Array(15), empty), undefined)
})

test('xaead: draft-irtf-cfrg-xchacha, A.3.1', () => {
  const sealed = bytes(
    'bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39' +
      'ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9' +
      '21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49',
  )
  const key = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i)
  const nonce = Uint8Array.from({ length: 24 }, (_, i) => 0x40 + i)
  const plaintext = openExtended(key, nonce, sealed, bytes('50515253c0c1c2c3c4c5c6c7'))
  assert.match(Buffer.from(plaintext ?? []).toString(), /^Ladies and Gentlemen of the class of '99: .* would be it\.$/)
  assert.equal(openExtended(key, nonce, sealed, empty), undefined)
  assert.equal(hex(openExtended(key, nonce, xchacha20poly1305(key, nonce).encrypt(sealed), empty)), hex(sealed))
})

test('hash: RFC 7693, appendix B', () => {
  const digest = '508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982'
  assert.equal(hex(hash(Buffer.from('abc'))), digest)
  assert.equal(hex(hash(Buffer.from('a'), empty, Buffer.from('bc'))), digest)
})

test('hash and mac: the self-test of RFC 7693, appendix E', () => {
  const sequence = (length: number, seed: number): Uint8Array => {
    let a = Math.imul(0xdead4bad, seed) >>> 0
    let b = 1
    return Uint8Array.from({ length }, () => {
      const sum = (a + b) >>> 0
      a = b
      b = sum
      return sum >>> 24
    })
  }
  const total = blake2s.create({ dkLen: 32 })
  for (const dkLen of [16, 20, 28, 32]) {
    for (const length of [0, 3, 64, 65, 255, 1024]) {
      const input = sequence(length, length)
      const key = sequence(dkLen, dkLen)
      total.update(dkLen === 32 ? hash(input) : blake2s(input, { dkLen }))
      total.update(dkLen === 16 ? mac(key, input) : blake2s(input, { key, dkLen }))
    }
  }
  assert.equal(hex(total.digest()), '6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe')
})

test('hmac and kdf: what noble computes, the KDF being HKDF without info', () => {
  fc.assert(
    fc.property(key32, fc.uint8Array(), (key, input) => {
      assert.equal(hex(hmac(key, input)), hex(nobleHmac(blake2s, key, input)))
      const whole = hkdf(blake2s, input, key, undefined, 96)
      for (const count of [1, 2, 3] as const) {
        assert.equal(hex(Buffer.concat([...kdf(count, key, input)])), hex(whole.subarray(0, 32 * count)))
      }
    }),
  )
})
