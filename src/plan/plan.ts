// What this host should be, from what the store says and what the host is: pure, so that every rule of the network is a
// table of inputs and outputs.
//
//   view, self --admitNodes--> the records that hold, and why the others do not
//                    |
//                    +-- record by record --> a peer, its routes
//                    +-- self and network ---> device, addresses, unreachable routes, firewall

import { type Address, type Cidr, type Family, familyBits, formatAddress, maskCidr, parsePrefix } from '../base/cidr.ts'
import { parseEndpoint } from '../base/endpoint.ts'
import type { PublicKey } from '../base/key.ts'
import type { HostPeer, HostState, Route } from '../model/host-state.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import type { NetworkView, NodeRecord } from '../model/node-record.ts'
import { admitNodes, type RecordProblem } from './admit.ts'
import { minMtuBytes, untriedMtu } from './path-mtu.ts'

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
  /** MTU of the link that tunnel packets leave by; of several, the largest. */
  readonly underlayMtuBytes: number
  /** What routes to peers may say, where it was found or is known of their path. */
  readonly routeMtus?: ReadonlyMap<PublicKey, number>
  /** What the device and all routes say, whatever was found. */
  readonly fixedMtuBytes?: number
  /** Address families in which this host reaches others outside the tunnel. */
  readonly families: readonly Family[]
}

export interface HostPlan {
  readonly host: HostState
  /** Records that were left out, and why. */
  readonly problems: readonly RecordProblem[]
}

/** Outer IPv6 40, UDP 8, WireGuard 32: an endpoint may change its family at any time, so the larger of the two. */
const overheadBytes = 80
/** Often enough for NATs, which forget an idle UDP flow after 30 s. */
const keepaliveSeconds = 25
/** Better than what DHCP and routing daemons set, and never 0, which IPv6 turns into 1024. */
const routeMetric = 50
/** Worse than any other route: it holds only when the others are gone. */
export const unreachableMetric = 4294967295

export function planHost(view: NetworkView, self: SelfState): HostPlan {
  const { nodes, problems } = admitNodes(view)
  const mtuBytes = self.fixedMtuBytes ?? Math.max(minMtuBytes, self.underlayMtuBytes - overheadBytes)
  const own = self.prefixes.map(prefix => overlayAddress(parsePrefix(prefix, self.name)))
  // Our own record is not a peer, and neither is one that carries our key under another name.
  const others = nodes.filter(node => node.name !== self.name && node.publicKey !== self.publicKey)
  return {
    host: {
      device: {
        name: self.device,
        mtuBytes,
        listenPort: self.listenPort,
        publicKey: self.publicKey,
        peers: others.map(node => planPeer(node, self)).sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1)),
      },
      addresses: own.map(address => `${formatAddress(address)}/${familyBits(address.family)}`),
      routes: [
        ...unreachableRoutes(view.network),
        ...others.flatMap(node =>
          planRoutes(node, { device: self.device, mtuBytes: routeMtu(node, mtuBytes, self), own }),
        ),
      ],
      firewall: { device: self.device, overlay: view.network.range, shares: [] },
    },
    problems,
  }
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

/** Of a peer that nothing is known of yet, what any path carries. */
function routeMtu({ publicKey }: NodeRecord, deviceMtuBytes: number, { routeMtus, fixedMtuBytes }: SelfState): number {
  if (fixedMtuBytes !== undefined) return fixedMtuBytes
  const known = routeMtus?.get(publicKey) ?? untriedMtu(deviceMtuBytes + overheadBytes, 6, deviceMtuBytes)
  return Math.min(known, deviceMtuBytes)
}

function planRoutes(
  node: NodeRecord,
  { device, mtuBytes, own }: { device: string; mtuBytes: number; own: readonly Address[] },
): Route[] {
  return node.prefixes.map(destination => {
    const { family } = parsePrefix(destination, node.name)
    const source = own.find(address => address.family === family)
    return {
      destination,
      type: 'unicast',
      device,
      metric: routeMetric,
      mtuBytes,
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
