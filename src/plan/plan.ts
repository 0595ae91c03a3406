// What this host should be, from what the store says and what the host is: pure, so that every rule of the network is a
// table of inputs and outputs.
//
//   record, self --> planNode --> a peer, its routes
//   network, self --> planOwn --> device, addresses, unreachable routes, firewall
//
// The records that hold come from admit.ts; host-planner.ts keeps the plan of all of them, and changes it record by record.

import { type Address, type Cidr, type Family, familyBits, formatAddress, maskCidr, parsePrefix } from '../base/cidr.ts'
import { parseEndpoint } from '../base/endpoint.ts'
import type { PublicKey } from '../base/key.ts'
import type { HostPeer, HostState, Route } from '../model/host-state.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import type { NodeRecord } from '../model/node-record.ts'

/** What the plan must know of this host. */
export interface SelfState {
  readonly name: string
  readonly publicKey: PublicKey
  readonly device: string
  readonly listenPort: number
  /** Our own declared endpoints; empty behind a NAT. */
  readonly endpoints: readonly string[]
  /** The prefixes that we claimed. */
  readonly prefixes: readonly string[]
  /** MTU of the link that tunnel packets leave by. */
  readonly underlayMtuBytes: number
  /** Address families in which this host reaches others outside the tunnel. */
  readonly families: readonly Family[]
}

/** Outer IPv6 40, UDP 8, WireGuard 32: an endpoint may change its family at any time, so the larger of the two. */
const overheadBytes = 80
/** The least that IPv6 allows a link. */
const minMtuBytes = 1280
/** Often enough for NATs, which forget an idle UDP flow after 30 s. */
const keepaliveSeconds = 25
/** Better than what DHCP and routing daemons set, and never 0, which IPv6 turns into 1024. */
const routeMetric = 50
/** Worse than any other route: it holds only when the others are gone. */
export const unreachableMetric = 4294967295

/** What does not depend on other nodes: a host without peers. */
export function planOwn(network: NetworkConfig, self: SelfState): HostState {
  return {
    device: {
      name: self.device,
      mtuBytes: deviceMtu(self),
      listenPort: self.listenPort,
      publicKey: self.publicKey,
      peers: [],
    },
    addresses: ownAddresses(self).map(address => `${formatAddress(address)}/${familyBits(address.family)}`),
    routes: unreachableRoutes(network),
    firewall: { device: self.device, overlay: network.range, shares: [] },
  }
}

/** What the record of another node makes here. */
export interface NodePlan {
  readonly peer: HostPeer
  readonly routes: readonly Route[]
}

export function planNode(node: NodeRecord, self: SelfState): NodePlan {
  return { peer: planPeer(node, self), routes: planRoutes(node, self) }
}

function deviceMtu({ underlayMtuBytes }: SelfState): number {
  return Math.max(minMtuBytes, underlayMtuBytes - overheadBytes)
}

function ownAddresses({ prefixes, name }: SelfState): Address[] {
  return prefixes.map(prefix => overlayAddress(parsePrefix(prefix, name)))
}

function planPeer(node: NodeRecord, self: SelfState): HostPeer {
  const endpoint = node.endpoints.find(text => self.families.includes(parseEndpoint(text, node.name).address.family))
  return {
    publicKey: node.publicKey,
    ...(endpoint !== undefined && { endpoint }),
    // Only we can open our NAT, and keep it open for those who want to reach us.
    persistentKeepaliveSeconds: self.endpoints.length === 0 ? keepaliveSeconds : 0,
    allowedIps: [...node.prefixes].sort(),
  }
}

function planRoutes(node: NodeRecord, self: SelfState): Route[] {
  const own = ownAddresses(self)
  return node.prefixes.map(destination => {
    const { family } = parsePrefix(destination, node.name)
    const source = own.find(address => address.family === family)
    return {
      destination,
      type: 'unicast',
      device: self.device,
      metric: routeMetric,
      mtuBytes: deviceMtu(self),
      ...(source && { source: formatAddress(source) }),
    }
  })
}

/** What the network's traffic meets when nothing better is there: it is refused, never sent in clear. */
export function unreachableRoutes({ range }: NetworkConfig): Route[] {
  return range.map(destination => ({ destination, type: 'unreachable', metric: unreachableMetric }))
}

/**
 * The address that a node has in the overlay: the first of its prefix after the prefix's own, which is an anycast
 * address in IPv6 (RFC 4291, 2.6.1) and refused by some software in IPv4. A prefix of one address is that address.
 */
export function overlayAddress(prefix: Cidr): Address {
  const alone = prefix.length === familyBits(prefix.family)
  return { family: prefix.family, value: maskCidr(prefix).value + (alone ? 0n : 1n) }
}
