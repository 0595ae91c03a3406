// What podwire needs of a machine, as found: input of `examineHost`, which says what is missing and what to do.

import type { Family } from '../base/cidr.ts'
import type { PublicKey } from '../base/key.ts'

/** A thing that is there, or why it is not. */
export type Found = { readonly ok: true } | { readonly ok: false; readonly reason: string }

/** An address by which others may reach the host: of the default route's link, else of any link that is no tunnel. */
export interface WayOut {
  readonly family: Family
  readonly link: string
  readonly address: string
}

/** A WireGuard device that is there and can be asked. */
export interface FoundDevice {
  readonly name: string
  readonly listenPort: number
  /** Those with an endpoint. */
  readonly peers: readonly FoundPeer[]
}

export interface FoundPeer {
  readonly publicKey: PublicKey
  readonly endpoint: string
  /** Whether it was ever sent anything. */
  readonly wasSent: boolean
  /** Of its last handshake; absent: there was none. */
  readonly lastHandshakeMs?: number
}

interface MissingTool {
  readonly tool: string
  readonly package: string
  /** What alone needs it; absent: every node does. */
  readonly onlyFor?: string
}

export interface HostFacts {
  readonly kernelRelease: string
  /** WireGuard of the kernel: in use or built in, a module that could be loaded, or none. */
  readonly kernelWireguard: 'there' | 'module' | 'none'
  /** Whether the modules of the running kernel are listed here: a container does not have the list. */
  readonly hasModuleList: boolean
  /** Opening /dev/net/tun. */
  readonly tun: Found
  /** Names of the capabilities that this process lacks, of those that a node needs. */
  readonly missingCapabilities: readonly string[]
  readonly nftables: Found
  /** Programs that are not on the path, with Debian's package of each. */
  readonly missingTools: readonly MissingTool[]
  /** Whether the host forwards; absent: it does not have the family. */
  readonly forwarding: { readonly ipv4?: boolean; readonly ipv6?: boolean }
  /** Whether the clock is set by others; absent: nobody could be asked. */
  readonly clock: { readonly nowMs: number; readonly notBeforeMs: number; readonly synchronised?: boolean }
  /** Of the way out: the smallest MTU of the default routes, else of nothing known. */
  readonly underlayMtuBytes: number
  /** One a family at most. */
  readonly waysOut: readonly WayOut[]
  /** `program` has it, as far as that may be seen. */
  readonly port: { readonly number: number; readonly isTaken: boolean; readonly program?: string }
  /** Which of the ways out the host's own rules close to a datagram for the port, or why that could not be tried. */
  readonly firewall: { readonly closed: readonly Family[] } | { readonly untried: string }
  /** Chains of others that drop what is forwarded, and whether accepts of ours are in them; absent: that could not be seen. */
  readonly forwardChains?: readonly { readonly name: string; readonly by?: string; readonly isOpen: boolean }[]
  readonly devices: readonly FoundDevice[]
}
