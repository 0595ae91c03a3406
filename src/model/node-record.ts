// What the network knows of one node, and of all of them, as it lies in a store; and a record's form as JSON:
//   { "name": "a", "publicKey": "…", "endpoints": ["198.51.100.7:51820"], "prefixes": ["10.99.1.0/24", "fd99:0:0:1::/64"] }

import { formatCidr, parsePrefix } from '../base/cidr.ts'
import { formatEndpoint, parseEndpoint } from '../base/endpoint.ts'
import { decodeKey, type PublicKey, parsePublicKey } from '../base/key.ts'
import { reservedUse } from './address-use.ts'
import { type Field, listItems, objectFields, parseJson, placeOf, refuse, stringValue } from './document.ts'
import { parseName } from './name.ts'
import type { NetworkConfig } from './network-config.ts'

/** One node's record. Only the node itself writes it. */
export interface NodeRecord {
  readonly name: string
  readonly publicKey: PublicKey
  /** Where its device can be reached from outside, best first: "ip:port". Empty behind a NAT. */
  readonly endpoints: readonly string[]
  /** The prefixes of its containers, both families, canonical. */
  readonly prefixes: readonly string[]
}

/** Who holds a prefix. Made once, by compare-and-swap; a record's prefixes count only with a claim behind them. */
export interface Claim {
  readonly prefix: string
  readonly node: string
  /** Milliseconds since 1970: of two claims that overlap, the older holds. */
  readonly sinceMs: number
}

/** A node that was taken out: a record with its key counts no more, whoever writes it. Made once, and kept. */
export interface Removal {
  readonly node: string
  readonly publicKey: PublicKey
  /** Milliseconds since 1970. */
  readonly sinceMs: number
}

/** Everything that a store says: input of the plan. */
export interface NetworkView {
  readonly network: NetworkConfig
  readonly nodes: ReadonlyMap<string, NodeRecord>
  /** By prefix. */
  readonly claims: ReadonlyMap<string, Claim>
  /** By public key. */
  readonly removals: ReadonlyMap<PublicKey, Removal>
}

/** Most endpoints, and most prefixes, that one record may have: a record is small, whoever wrote it. */
const maxItems = 64

/** Parses a record. Errors: ERR_PODWIRE_DOCUMENT, _NAME, _KEY, _ENDPOINT, _CIDR, each with the file and the path. */
export function parseNodeRecord(text: string, file: string): NodeRecord {
  return readNodeRecord(parseJson(text, file))
}

/** The same of a value that was parsed. */
export function readNodeRecord(field: Field): NodeRecord {
  const { name, publicKey, endpoints, prefixes } = objectFields(field, ['name', 'publicKey', 'endpoints', 'prefixes'])
  return {
    name: parseName(stringValue(name), placeOf(name)),
    publicKey: parseKey(publicKey),
    endpoints: parseEndpoints(endpoints),
    prefixes: distinct(prefixes, parseRecordPrefix),
  }
}

/** As parseNodeRecord reads it; equal records have equal texts. */
export function formatNodeRecord({ name, publicKey, endpoints, prefixes }: NodeRecord): string {
  return `${JSON.stringify({ name, publicKey, endpoints, prefixes }, null, 2)}\n`
}

/** Parses a claim. Errors: ERR_PODWIRE_DOCUMENT, _NAME, _CIDR. */
export function parseClaim(text: string, file: string): Claim {
  return readClaim(parseJson(text, file))
}

export function readClaim(field: Field): Claim {
  const { prefix, node, sinceMs } = objectFields(field, ['prefix', 'node', 'sinceMs'])
  return {
    prefix: parseRecordPrefix(prefix),
    node: parseName(stringValue(node), placeOf(node)),
    sinceMs: timeValue(sinceMs),
  }
}

export function formatClaim({ prefix, node, sinceMs }: Claim): string {
  return `${JSON.stringify({ prefix, node, sinceMs })}\n`
}

/** Parses a removal. Errors: ERR_PODWIRE_DOCUMENT, _NAME, _KEY. */
export function parseRemoval(text: string, file: string): Removal {
  return readRemoval(parseJson(text, file))
}

export function readRemoval(field: Field): Removal {
  const { node, publicKey, sinceMs } = objectFields(field, ['node', 'publicKey', 'sinceMs'])
  return {
    node: parseName(stringValue(node), placeOf(node)),
    publicKey: parseKey(publicKey),
    sinceMs: timeValue(sinceMs),
  }
}

export function formatRemoval({ node, publicKey, sinceMs }: Removal): string {
  return `${JSON.stringify({ node, publicKey, sinceMs })}\n`
}

export function timeValue(field: Field): number {
  const { value } = field
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw refuse(field, 'expected milliseconds since 1970')
}

function parseKey(field: Field): PublicKey {
  const key = parsePublicKey(stringValue(field), placeOf(field))
  if (decodeKey(key, '').every(byte => byte === 0)) throw refuse(field, 'the key is all zeroes')
  return key
}

/** Parses a list of endpoints that other hosts can reach. Errors: ERR_PODWIRE_ENDPOINT, _DOCUMENT. */
export function parseEndpoints(field: Field): string[] {
  return distinct(field, parseRecordEndpoint)
}

function parseRecordEndpoint(field: Field): string {
  const endpoint = parseEndpoint(stringValue(field), placeOf(field))
  const { address } = endpoint
  const use = reservedUse({ ...address, length: address.family === 4 ? 32 : 128 })
  if (use !== undefined) throw refuse(field, `${formatEndpoint(endpoint)} lies in ${use}`)
  return formatEndpoint(endpoint)
}

function parseRecordPrefix(field: Field): string {
  const prefix = parsePrefix(stringValue(field), placeOf(field))
  const use = reservedUse(prefix)
  if (use !== undefined) throw refuse(field, `${formatCidr(prefix)} overlaps ${use}`)
  return formatCidr(prefix)
}

function distinct(field: Field, parse: (item: Field) => string): string[] {
  const items = listItems(field)
  if (items.length > maxItems) throw refuse(field, `a record has at most ${maxItems} of them`)
  const seen = new Set<string>()
  for (const item of items) {
    const text = parse(item)
    if (seen.has(text)) throw refuse(item, `${text} is in the list already`)
    seen.add(text)
  }
  return [...seen]
}
