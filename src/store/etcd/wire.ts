// The encoding of Protocol Buffers, as far as etcd's messages need it: varints and lengths. A message is written as a list
// of fields and read as one; a field that is not known is passed over, as the encoding wants it.

import { GrpcError, grpcStatus } from './grpc-error.ts'

const varintType = 0
const fixed64Type = 1
const bytesType = 2
const fixed32Type = 5

/** A field with a number; nothing if that is 0, which is what an absent one means. */
export function intField(number: number, value: number): Buffer {
  if (value === 0) return Buffer.alloc(0)
  return Buffer.from([...varint(number * 8 + varintType), ...varint(value)])
}

export function boolField(number: number, value: boolean): Buffer {
  return intField(number, value ? 1 : 0)
}

/** A field with text, bytes, or a message of fields. */
export function bytesField(number: number, value: string | Uint8Array | readonly Uint8Array[]): Buffer {
  const content = typeof value === 'string' ? Buffer.from(value) : Array.isArray(value) ? Buffer.concat(value) : value
  const bytes = content as Uint8Array
  return Buffer.concat([Buffer.from([...varint(number * 8 + bytesType), ...varint(bytes.length)]), bytes])
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80)
  return [...bytes, rest]
}

export interface WireField {
  readonly number: number
  /** Exact up to 2^53: revisions are; of a random identity of 64 bits the last ones are lost. */
  readonly int: number
  /** A part of the message, not a copy. */
  readonly bytes: Buffer
}

const noBytes = Buffer.alloc(0)

/** The fields of a message in their order. Throws if it is not one. */
export function* fieldsOf(message: Buffer): Generator<WireField> {
  let at = 0
  const readVarint = (): number => {
    let value = 0
    for (let scale = 1; scale < 2 ** 70; scale *= 0x80) {
      const byte = message[at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    throw notAMessage()
  }
  const take = (length: number): Buffer => {
    at += length
    if (at > message.length) throw notAMessage()
    return message.subarray(at - length, at)
  }
  while (at < message.length) {
    const tag = readVarint()
    const number = Math.floor(tag / 8)
    switch (tag % 8) {
      case varintType:
        yield { number, int: readVarint(), bytes: noBytes }
        break
      case bytesType:
        yield { number, int: 0, bytes: take(readVarint()) }
        break
      case fixed64Type:
        take(8)
        break
      case fixed32Type:
        take(4)
        break
      default:
        throw notAMessage()
    }
  }
}

function notAMessage(): GrpcError {
  return new GrpcError(grpcStatus.unknown, 'it sent what is no message of etcd', true)
}
