// What the plan must know of this host, observed.

import { containsCidr, formatCidr, maskCidr, overlapsCidr, parseCidr, parsePrefix } from '../base/cidr.ts'
import { podwireError } from '../base/errors.ts'
import type { PublicKey } from '../base/key.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import type { Links } from '../native/link.ts'
import { endpointReason } from '../plan/admit.ts'
import type { SelfState } from '../plan/plan.ts'
import type { Host } from '../system/host.ts'
import { Underlay, type UnderlayState } from './underlay.ts'

interface Declared {
  readonly name: string
  readonly device: string
  readonly listenPort: number
  readonly endpoints: readonly string[]
  /** Of the device and all routes; absent: it is found. */
  readonly mtuBytes?: number
}

interface Found {
  readonly publicKey: PublicKey
  readonly prefixes: readonly string[]
  readonly underlay: UnderlayState
  readonly routeMtus: ReadonlyMap<PublicKey, number>
}

export function selfState(declared: Declared, found: Found): SelfState {
  const { name, device, listenPort, endpoints, mtuBytes: fixedMtuBytes } = declared
  const { publicKey, prefixes, underlay, routeMtus } = found
  const { families, mtuBytes: underlayMtuBytes } = underlay
  const fixed = fixedMtuBytes !== undefined && { fixedMtuBytes }
  return { name, publicKey, device, listenPort, endpoints, prefixes, families, underlayMtuBytes, routeMtus, ...fixed }
}

/** What lies below the device; the paths to other nodes are told to it. */
export function openUnderlay(links: Links, device: string): Underlay {
  return new Underlay(links, link => isOverlay(link, device))
}

function isOverlay(link: string, device: string): boolean {
  return link === device || link.startsWith('pw')
}

/**
 * Refuses a network whose range this host, or one of its endpoints, lies in outside the tunnel: closing it would cut the
 * host off. Errors: ERR_PODWIRE_RANGE_IN_USE, ERR_PODWIRE_ENDPOINT.
 */
export function requireOutside(
  { range }: NetworkConfig,
  { device, endpoints }: Pick<Declared, 'device' | 'endpoints'>,
  links: Pick<Links, 'addresses'>,
): void {
  const prefixes = range.map(text => parsePrefix(text, 'range'))
  for (const text of endpoints) {
    const reason = endpointReason(text, prefixes)
    if (reason !== undefined) throw podwireError('ERR_PODWIRE_ENDPOINT', { where: '--endpoint', text, reason })
  }
  for (const { link, cidr } of links.addresses()) {
    const used = prefixes.find(prefix => overlapsCidr(prefix, parseCidr(cidr, link)))
    if (used === undefined || link === 'lo' || isOverlay(link, device)) continue
    throw podwireError('ERR_PODWIRE_RANGE_IN_USE', { range: formatCidr(used), cidr, link })
  }
}

/** Refuses a network that overlaps another of this host: each would hold back what is the other's. Errors: ERR_PODWIRE_NETWORKS_OVERLAP, those of nft. */
export async function requireApart({ range }: NetworkConfig, { nftables }: Pick<Host, 'nftables'>): Promise<void> {
  for (const { device, prefixes } of await nftables.others()) {
    for (const text of range) {
      const other = prefixes.find(prefix => overlapsCidr(parsePrefix(prefix, device), parsePrefix(text, 'range')))
      if (other !== undefined) throw podwireError('ERR_PODWIRE_NETWORKS_OVERLAP', { range: text, other, device })
    }
  }
}

/** The prefixes that the addresses on the device say this node has: what it claims again when the store has lost it. */
export function observePrefixes(links: Pick<Links, 'addresses'>, device: string, network: NetworkConfig): string[] {
  const ranges = network.range.map(text => parsePrefix(text, 'range'))
  const { ipv4 = 32, ipv6 = 128 } = network.nodePrefixLength
  return links.addresses().flatMap(({ link, cidr }) => {
    const address = parseCidr(cidr, link)
    if (link !== device || !ranges.some(range => containsCidr(range, address))) return []
    return formatCidr(maskCidr({ ...address, length: address.family === 4 ? ipv4 : ipv6 }))
  })
}
