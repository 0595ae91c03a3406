// What one host has to know to encrypt what it sends other hosts of the network: which of their addresses stands for which inner one.

import { familyBits, formatAddress, maskCidr, parsePrefix } from '../base/cidr.ts'
import { parseEndpoint } from '../base/endpoint.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import type { NodeRecord } from '../model/node-record.ts'
import type { HostTraffic } from '../policy/host-traffic.ts'
import { overlayAddress } from './plan.ts'

export interface HostTrafficSelf {
  readonly name: string
  readonly device: string
  readonly ownPorts: readonly number[]
  readonly endpoints: readonly string[]
  readonly prefixes: readonly string[]
  /** Addresses that this host has. */
  readonly addresses: readonly string[]
  /** The store's address, as openStore takes it. */
  readonly store: string
}

/** Undefined in a network whose hosts speak in clear. `nodes` are those that count. */
export function planHostTraffic(
  network: NetworkConfig,
  nodes: readonly NodeRecord[],
  self: HostTrafficSelf,
): HostTraffic | undefined {
  if (network.hostTraffic !== 'encrypted') return undefined
  const owners = new Map<string, NodeRecord | undefined>()
  for (const node of nodes.filter(({ name }) => name !== self.name)) {
    // Behind an address that several have is a NAT, and which of them is meant nobody knows.
    for (const outer of outerAddresses(node)) owners.set(outer, owners.has(outer) ? undefined : node)
  }
  for (const outer of [...self.addresses, ...outerAddresses(self)]) owners.delete(outer)
  const hosts = [...owners].flatMap(([outer, node]) => {
    if (node === undefined) return []
    const inner = innerAddress(node, outer)
    return inner === undefined ? { outer } : { outer, inner }
  })
  const mine = outerAddresses(self).filter(outer => self.addresses.includes(outer))
  const own = [false, true].flatMap(six => {
    const outer = mine.find(address => address.includes(':') === six)
    const inner = outer && innerAddress(self, outer)
    return outer === undefined || inner === undefined ? [] : { outer, inner }
  })
  return {
    device: self.device,
    ownPorts: self.ownPorts,
    clearPorts: clearPorts(self.store),
    range: network.range,
    hosts: hosts.sort((a, b) => (a.outer < b.outer ? -1 : 1)),
    own,
  }
}

function outerAddresses({ endpoints }: Pick<NodeRecord, 'endpoints'>): string[] {
  return [...new Set(endpoints.map(text => formatAddress(parseEndpoint(text, 'endpoint').address)))]
}

/** The prefix's own address, which nobody has; of a prefix of one address, that one. */
function innerAddress({ prefixes }: Pick<NodeRecord, 'prefixes'>, outer: string): string | undefined {
  const all = prefixes.map(text => parsePrefix(text, 'prefix'))
  const prefix = all.find(({ family }) => (family === 6) === outer.includes(':'))
  return prefix && formatAddress(prefix.length < familyBits(prefix.family) ? maskCidr(prefix) : overlayAddress(prefix))
}

/** SSH, and what the store is reached by: with them a host that has lost its keys becomes a node again. */
function clearPorts(store: string): number[] {
  const ports = store.startsWith('file:')
    ? []
    : [...store.matchAll(/:(\d{1,5})(?=[,/]|$)/g)].map(([, port]) => Number(port))
  const usual = store.startsWith('etcd:') ? [2379, 2380] : store.startsWith('kubernetes:') ? [443, 6443] : []
  return [...new Set([22, ...ports, ...usual])].sort((a, b) => a - b)
}
