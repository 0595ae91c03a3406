// One WireGuard interface as wg-quick knows it: what its INI file and our JSON document both say, parsed. Both parsers give
// this, both writers take it, and `podwire quick` carries it out. Data only; what a text may say is in the parsers.

import type { PublicKey } from '../base/key.ts'
import type { SecretSource } from '../base/secret.ts'

export type { SecretSource }

export interface InterfaceConfig {
  /** Absent: the device has none until a hook sets it. */
  readonly privateKey?: SecretSource
  /** Absent or 0: the kernel chooses. */
  readonly listenPort?: number
  /** Absent or 0: none; `quick` chooses one where a default route needs it. */
  readonly fwmark?: number
  /** CIDRs with host bits, canonical, in the order written. */
  readonly addresses: readonly string[]
  readonly dns: { readonly servers: readonly string[]; readonly search: readonly string[] }
  /** Absent: found from the routes. */
  readonly mtuBytes?: number
  readonly table: 'auto' | 'off' | number
  readonly saveConfig: boolean
  /** Commands for a shell, in order; "%i" is the interface's name. */
  readonly hooks: Readonly<Record<HookName, readonly string[]>>
  readonly peers: readonly PeerConfig[]
  /** Comments above the interface, without "#". */
  readonly comments: readonly string[]
}

export type HookName = 'preUp' | 'postUp' | 'preDown' | 'postDown'

export interface PeerConfig {
  /** JSON only; in INI a comment says it. */
  readonly name?: string
  readonly publicKey: PublicKey
  readonly presharedKey?: SecretSource
  /** "host:port" or "[v6]:port"; the host may be a name. */
  readonly endpoint?: string
  /** Canonical prefixes, in the order written. */
  readonly allowedIps: readonly string[]
  /** Absent or 0: off. */
  readonly persistentKeepaliveSeconds?: number
  /** Comments above the peer, without "#". */
  readonly comments: readonly string[]
}
