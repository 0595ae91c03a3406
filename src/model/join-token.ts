// What a new node is given, on one line, to join a network: where its store is, how to know that it is the right one, and by
// what right to come in. It is a secret as a whole: no error shows a character of it.
//   podwire1_ base64url( JSON, then the first 4 bytes of the JSON's SHA-256 )

import { createHash } from 'node:crypto'
import { podwireError, reasonOf } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import { type Field, objectFields, parseJson, placeOf, refuse, stringValue } from './document.ts'
import { parseName } from './name.ts'

export interface JoinToken {
  /** The network's name. */
  readonly network: string
  /** The store's address, as openStore takes it. */
  readonly store: string
  /** server: SHA-256 of its certificate's SubjectPublicKeyInfo, base64url. */
  readonly pin?: string
  /** Certificates (PEM) that the store is checked against. */
  readonly ca?: string
  /** The only name under which a node may join by it. */
  readonly node?: string
  /** What the form of the store makes of it. server: once, for an identity; etcd: "user:password"; kubernetes: a token. */
  readonly secret: Secret
}

const prefix = 'podwire1_'
const checksumBytes = 4
/** A few certificates and a service account's token fit many times. */
const maxLength = 64 << 10

/** Parses a token. Error: ERR_PODWIRE_JOIN_TOKEN. */
export function parseJoinToken(text: string): JoinToken {
  const fail = (reason: string) => podwireError('ERR_PODWIRE_JOIN_TOKEN', { reason })
  if (!text.startsWith(prefix)) throw fail(`it does not begin with "${prefix}"`)
  if (text.length > maxLength) throw fail(`it is longer than ${maxLength} characters`)
  const body = text.slice(prefix.length)
  const bytes = Buffer.from(body, 'base64url')
  if (bytes.toString('base64url') !== body) throw fail('it is cut off, or has characters that no token has')
  const json = bytes.subarray(0, -checksumBytes)
  if (!checksum(json).equals(bytes.subarray(json.length))) throw fail('a part of it is missing or was changed')
  try {
    return parseFields(json.toString())
  } catch (error) {
    throw fail(reasonOf(error))
  }
}

/** As parseJoinToken reads it: in clear, for the one who joins. */
export function formatJoinToken({ secret, ...rest }: JoinToken): string {
  const json = Buffer.from(JSON.stringify({ ...rest, secret: Buffer.from(secret.bytes).toString() }))
  return prefix + Buffer.concat([json, checksum(json)]).toString('base64url')
}

function checksum(json: Buffer): Buffer {
  return createHash('sha256').update(json).digest().subarray(0, checksumBytes)
}

function parseFields(json: string): JoinToken {
  const fields = objectFields(parseJson(json, 'in it'), ['network', 'store', 'secret'], ['pin', 'ca', 'node'])
  const { network, store, secret, pin, ca, node } = fields
  return {
    network: parseName(stringValue(network), placeOf(network)),
    store: filledValue(store),
    ...(pin && { pin: parsePin(pin) }),
    ...(ca && { ca: filledValue(ca) }),
    ...(node && { node: parseName(stringValue(node), placeOf(node)) }),
    secret: new Secret(Buffer.from(filledValue(secret))),
  }
}

function filledValue(field: Field): string {
  const text = stringValue(field)
  if (text === '') throw refuse(field, 'it is empty')
  return text
}

function parsePin(field: Field): string {
  const text = stringValue(field)
  if (!/^[\w-]{43}$/.test(text)) throw refuse(field, 'expected a SHA-256 in base64url, of 43 characters')
  return text
}
