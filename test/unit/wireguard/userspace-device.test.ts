// The device over an engine without packets: what it makes of changes and of the engine's events, and what it says of itself.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, FakeClock } from '../../../src/base/clock.ts'
import { generatePresharedKey, generatePrivateKey, publicKeyOf } from '../../../src/wireguard/keys.ts'
import { hex, keypairsOf, makePair, peerOf, wanted } from './device-pair.ts'

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
