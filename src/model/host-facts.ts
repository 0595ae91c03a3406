// What podwire needs of a machine, as found: input of `examineHost`, which says what is missing and what to do.

/** A thing that is there, or why it is not. */
export type Found = { readonly ok: true } | { readonly ok: false; readonly reason: string }

export interface HostFacts {
  readonly kernelRelease: string
  /** WireGuard of the kernel: in use or built in, a module that could be loaded, or none. */
  readonly kernelWireguard: 'there' | 'module' | 'none'
  /** Opening /dev/net/tun. */
  readonly tun: Found
  /** Names of the capabilities that this process lacks, of those that a node needs. */
  readonly missingCapabilities: readonly string[]
  readonly nftables: Found
  /** Programs that are not on the path, with Debian's package of each. */
  readonly missingTools: readonly { readonly tool: string; readonly package: string }[]
  /** Whether the host forwards; absent: it does not have the family. */
  readonly forwarding: { readonly ipv4?: boolean; readonly ipv6?: boolean }
  /** Whether the clock is set by others; absent: nobody could be asked. */
  readonly clock: { readonly nowMs: number; readonly notBeforeMs: number; readonly synchronised?: boolean }
  /** Of the way out: the smallest MTU of the default routes, else of nothing known. */
  readonly underlayMtuBytes: number
  readonly port: {
    readonly number: number
    /** Who has it: nobody, a WireGuard device, or something else. */
    readonly held: 'free' | 'device' | 'other'
    /** Whether a chain of the firewall drops what comes in by default and has no rule that names the port. */
    readonly closed: boolean
  }
}
