// The network of the bench, and its simulated nodes: records with their claims, as real nodes would have written them.

import { randomBytes } from 'node:crypto'
import type { PublicKey } from '../../src/base/key.ts'
import type { NetworkConfig } from '../../src/model/network-config.ts'
import type { Claim, NodeRecord } from '../../src/model/node-record.ts'

export const network: NetworkConfig = {
  name: 'bench',
  range: ['10.64.0.0/10', 'fd99:5eed:cafe::/48'],
  nodePrefixLength: { ipv4: 24, ipv6: 64 },
}

/** Places of prefixes in the range, of which a kind has as many: no two of them share one. */
export const places = { real: 1, simulated: 100, more: 6_000, joining: 12_000 } as const

/** The prefixes at a place of the range, 0 to 16,383: IPv4 and IPv6. */
export function prefixesAt(place: number): [string, string] {
  return [`10.${64 + (place >> 8)}.${place & 255}.0/24`, `fd99:5eed:cafe:${place.toString(16)}::/64`]
}

/** The first address of the IPv4 prefix at a place: that of its node. */
export function addressAt(place: number): string {
  return `10.${64 + (place >> 8)}.${place & 255}.1`
}

/** Older than what the agents under measure claim. */
const sinceMs = Date.now()

export function claimsOf(node: string, place: number): Claim[] {
  return claimsOfRecord({ name: node, prefixes: prefixesAt(place) })
}

export function claimsOfRecord({ name, prefixes }: Pick<NodeRecord, 'name' | 'prefixes'>): Claim[] {
  return prefixes.map(prefix => ({ prefix, node: name, sinceMs }))
}

/** A node that is nowhere: nobody would answer at an endpoint, so it has none. Its key is another one each time. */
export function simulatedNode(index: number): NodeRecord {
  const publicKey = randomBytes(32).toString('base64') as PublicKey
  return { name: `n${index}`, publicKey, endpoints: [], prefixes: prefixesAt(places.simulated + index) }
}
