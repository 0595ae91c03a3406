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
  readonly listenPort: number
  readonly publicKey: PublicKey
  readonly peers: readonly HostPeer[]
}

export interface HostPeer {
  readonly publicKey: PublicKey
  /** Where the plan would send; observed: where the device sends now. A working one is never replaced. */
  readonly endpoint?: string
  readonly persistentKeepaliveSeconds: number
  /** Canonical and sorted. */
  readonly allowedIps: readonly string[]
}

/** A route in the main table that podwire owns (marked by its routing protocol number). */
export interface Route {
  readonly destination: string
  readonly type: 'unicast' | 'unreachable'
  /** Interface of a unicast route. */
  readonly device?: string
  readonly metric: number
  readonly mtuBytes?: number
  /** Preferred source address of traffic that starts on this host. */
  readonly source?: string
}

/** The table `inet podwire`: rules that depend on the device's name only, and the sets they look into. */
export interface Firewall {
  readonly device: string
  /** The network's range: what must never leave in clear nor arrive from outside. */
  readonly overlay: readonly string[]
  /** Accepted prefixes of other nodes that lie outside the range. */
  readonly shares: readonly string[]
}
