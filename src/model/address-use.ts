// Address space that no network may take for its containers and no node may name as its endpoint.

import { type Cidr, overlapsCidr, parsePrefix } from '../base/cidr.ts'

const reserved = [
  ['0.0.0.0/8', 'this host (0.0.0.0/8)'],
  ['127.0.0.0/8', 'loopback (127.0.0.0/8)'],
  ['169.254.0.0/16', 'link-local addresses (169.254.0.0/16)'],
  ['224.0.0.0/4', 'multicast (224.0.0.0/4)'],
  ['240.0.0.0/4', 'reserved addresses and broadcast (240.0.0.0/4)'],
  ['::/64', 'loopback and mapped IPv4 addresses (::/64)'],
  ['fe80::/10', 'link-local addresses (fe80::/10)'],
  ['ff00::/8', 'multicast (ff00::/8)'],
].map(([prefix = '', use = '']) => ({ prefix: parsePrefix(prefix, prefix), use }))

/** What the reserved address space is for that the prefix overlaps; undefined if it is free for use. */
export function reservedUse(prefix: Cidr): string | undefined {
  return reserved.find(entry => overlapsCidr(entry.prefix, prefix))?.use
}
