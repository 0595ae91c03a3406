// What one host should be, or is: the output of the plan and of observing, compared by the difference between them.
// Only what podwire owns is in it: its device, that device's addresses, its routes, and its own nftables table.

import type { PublicKey } from '../base/key.ts'

export interface HostState {
  readonly device: HostDevice
  /** Addresses on the device, as CIDRs. */
  readonly addresses: readonly string[]
  readonly routes: readonly Route[]
  readonly firewall: Firewall
}

export interface HostDevice {
  readonly name: string
  readonly mtuBytes: number
  /** Observed only: whether the link is up. What is desired is always up. */
  readonly up?: boolean
  readonly listenPort: number
  /** Absent while the device has no private key. Not part of the difference: a device's key is set before all else. */
  readonly publicKey?: PublicKey
  readonly peers: readonly HostPeer[]
}

export interface HostPeer {
  readonly publicKey: PublicKey
  /** Where the plan would send; observed: where the device sends now. A working one is never replaced. */
  readonly endpoint?: string
  /** Observed only: its last handshake is so recent that the session lives, and with it the endpoint. */
  readonly working?: boolean
  readonly persistentKeepaliveSeconds: number
  /** Canonical and sorted. */
  readonly allowedIps: readonly string[]
}

/** The routing protocol number of podwire's routes: in the range that nobody assigned (rtnetlink.h, iproute2's rt_protos). */
export const routeProtocol = 112

/** A route in the main table that podwire owns (marked by its routing protocol number). */
export interface Route {
  readonly destination: string
  readonly type: 'unicast' | 'unreachable'
  /** Interface of a unicast route. */
  readonly device?: string
  /** The lower wins. Never 0 for IPv6, which the kernel would make 1024. */
  readonly metric: number
  readonly mtuBytes?: number
  /** Preferred source address of traffic that starts on this host. */
  readonly source?: string
}

/** A route is known by its destination and metric. */
export function routeKey({ destination, metric }: Pick<Route, 'destination' | 'metric'>): string {
  return `${destination} ${metric}`
}

/** The nftables table of a device's network: a host may be in several networks, and each agent keeps its own. */
export function firewallTable(device: string): string {
  return `podwire-${device}`
}

/** That table of the family inet: rules that depend on the device's name only, and the sets they look into. */
export interface Firewall {
  /** The name of the device; observed, empty when the rules are not ours. */
  readonly device: string
  /** The network's range: what must never leave in clear nor arrive from outside. */
  readonly overlay: readonly string[]
  /** Accepted prefixes of other nodes that lie outside the range. */
  readonly shares: readonly string[]
  /** Observed only: what the rules in the kernel say they are (firewall-seal.ts); absent unless all of them are there. */
  readonly seal?: string
}
