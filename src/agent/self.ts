// What the plan must know of this host, observed.

import { containsCidr, parseAddress, parsePrefix } from '../base/cidr.ts'
import type { PublicKey } from '../base/key.ts'
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
