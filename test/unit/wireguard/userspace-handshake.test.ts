// Two devices over engines without packets that shake hands: what each makes of the other's messages, and of those of a stranger.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { blake2s } from '@noble/hashes/blake2.js'
import { formatPublicKey, publicKeyBytes } from '../../../src/base/key.ts'
import { generatePresharedKey } from '../../../src/wireguard/keys.ts'
import { hex, keypairsOf, makePair, makeSide, peerOf, wanted } from './device-pair.ts'

for (const withPsk of [false, true]) {
  test(`device: a wanted handshake gives both sides one keypair, ${withPsk ? 'with' : 'without'} preshared key`, async () => {
    const psk = withPsk ? generatePresharedKey() : undefined
    const { clock, a, b } = await makePair([psk, psk])
    wanted(a, b)
    clock.advance(0)
    const [one, ...others] = keypairsOf(a, b)
    const [two] = keypairsOf(b, a)
    assert.ok(one && two)
    assert.equal(others.length, 0)
    assert.equal(hex(one.sendKey), hex(two.receiveKey))
    assert.deepEqual([one.localIndex, one.remoteIndex], [two.remoteIndex, two.localIndex])
    assert.deepEqual([one.initiator, two.initiator], [true, false])
    assert.equal((await peerOf(a, b)).lastHandshakeMs, clock.wallMs())
    assert.equal((await peerOf(b, a)).lastHandshakeMs, undefined, 'the responder waits for data')
    b.engine.say({ kind: 'confirmed', peer: b.engine.peer(a.publicKey).id, localIndex: two.localIndex })
    assert.equal((await peerOf(b, a)).lastHandshakeMs, clock.wallMs())
  })
}

test('device: different preshared keys give the initiator no keypair', async () => {
  const { clock, a, b } = await makePair([generatePresharedKey(), undefined])
  wanted(a, b)
  clock.advance(1000)
  assert.equal(keypairsOf(a, b).length, 0)
})

test('device: both start at once, and each completes what it started', async () => {
  const { clock, a, b } = await makePair()
  const held: (() => void)[] = []
  for (const side of [a, b]) {
    const deliver = side.engine.deliver
    side.engine.deliver = message => held.push(() => deliver?.(message))
  }
  wanted(a, b)
  wanted(b, a)
  while (held.length > 0) {
    for (const run of held.splice(0)) run()
    clock.advance(0)
  }
  for (const [side, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const sends = keypairsOf(side, other).findLast(({ initiator }) => initiator)
    assert.ok(sends, 'it may send at once')
    assert.ok(keypairsOf(other, side).some(({ receiveKey }) => hex(receiveKey) === hex(sends.sendKey)))
  }
})

test('paper 5.1: a replayed initiation is not answered', async () => {
  const { clock, a, b } = await makePair()
  wanted(a, b)
  clock.advance(100)
  const [initiation] = a.engine.sent
  assert.ok(initiation)
  b.engine.arrive(initiation, '10.0.0.1:51820')
  clock.advance(100)
  assert.equal(keypairsOf(b, a).length, 1)
  assert.ok(b.log.some(line => line.includes('replayed')))
})

test('kernel: initiations that come less than 20 ms apart are not answered', async () => {
  const { clock, a, b } = await makePair()
  b.engine.deliver = undefined // no response comes
  wanted(a, b)
  clock.advance(6000)
  clock.advance(0)
  const [first, second] = a.engine.sent
  assert.ok(first && second)
  const c = makeSide(clock, 300)
  await c.device.set({ privateKey: b.privateKey, peers: [{ publicKey: a.publicKey }] })
  c.engine.say({ kind: 'linkUp' })
  c.engine.arrive(first, '10.0.0.1:1')
  clock.advance(19)
  c.engine.arrive(second, '10.0.0.1:1')
  clock.advance(0)
  assert.equal(keypairsOf(c, a).length, 1)
  assert.ok(c.log.some(line => line.includes('too fast')))
  clock.advance(1)
  c.engine.arrive(second, '10.0.0.1:1')
  assert.equal(keypairsOf(c, a).length, 2)
})

test('paper 2.1: an authentic initiation or response from elsewhere moves the endpoint; anything else does not', async () => {
  const { clock, a, b } = await makePair()
  a.engine.deliver = message => b.engine.arrive(message, '192.0.2.9:7')
  b.engine.deliver = message => a.engine.arrive(message, '[2001:db8::5]:8')
  const garbage = new Uint8Array(148)
  garbage[0] = 1
  b.engine.arrive(garbage, '6.6.6.6:6')
  clock.advance(0)
  assert.equal((await peerOf(b, a)).endpoint, '10.0.0.1:51820')
  wanted(a, b)
  clock.advance(0)
  assert.equal((await peerOf(b, a)).endpoint, '192.0.2.9:7')
  assert.equal((await peerOf(a, b)).endpoint, '[2001:db8::5]:8')
})

test('kernel: a peer whose public key is of low order gets no handshake, and does no harm', async () => {
  const { clock, a, b } = await makePair()
  const lowOrder = formatPublicKey(new Uint8Array(32))
  await a.device.set({ peers: [{ publicKey: lowOrder, endpoint: '10.0.0.9:1', persistentKeepaliveSeconds: 1 }] })
  a.engine.say({ kind: 'handshakeWanted', peer: a.engine.peer(lowOrder).id })
  clock.advance(200_000)
  assert.equal(a.engine.sent.length, 0)
  wanted(a, b)
  clock.advance(0)
  assert.equal(keypairsOf(a, b).length, 1)
})

test('kernel: keys are zeroised as soon as the engine has them', async () => {
  const { clock, a, b } = await makePair()
  const handedDown: Uint8Array[] = []
  for (const { engine } of [a, b]) {
    const install = engine.installKeypair.bind(engine)
    engine.installKeypair = (peer, keypair) => {
      handedDown.push(keypair.sendKey, keypair.receiveKey)
      assert.ok([keypair.sendKey, keypair.receiveKey].every(key => key.some(byte => byte !== 0)))
      install(peer, keypair)
    }
  }
  wanted(a, b)
  clock.advance(0)
  assert.equal(handedDown.length, 4)
  for (const key of handedDown) assert.deepEqual(Buffer.from(key), Buffer.alloc(32))
})

test('kernel: a cookie reply sends nothing and moves nothing; the retry 5 s after the initiation has mac2', async () => {
  const { clock, a, b } = await makePair()
  a.engine.deliver = undefined
  wanted(a, b)
  const [first] = a.engine.sent
  assert.ok(first)
  const cookieKey = blake2s(Buffer.concat([Buffer.from('cookie--'), publicKeyBytes(b.publicKey)]))
  const nonce = new Uint8Array(24).fill(5)
  const sealed = xchacha20poly1305(cookieKey, nonce, first.subarray(116, 132)).encrypt(new Uint8Array(16).fill(3))
  a.engine.arrive(Uint8Array.from([3, 0, 0, 0, ...first.subarray(4, 8), ...nonce, ...sealed]), '203.0.113.9:9')
  clock.advance(4999)
  assert.equal(a.engine.sent.length, 1)
  assert.equal((await peerOf(a, b)).endpoint, '10.0.0.2:51820')
  clock.advance(1 + 334)
  const [, second] = a.engine.sent
  assert.ok(second)
  const mac2 = blake2s(second.subarray(0, 132), { key: new Uint8Array(16).fill(3), dkLen: 16 })
  assert.equal(hex(second.subarray(132)), hex(mac2))
})

test('paper 6.4: a handshake given up drops what was staged; a late response is not taken', async () => {
  const { clock, a, b } = await makePair()
  b.engine.deliver = undefined
  const { id } = a.engine.peer(b.publicKey)
  wanted(a, b)
  clock.advance(89_000)
  a.engine.calls = []
  clock.advance(1000)
  assert.deepEqual(a.engine.calls, [`dropStaged ${id}`, `askAgain ${id}`])
  const response = b.engine.sent.at(-1)
  assert.ok(response)
  a.engine.arrive(response, '10.0.0.2:51820')
  clock.advance(0)
  assert.equal(keypairsOf(a, b).length, 0)
})

test('paper 6.3: keys are wiped 540 s after the handshake', async () => {
  const { clock, a, b } = await makePair()
  wanted(a, b)
  clock.advance(539_999)
  assert.equal(keypairsOf(a, b).length, 1)
  clock.advance(1)
  assert.equal(keypairsOf(a, b).length, 0)
})

test('device: no key, not even a part of one, is in a log line', async () => {
  const psk = generatePresharedKey()
  const { clock, a, b } = await makePair([psk, psk])
  wanted(a, b)
  clock.advance(200_000)
  const lines = [...a.log, ...b.log].join('\n')
  assert.ok(lines.length > 0)
  for (const secret of [psk, a.privateKey, b.privateKey]) {
    assert.ok(!lines.includes(Buffer.from(secret.bytes).toString('base64').slice(0, 8)))
    assert.ok(!lines.includes(Buffer.from(secret.bytes).toString('hex').slice(0, 8)))
  }
})
