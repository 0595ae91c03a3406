// The handshake: exchanges recorded with wireguard-go, and the machine against itself.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { addMacs, createMacState } from '../../../src/wireguard/cookie.ts'
import { open } from '../../../src/wireguard/crypto.ts'
import {
  consumeInitiation,
  consumeResponse,
  createIdentity,
  createInitiation,
  createRemote,
  createResponse,
  type Identity,
  type Remote,
} from '../../../src/wireguard/noise.ts'
import { timestamp } from '../../../src/wireguard/tai64n.ts'

interface Exchange {
  role: 'initiator' | 'responder'
  ownPrivateKey: string
  peerPrivateKey: string
  presharedKey: string
  ephemeral: string
  timestamp: string
  localIndex: number
  initiation: string
  response: string
  data: string
}

const file = new URL('../../../../test/unit/wireguard/vectors/wireguard-go.json', import.meta.url)
const recorded: { canary: string; exchanges: Exchange[] } = JSON.parse(readFileSync(file, 'utf8'))
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
const hex = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString('hex')

function remoteOf(identity: Identity, publicKey: Uint8Array): Remote {
  const remote = createRemote(identity, publicKey)
  assert.ok(remote)
  return remote
}

for (const exchange of recorded.exchanges) {
  const psk = /^0+$/.test(exchange.presharedKey) ? 'without' : 'with'
  test(`noise: the exchange recorded with wireguard-go, as ${exchange.role}, ${psk} preshared key`, () => {
    const identity = createIdentity(bytes(exchange.ownPrivateKey))
    const peer = createIdentity(bytes(exchange.peerPrivateKey)).publicKey
    const remote = remoteOf(identity, peer)
    const shared = {
      identity,
      remote,
      presharedKey: bytes(exchange.presharedKey),
      ephemeral: bytes(exchange.ephemeral),
      timestamp: bytes(exchange.timestamp),
      localIndex: exchange.localIndex,
    }
    const macs = createMacState(peer)
    let receiveKey: Uint8Array | undefined
    if (exchange.role === 'initiator') {
      const created = createInitiation(shared)
      assert.ok(created)
      addMacs(macs, created.message, 0)
      assert.equal(hex(created.message), exchange.initiation)
      const message = bytes(exchange.response)
      receiveKey = consumeResponse({ ...shared, initiator: created.initiator, message })?.receiveKey
    } else {
      const initiation = consumeInitiation(identity, bytes(exchange.initiation), found => {
        assert.equal(hex(found), hex(peer))
        return remote
      })
      assert.ok(initiation)
      assert.equal(hex(initiation.timestamp), exchange.timestamp)
      const created = createResponse({ ...shared, initiation })
      assert.ok(created)
      addMacs(macs, created.message, 0)
      assert.equal(hex(created.message), exchange.response)
      receiveKey = created.keypair.receiveKey
    }
    assert.ok(receiveKey)
    const data = bytes(exchange.data)
    const counter = Buffer.from(data).readBigUInt64LE(8)
    const packet = open(receiveKey, counter, data.subarray(16), new Uint8Array(0))
    assert.ok(packet && Buffer.from(packet).includes(recorded.canary))
  })
}

test('noise: there is a recording of both roles, with and without preshared key', () => {
  assert.equal(recorded.exchanges.length, 4)
})

/** Two parties that know each other, all of their randomness from `seed`. */
function pair(seed: number, presharedKeys: [number, number] = [0, 0]) {
  const filled = (value: number) => new Uint8Array(32).fill(value)
  const [a, b] = [createIdentity(filled(seed + 1)), createIdentity(filled(seed + 2))]
  return {
    initiator: { identity: a, remote: remoteOf(a, b.publicKey), presharedKey: filled(presharedKeys[0]) },
    responder: { identity: b, remote: remoteOf(b, a.publicKey), presharedKey: filled(presharedKeys[1]) },
    ephemerals: [() => filled(seed + 3), () => filled(seed + 4)] as const,
  }
}

function begin({ initiator, ephemerals }: ReturnType<typeof pair>) {
  const stamp = timestamp(1_700_000_000_000)
  const created = createInitiation({ ...initiator, ephemeral: ephemerals[0](), timestamp: stamp, localIndex: 11 })
  assert.ok(created)
  return created
}

function answer({ responder, ephemerals }: ReturnType<typeof pair>, message: Uint8Array) {
  const initiation = consumeInitiation(responder.identity, message, () => responder.remote)
  return initiation && createResponse({ ...responder, initiation, ephemeral: ephemerals[1](), localIndex: 22 })
}

test('noise: both sides come to the same keys, turned round', () => {
  fc.assert(
    fc.property(fc.nat(250), fc.nat(255), (seed, psk) => {
      const parties = pair(seed, [psk, psk])
      const first = begin(parties)
      const second = answer(parties, first.message)
      assert.ok(second)
      const keys = consumeResponse({ ...parties.initiator, initiator: first.initiator, message: second.message })
      assert.ok(keys)
      assert.deepEqual(hex(keys.sendKey), hex(second.keypair.receiveKey))
      assert.deepEqual(hex(keys.receiveKey), hex(second.keypair.sendKey))
      assert.notEqual(hex(keys.sendKey), hex(keys.receiveKey))
      assert.deepEqual([keys.localIndex, keys.remoteIndex, keys.initiator], [11, 22, true])
      const { localIndex, remoteIndex, initiator } = second.keypair
      assert.deepEqual([localIndex, remoteIndex, initiator], [22, 11, false])
    }),
    { numRuns: 20 },
  )
})

// The sender's index and the MACs are not part of the transcript: mac1 covers them, and the engine checks it.
const free = { initiation: new Set([4, 5, 6, 7]), response: new Set([4, 5, 6, 7]) }

function flipped(message: Uint8Array, bit: number): Uint8Array {
  const changed = Uint8Array.from(message)
  const at = bit >> 3
  changed[at] = (changed[at] ?? 0) ^ (1 << (bit & 7))
  return changed
}

test('noise: an initiation with any bit flipped is rejected', () => {
  const parties = pair(30)
  const { message } = begin(parties)
  const find = () => parties.responder.remote
  for (let bit = 0; bit < 116 * 8; bit++) {
    if (free.initiation.has(bit >> 3)) continue
    assert.equal(consumeInitiation(parties.responder.identity, flipped(message, bit), find), undefined, `bit ${bit}`)
  }
  assert.ok(consumeInitiation(parties.responder.identity, message, find))
})

test('noise: a response with any bit flipped is rejected, and the right one is accepted after it', () => {
  const parties = pair(40, [9, 9])
  const first = begin(parties)
  const second = answer(parties, first.message)
  assert.ok(second)
  const consume = (message: Uint8Array) =>
    consumeResponse({ ...parties.initiator, initiator: first.initiator, message })
  for (let bit = 0; bit < 60 * 8; bit++) {
    if (free.response.has(bit >> 3)) continue
    assert.equal(consume(flipped(second.message, bit)), undefined, `bit ${bit}`)
  }
  assert.ok(consume(second.message))
})

test('noise: different preshared keys, a stranger, another receiver: no keys', () => {
  const parties = pair(50, [1, 2])
  const first = begin(parties)
  const second = answer(parties, first.message)
  assert.ok(second)
  const { initiator } = first
  assert.equal(consumeResponse({ ...parties.initiator, initiator, message: second.message }), undefined)
  assert.equal(
    consumeInitiation(parties.responder.identity, first.message, () => undefined),
    undefined,
  )
  const stranger = createIdentity(new Uint8Array(32).fill(99))
  assert.equal(
    consumeInitiation(stranger, first.message, () => parties.responder.remote),
    undefined,
  )
})

test('kernel: a peer of low order has no shared secret, and an ephemeral of low order is rejected', () => {
  const { initiator, responder } = pair(60)
  assert.equal(createRemote(initiator.identity, new Uint8Array(32)), undefined)
  const { message } = begin(pair(60))
  message.fill(0, 8, 40)
  assert.equal(
    consumeInitiation(responder.identity, message, () => responder.remote),
    undefined,
  )
})

test('noise: bytes of any kind and length are not consumed, and nothing is thrown', () => {
  const parties = pair(70)
  const { initiator } = begin(parties)
  const message = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ minLength: 144, maxLength: 144 }).map(rest => Uint8Array.from([1, 0, 0, 0, ...rest])),
    fc.uint8Array({ minLength: 80, maxLength: 80 }).map(rest => Uint8Array.from([2, 0, 0, 0, 11, 0, 0, 0, ...rest])),
    fc
      .uint8Array({ minLength: 80, maxLength: 80 })
      .map(rest => Uint8Array.from([2, 0, 0, 0, 1, 1, 1, 1, 11, 0, 0, 0, ...rest])),
  )
  fc.assert(
    fc.property(message, garbage => {
      assert.equal(
        consumeInitiation(parties.responder.identity, garbage, () => parties.responder.remote),
        undefined,
      )
      assert.equal(consumeResponse({ ...parties.initiator, initiator, message: garbage }), undefined)
    }),
    { numRuns: 300 },
  )
})

test('noise: the ephemeral private key is wiped once it is used', () => {
  const parties = pair(80)
  const ephemeral = new Uint8Array(32).fill(5)
  const stamp = timestamp(0)
  createInitiation({ ...parties.initiator, ephemeral, timestamp: stamp, localIndex: 1 })
  assert.deepEqual(ephemeral, new Uint8Array(32))
})
