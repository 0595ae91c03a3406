// Two userspace devices over engines without packets, that shake hands with each other.

import assert from 'node:assert/strict'
import { type Clock, FakeClock } from '../../../src/base/clock.ts'
import type { PublicKey } from '../../../src/base/key.ts'
import type { Secret } from '../../../src/base/secret.ts'
import type { PeerState } from '../../../src/model/device.ts'
import { generatePrivateKey, publicKeyOf } from '../../../src/wireguard/keys.ts'
import { UserspaceDevice } from '../../../src/wireguard/userspace-device.ts'
import { FakeEngine } from './fake-engine.ts'

export interface Side {
  readonly device: UserspaceDevice
  readonly engine: FakeEngine
  readonly privateKey: Secret
  readonly publicKey: PublicKey
  readonly log: string[]
  ended: boolean
}

export function makeSide(clock: Clock, firstIndex: number): Side {
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
export async function makePair(
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

export function keypairsOf(side: Side, other: Side) {
  return side.engine.peer(other.publicKey).keypairs
}

export async function peerOf(side: Side, other: Side): Promise<PeerState> {
  const found = (await side.device.get()).peers.find(peer => peer.publicKey === other.publicKey)
  assert.ok(found)
  return found
}

export const hex = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('hex')
export const wanted = (side: Side, other: Side) =>
  side.engine.say({ kind: 'handshakeWanted', peer: side.engine.peer(other.publicKey).id })
