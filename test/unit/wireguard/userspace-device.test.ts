// The device over engines without packets: what it makes of changes and events, and two of them shaking hands.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { blake2s } from '@noble/hashes/blake2.js'
import { type Clock, FakeClock } from '../../../src/base/clock.ts'
import { formatPublicKey, type PublicKey, publicKeyBytes } from '../../../src/base/key.ts'
import type { Secret } from '../../../src/base/secret.ts'
import type { PeerState } from '../../../src/model/device.ts'
import { generatePresharedKey, generatePrivateKey, publicKeyOf } from '../../../src/wireguard/keys.ts'
import { UserspaceDevice } from '../../../src/wireguard/userspace-device.ts'
import { FakeEngine } from './fake-engine.ts'

interface Side {
  readonly device: UserspaceDevice
  readonly engine: FakeEngine
  readonly privateKey: Secret
  readonly publicKey: PublicKey
  readonly log: string[]
  ended: boolean
}

function makeSide(clock: Clock, firstIndex: number): Side {
  const privateKey = generatePrivateKey()
  const log: string[] = []
  let opened: FakeEngine | undefined
  const device = new UserspaceDevice({
    openEngine: onEvents => {
      opened = new FakeEngine(onEvents, () => clock.nowMs(), firstIndex)
      return opened
    },
    clock: () => clock,
    log: (_, text) => log.push(text),
    onEnd: () => {
      side.ended = true
    },
  })
  assert.ok(opened)
  const side: Side = { device, engine: opened, privateKey, publicKey: publicKeyOf(privateKey), log, ended: false }
  return side
}

/** Two devices that know each other, up, messages of each arriving at the other at once. */
async function makePair(
  presharedKeys: [Secret | undefined, Secret | undefined] = [undefined, undefined],
  given?: Clock,
  clock = new FakeClock(),
) {
  const a = makeSide(given ?? clock, 100)
  const b = makeSide(given ?? clock, 200)
  for (const [side, other, psk, address] of [
    [a, b, presharedKeys[0], '10.0.0.2:51820'],
    [b, a, presharedKeys[1], '10.0.0.1:51820'],
  ] as const) {
    const peer = { publicKey: other.publicKey, endpoint: address, ...(psk && { presharedKey: psk }) }
    await side.device.set({ privateKey: side.privateKey, peers: [peer] })
    side.engine.say({ kind: 'linkUp' })
    other.engine.deliver = message => side.engine.arrive(message, side === a ? '10.0.0.2:51820' : '10.0.0.1:51820')
  }
  return { clock, a, b }
}

function keypairsOf(side: Side, other: Side) {
  return side.engine.peer(other.publicKey).keypairs
}

async function peerOf(side: Side, other: Side): Promise<PeerState> {
  const found = (await side.device.get()).peers.find(peer => peer.publicKey === other.publicKey)
  assert.ok(found)
  return found
}

const hex = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('hex')
const wanted = (side: Side, other: Side) =>
  side.engine.say({ kind: 'handshakeWanted', peer: side.engine.peer(other.publicKey).id })

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

test('device: a new private key ends sessions; the same key again does not', async () => {
  const { clock, a, b } = await makePair()
  wanted(a, b)
  clock.advance(0)
  await a.device.set({ privateKey: a.privateKey.copy() })
  assert.equal(keypairsOf(a, b).length, 1)
  await a.device.set({ privateKey: generatePrivateKey() })
  assert.equal(keypairsOf(a, b).length, 0)
  await a.device.set({ privateKey: null })
  assert.equal(a.engine.publicKey, null)
  assert.equal((await a.device.get()).privateKey, undefined)
  wanted(a, b)
  clock.advance(100_000)
})

test('kernel: a peer with our own key is ignored, and goes when the key becomes ours', async () => {
  const { a, b } = await makePair()
  await a.device.set({ peers: [{ publicKey: a.publicKey, allowedIps: ['10.0.0.0/8'] }] })
  assert.equal((await a.device.get()).peers.length, 1)
  await a.device.set({ privateKey: b.privateKey })
  assert.deepEqual((await a.device.get()).peers, [])
})

test('device: what set says, get repeats', async () => {
  const { a, b } = await makePair()
  const psk = generatePresharedKey()
  await a.device.set({
    listenPort: 51820,
    fwmark: 66,
    peers: [
      {
        publicKey: b.publicKey,
        presharedKey: psk,
        endpoint: '192.0.2.1:5',
        persistentKeepaliveSeconds: 25,
        allowedIps: ['10.1.0.0/16', 'fd00::/64'],
      },
    ],
  })
  const state = await a.device.get()
  assert.deepEqual([state.listenPort, state.fwmark, hex(state.privateKey?.bytes)], [51820, 66, hex(a.privateKey.bytes)])
  const { presharedKey, ...peer } = await peerOf(a, b)
  assert.equal(hex(presharedKey?.bytes), hex(psk.bytes))
  assert.deepEqual(peer, {
    publicKey: b.publicKey,
    endpoint: '192.0.2.1:5',
    txBytes: 0n,
    rxBytes: 0n,
    persistentKeepaliveSeconds: 25,
    allowedIps: ['10.1.0.0/16', 'fd00::/64'],
  })
  await a.device.set({ peers: [{ publicKey: b.publicKey, presharedKey: null, removeAllowedIps: ['fd00::/64'] }] })
  assert.equal((await peerOf(a, b)).presharedKey, undefined)
  assert.deepEqual((await peerOf(a, b)).allowedIps, ['10.1.0.0/16'])
  await a.device.set({ peers: [{ publicKey: b.publicKey, replaceAllowedIps: true, allowedIps: ['10.2.0.0/16'] }] })
  assert.deepEqual((await peerOf(a, b)).allowedIps, ['10.2.0.0/16'])
  const stranger = publicKeyOf(generatePrivateKey())
  await a.device.set({ peers: [{ publicKey: stranger, updateOnly: true, allowedIps: ['10.3.0.0/16'] }] })
  assert.equal((await a.device.get()).peers.length, 1)
  await a.device.set({ replacePeers: true, peers: [{ publicKey: stranger }] })
  assert.deepEqual(
    (await a.device.get()).peers.map(({ publicKey }) => publicKey),
    [stranger],
  )
  await a.device.set({ peers: [{ publicKey: stranger, remove: true }] })
  assert.deepEqual((await a.device.get()).peers, [])
})

test('device: a port in use is refused, up or down, and what came before in the change stays', async () => {
  for (const up of [true, false]) {
    const { a } = await makePair()
    if (!up) a.engine.say({ kind: 'linkDown' })
    a.engine.takenPort = 51820
    const other = generatePrivateKey()
    await assert.rejects(a.device.set({ privateKey: other, listenPort: 51820, fwmark: 1 }), {
      code: 'ERR_PODWIRE_PORT_IN_USE',
    })
    const state = await a.device.get()
    assert.equal(hex(state.privateKey?.bytes), hex(other.bytes))
    assert.equal(state.fwmark, 0)
    assert.equal(state.listenPort, 40000)
  }
})

test('kernel: keepalive from 0 to n sends one at once, and after the link comes up', async () => {
  const { a, b } = await makePair()
  const { id } = a.engine.peer(b.publicKey)
  a.engine.calls = []
  await a.device.set({ peers: [{ publicKey: b.publicKey, persistentKeepaliveSeconds: 25 }] })
  assert.deepEqual(a.engine.calls, [`sendKeepalive ${id}`])
  a.engine.say({ kind: 'linkDown' })
  a.engine.calls = []
  a.engine.say({ kind: 'linkUp' })
  assert.deepEqual(a.engine.calls, [`askAgain ${id}`, `sendKeepalive ${id}`])
})

test('device: a link that is down has no sockets, sessions or timers; up again it has the same port', async () => {
  const { clock, a, b } = await makePair()
  await a.device.set({ listenPort: 7777 })
  wanted(a, b)
  clock.advance(0)
  a.engine.say({ kind: 'linkDown' })
  assert.equal(a.engine.boundPort, undefined)
  assert.equal(keypairsOf(a, b).length, 0)
  assert.equal((await a.device.get()).listenPort, 7777)
  a.engine.sent = []
  wanted(a, b)
  clock.advance(600_000)
  assert.equal(a.engine.sent.length, 0)
  a.engine.say({ kind: 'linkUp' })
  assert.equal(a.engine.boundPort, 7777)
  wanted(a, b)
  clock.advance(0)
  assert.equal(a.engine.sent.length, 1)
})

test('device: what the engine said while the link was down is asked for anew when it is up', async () => {
  const { clock, a, b } = await makePair()
  const { id } = a.engine.peer(b.publicKey)
  a.engine.say({ kind: 'active', peer: id })
  wanted(a, b)
  clock.advance(0)
  a.engine.say({ kind: 'linkDown' })
  wanted(a, b) // a packet that was still in the queue of the TUN: the engine has asked now, and will not again
  a.engine.calls = []
  a.engine.say({ kind: 'linkUp' })
  assert.deepEqual(a.engine.calls, [`askAgain ${id}`])

  // Nor does it say `active` again until it was put to rest: data that goes unanswered must be seen all the same.
  wanted(a, b)
  clock.advance(1000)
  a.engine.setCounters(id, { sentUnansweredMs: clock.nowMs(), lastTraversalMs: clock.nowMs() })
  a.engine.sent = []
  clock.advance(15_400)
  assert.equal(a.engine.sent.length, 1, 'a new handshake')
})

test('device: if its port is taken when the link comes up, a port that is set later makes it work', async () => {
  const { clock, a, b } = await makePair()
  a.engine.say({ kind: 'linkDown' })
  await a.device.set({ listenPort: 7777 })
  a.engine.takenPort = 7777
  a.engine.say({ kind: 'linkUp' })
  await a.device.set({ listenPort: 7778 })
  wanted(a, b)
  clock.advance(0)
  assert.equal(keypairsOf(a, b).length, 1)
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

test('device: its status counts peers, sessions and handshakes, and drops that happened', async () => {
  const { clock, a, b } = await makePair()
  const status = () => b.device.status()
  assert.deepEqual(status().peers, { count: 1, withSession: 0 })
  wanted(a, b)
  clock.advance(0)
  assert.deepEqual(status().peers, { count: 1, withSession: 1 })
  a.engine.deliver = undefined
  const [initiation = new Uint8Array()] = a.engine.sent
  b.engine.arrive(initiation, '10.0.0.1:51820') // again: a replay
  b.engine.arrive(initiation.map(byte => byte ^ 1).fill(1, 0, 1), '10.0.0.1:51820')
  b.engine.arrive(new Uint8Array(64).fill(3, 0, 1), '10.0.0.1:51820')
  clock.advance(2500)
  assert.deepEqual(status().handshakes, { initiationsReceived: 3, initiationsAnswered: 1, cookiesReceived: 0 })
  assert.equal(status().uptimeSeconds, 2)
  assert.equal(status().memory.engineBytes, 4096)
  assert.deepEqual(status().drops, { replay: 3 })
  clock.advance(177_499)
  assert.deepEqual(status().peers, { count: 1, withSession: 1 })
  clock.advance(1)
  assert.deepEqual(status().peers, { count: 1, withSession: 0 })
})

test('device: its status counts no sessions while the link is down', async () => {
  const { clock, a, b } = await makePair()
  wanted(a, b)
  clock.advance(0)
  a.engine.say({ kind: 'linkDown' })
  assert.deepEqual([a.device.status().up, a.device.status().peers], [false, { count: 1, withSession: 0 }])
})

test('device: a peer at rest has no deadline but that of its old keys, and then none', async () => {
  const clock = new FakeClock()
  const pending = new Set<() => void>()
  /** The clock, with what waits counted. */
  const counted: Clock = {
    nowMs: () => clock.nowMs(),
    wallMs: () => clock.wallMs(),
    after(delayMs, run) {
      const once = () => {
        pending.delete(once)
        run()
      }
      const cancel = clock.after(delayMs, once)
      pending.add(once)
      return () => {
        pending.delete(once)
        cancel()
      }
    },
  }
  const { a, b } = await makePair([undefined, undefined], counted, clock)
  clock.advance(20_000)
  assert.equal(pending.size, 0, 'peers that nothing happened to')
  wanted(a, b)
  a.engine.say({ kind: 'active', peer: a.engine.peer(b.publicKey).id })
  clock.advance(60_000)
  assert.equal(pending.size, 2, 'the age of the keys of each')
  a.engine.calls = []
  clock.advance(470_000)
  assert.deepEqual([pending.size, a.engine.calls], [2, []])
  clock.advance(20_000)
  assert.equal(pending.size, 0)
})

test('device: a deleted link ends it; closing removes the peers and closes the engine', async () => {
  const { clock, a, b } = await makePair()
  wanted(a, b)
  a.engine.say({ kind: 'linkGone' })
  assert.ok(a.ended)
  a.device.close()
  a.device.close()
  assert.equal(a.engine.peers.size, 0)
  assert.deepEqual(
    a.engine.calls.filter(call => call === 'close'),
    ['close'],
  )
  clock.advance(1_000_000)
})

test('device: a peer removed in the middle of a handshake leaves nothing that runs', async () => {
  const { clock, a, b } = await makePair()
  b.engine.deliver = undefined
  wanted(a, b)
  await a.device.set({ peers: [{ publicKey: b.publicKey, remove: true }] })
  a.engine.say(
    { kind: 'handshakeWanted', peer: 0 },
    { kind: 'active', peer: 0 },
    { kind: 'confirmed', peer: 0, localIndex: 1 },
  )
  clock.advance(1_000_000)
  assert.equal(a.engine.sent.length, 1)
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
