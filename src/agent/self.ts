// What the plan must know of this host, observed.

import { containsCidr, formatCidr, maskCidr, parseCidr, parsePrefix } from '../base/cidr.ts'
import type { PublicKey } from '../base/key.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import type { NetworkView } from '../model/node-record.ts'
import type { Links } from '../native/link.ts'
import type { SelfState } from '../plan/plan.ts'
import { observeUnderlay } from './underlay.ts'

interface Declared {
  readonly name: string
  readonly device: string
  readonly listenPort: number
  readonly endpoints: readonly string[]
}

interface Found {
  readonly publicKey: PublicKey
  readonly prefixes: readonly string[]
  readonly view: NetworkView
  readonly links: Links
}

export function observeSelf(declared: Declared, { publicKey, prefixes, view, links }: Found): SelfState {
  const { name, device, listenPort, endpoints } = declared
  const others = [...view.nodes.values()].filter(node => node.name !== name).flatMap(node => node.endpoints)
  const isOverlay = (link: string) => link === device || link.startsWith('pw')
  const { families, mtuBytes } = observeUnderlay(links, others, isOverlay)
  return { name, publicKey, device, listenPort, endpoints, prefixes, families, underlayMtuBytes: mtuBytes }
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
