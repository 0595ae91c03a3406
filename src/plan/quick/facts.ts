// What `podwire quick` must know of a host and of a configuration before it plans: observed by quick/observe.ts, and read by
// quick/config-file.ts.

import type { Family } from '../../base/cidr.ts'
import type { Secret } from '../../base/secret.ts'
import type { InterfaceConfig, PeerConfig } from '../../config/interface-config.ts'
import type { DeviceState } from '../../model/device.ts'

/** A configuration whose secrets have been read and whose endpoints are addresses. */
export interface ReadyConfig extends Omit<InterfaceConfig, 'privateKey' | 'peers'> {
  readonly privateKey?: Secret
  readonly peers: readonly ReadyPeer[]
}

export interface ReadyPeer extends Omit<PeerConfig, 'presharedKey'> {
  readonly presharedKey?: Secret
}

export interface HostFacts {
  /** The link of that name; absent: there is none. */
  readonly link?: LinkFacts
  /** What the device says; absent: nobody serves it. */
  readonly device?: DeviceState
  /** Rules "not from all fwmark MARK lookup MARK", as wg-quick makes them; a lower priority is asked first. */
  readonly markRules: readonly { readonly family: Family; readonly mark: number; readonly priority: number }[]
  /** Rules "lookup main suppress_prefixlength 0": the routes of the host that are no default route go first. */
  readonly suppressRules: readonly { readonly family: Family; readonly priority: number }[]
  /** The mark in the nftables table of this link, where there is that table. */
  readonly firewallMarks: { readonly [F in Family]?: number }
  /** The accept rules of a rendered node, as nft lists their table; absent: not asked for, or there are none. */
  readonly acceptTable?: string
  /** MTUs of the ways to those endpoints that can be reached, in no order. */
  readonly pathMtus: readonly number[]
  /** MTU of the way by the IPv4 default route. */
  readonly defaultMtu?: number
  /** The first routing table from 51820 that is empty in both families. */
  readonly freeTable: number
  readonly srcValidMark: boolean
  /** Absent: there is no resolvconf here. */
  readonly resolvconf?: {
    /** What its own order of interfaces puts before the names of tunnels: "tun." or nothing. */
    readonly prefix: string
  }
}

export interface LinkFacts {
  readonly mtuBytes: number
  /** CIDRs, without those that the kernel made by itself. */
  readonly addresses: readonly string[]
  /** Routes by this link in all tables but the local one, without the kernel's own. */
  readonly routes: readonly LinkRoute[]
}

export interface LinkRoute {
  /** Canonical prefix. */
  readonly destination: string
  /** 254 is the main one. */
  readonly table: number
}

export const mainTable = 254
