// The three handshake messages as bytes and as fields (paper, sections 5.4.2, 5.4.3 and 5.4.7). Strict: a wrong length, type or
// nonzero reserved byte gives undefined, never a throw. Multi-byte numbers are little-endian. Fields are views of the message.
//
//   initiation   1 000 | sender 4 | ephemeral 32 | static 32+16 | timestamp 12+16 | mac1 16 | mac2 16     148
//   response     2 000 | sender 4 | receiver 4 | ephemeral 32 | nothing 0+16 | mac1 16 | mac2 16            92
//   cookie reply 3 000 | receiver 4 | nonce 24 | cookie 16+16                                              64

import { macBytes } from './crypto.ts'

const initiationBytes = 148
const responseBytes = 92
const cookieReplyBytes = 64

export interface Initiation {
  readonly sender: number
  readonly ephemeral: Uint8Array
  readonly encryptedStatic: Uint8Array
  readonly encryptedTimestamp: Uint8Array
}

export interface Response {
  readonly sender: number
  readonly receiver: number
  readonly ephemeral: Uint8Array
  readonly encryptedNothing: Uint8Array
}

export interface CookieReply {
  readonly receiver: number
  readonly nonce: Uint8Array
  readonly encryptedCookie: Uint8Array
}

export function parseInitiation(message: Uint8Array): Initiation | undefined {
  if (!isMessage(message, 1, initiationBytes)) return undefined
  return {
    sender: readIndex(message, 4),
    ephemeral: message.subarray(8, 40),
    encryptedStatic: message.subarray(40, 88),
    encryptedTimestamp: message.subarray(88, 116),
  }
}

/** The message with both MACs still zero: `addMacs` fills them. */
export function formatInitiation(fields: Initiation): Uint8Array {
  const message = emptyMessage(1, initiationBytes)
  writeIndex(message, 4, fields.sender)
  message.set(fields.ephemeral, 8)
  message.set(fields.encryptedStatic, 40)
  message.set(fields.encryptedTimestamp, 88)
  return message
}

export function parseResponse(message: Uint8Array): Response | undefined {
  if (!isMessage(message, 2, responseBytes)) return undefined
  return {
    sender: readIndex(message, 4),
    receiver: readIndex(message, 8),
    ephemeral: message.subarray(12, 44),
    encryptedNothing: message.subarray(44, 60),
  }
}

/** The message with both MACs still zero: `addMacs` fills them. */
export function formatResponse(fields: Response): Uint8Array {
  const message = emptyMessage(2, responseBytes)
  writeIndex(message, 4, fields.sender)
  writeIndex(message, 8, fields.receiver)
  message.set(fields.ephemeral, 12)
  message.set(fields.encryptedNothing, 44)
  return message
}

export function parseCookieReply(message: Uint8Array): CookieReply | undefined {
  if (!isMessage(message, 3, cookieReplyBytes)) return undefined
  return {
    receiver: readIndex(message, 4),
    nonce: message.subarray(8, 32),
    encryptedCookie: message.subarray(32, 64),
  }
}

/** Where mac1 and mac2 of a message of type 1 or 2 are: its last 32 bytes. */
export function macsOf(message: Uint8Array): { mac1: Uint8Array; mac2: Uint8Array } {
  const mac2At = message.length - macBytes
  return { mac1: message.subarray(mac2At - macBytes, mac2At), mac2: message.subarray(mac2At) }
}

function isMessage(message: Uint8Array, type: number, length: number): boolean {
  return message.length === length && readIndex(message, 0) === type // the reserved bytes are the type's upper ones
}

function emptyMessage(type: number, length: number): Uint8Array {
  const message = new Uint8Array(length)
  writeIndex(message, 0, type)
  return message
}

function readIndex(message: Uint8Array, at: number): number {
  return new DataView(message.buffer, message.byteOffset).getUint32(at, true)
}

function writeIndex(message: Uint8Array, at: number, value: number): void {
  new DataView(message.buffer, message.byteOffset).setUint32(at, value, true)
}
