// The kernel's WireGuard devices, read and changed over generic netlink by the addon. Each call opens a socket in the namespace
// named and waits for the kernel's answer; a change too long for one request goes in several.

import { callAddon, loadAddon } from './addon.ts'

/** A device as the kernel has it. */
export interface WireguardLink {
  readonly privateKey?: Uint8Array
  readonly listenPort: number
  /** 0 is none. */
  readonly fwmark: number
  readonly peers: readonly WireguardLinkPeer[]
}

export interface WireguardLinkPeer {
  readonly publicKey: Uint8Array
  readonly presharedKey?: Uint8Array
  /** "ip:port" or "[v6]:port"; a zone is a number. */
  readonly endpoint?: string
  /** Since 1970; 0 is never. */
  readonly lastHandshakeMs: number
  readonly txBytes: bigint
  readonly rxBytes: bigint
  readonly persistentKeepaliveSeconds: number
  /** Separated by spaces: one long string crosses sooner than many short ones. */
  readonly allowedIps: string
}

/** A change of a device. What is absent stays as it is. */
export interface WireguardLinkChange {
  /** Zeroes clear it. */
  readonly privateKey?: Uint8Array
  readonly listenPort?: number
  readonly fwmark?: number
  /** Remove every peer first. */
  readonly replacePeers?: boolean
  readonly peers: readonly WireguardLinkPeerChange[]
}

export interface WireguardLinkPeerChange {
  readonly publicKey: Uint8Array
  readonly remove?: boolean
  readonly updateOnly?: boolean
  /** Zeroes clear it. */
  readonly presharedKey?: Uint8Array
  readonly endpoint?: string
  readonly persistentKeepaliveSeconds?: number
  readonly replaceAllowedIps?: boolean
  /** Separated by spaces. */
  readonly allowedIps: string
  /** To take away, separated by spaces. A kernel before Linux 6.16 refuses the request: ERR_PODWIRE_SYSTEM. */
  readonly removeAllowedIps: string
}

interface Addon {
  hasWireguard(): boolean
  getWireguard(name: string, namespacePath?: string): WireguardLink
  setWireguard(name: string, change: WireguardLinkChange, namespacePath?: string): void
}

/** Whether the kernel has WireGuard, or a module of it, which is then loaded. */
export function hasWireguard(): boolean {
  return callAddon(() => loadAddon<Addon>().hasWireguard())
}

/**
 * All of a device in this process's network namespace, or in the one at `namespacePath`.
 * Errors: ERR_PODWIRE_NO_DEVICE, ERR_PODWIRE_NO_KERNEL_WIREGUARD, ERR_PODWIRE_NEEDS_ROOT, ERR_PODWIRE_SYSTEM.
 */
export function getWireguard(name: string, namespacePath?: string): WireguardLink {
  return callAddon(() => loadAddon<Addon>().getWireguard(name, namespacePath))
}

/**
 * Changes a device, in the order of `change`; what came before an error stays.
 * Errors: as of `getWireguard`, ERR_PODWIRE_PORT_IN_USE, ERR_PODWIRE_VALUE, ERR_PODWIRE_ENDPOINT.
 */
export function setWireguard(name: string, change: WireguardLinkChange, namespacePath?: string): void {
  callAddon(() => loadAddon<Addon>().setWireguard(name, change, namespacePath))
}
