// What two nodes say to find out how long a packet may be on its way, outside the tunnel: a question as long as the packet it
// stands for, and a short answer. Nothing in them is secret, and nothing names a node or an address.
//
//   0 kind (1 question, 2 answer) | 1 version | 2..3 bytes of the question | 4..11 number | 12..27 MAC | zeroes, of a question
//
// The MAC is HMAC-BLAKE2s, cut to 16 bytes, with a key for each direction that only the two nodes have: from X25519 of their
// static keys, as WireGuard's handshake begins. The number is the asker's time, so that an old question is known.

import { createHmac, timingSafeEqual } from 'node:crypto'
import { type PublicKey, publicKeyBytes } from '../base/key.ts'
import type { Secret } from '../base/secret.ts'
import { sharedSecret } from '../native/x25519.ts'

export interface PathMessage {
  readonly kind: 'question' | 'answer'
  /** Of the question, which an answer repeats. */
  readonly bytes: number
  readonly number: number
}

const kinds = ['question', 'answer'] as const
const version = 1
const macStart = 12
const headerBytes = 28

/** Of our questions with their answers, and of the peer's. */
export interface ProbeKeys {
  readonly asks: Buffer
  readonly asked: Buffer
}

/** Undefined for a key of low order. */
export function probeKeys(privateKey: Secret, own: PublicKey, peer: PublicKey): ProbeKeys | undefined {
  const secret = sharedSecret(privateKey.bytes, publicKeyBytes(peer))
  if (secret === undefined) return undefined
  const keyOf = (asker: PublicKey, other: PublicKey) =>
    createHmac('blake2s256', secret)
      .update('podwire path probe 1')
      .update(publicKeyBytes(asker))
      .update(publicKeyBytes(other))
      .digest()
  const keys = { asks: keyOf(own, peer), asked: keyOf(peer, own) }
  secret.fill(0)
  return keys
}

export function formatPathMessage({ kind, bytes, number }: PathMessage, key: Buffer): Buffer {
  const message = Buffer.alloc(kind === 'question' ? bytes : headerBytes)
  message[0] = kinds.indexOf(kind) + 1
  message[1] = version
  message.writeUInt16BE(bytes, 2)
  message.writeBigUInt64BE(BigInt(number), 4)
  macOf(message, key).copy(message, macStart)
  return message
}

/** What a datagram claims to be; undefined if it cannot be one of these. */
export function parsePathMessage(datagram: Buffer): PathMessage | undefined {
  if (datagram.length < headerBytes || datagram[1] !== version) return undefined
  const kind = kinds[(datagram[0] ?? 0) - 1]
  const bytes = datagram.readUInt16BE(2)
  const number = Number(datagram.readBigUInt64BE(4))
  if (kind === undefined || !Number.isSafeInteger(number)) return undefined
  if (datagram.length !== (kind === 'question' ? bytes : headerBytes)) return undefined
  return { kind, bytes, number }
}

/** Whether whoever has the key wrote it. */
export function isAuthentic(datagram: Buffer, key: Buffer): boolean {
  return timingSafeEqual(macOf(datagram, key), datagram.subarray(macStart, headerBytes))
}

function macOf(message: Buffer, key: Buffer): Buffer {
  return createHmac('blake2s256', key)
    .update(message.subarray(0, macStart))
    .digest()
    .subarray(0, headerBytes - macStart)
}
