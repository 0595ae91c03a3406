// A WireGuard device as data: what it is told (DeviceChange), and what it says of itself (DeviceState).
// The words are those of wg(8) and of the cross-platform interface.

import type { PublicKey } from '../base/key.ts'
import type { Secret } from '../base/secret.ts'

/** What a device says of one peer. */
export interface PeerState {
  readonly publicKey: PublicKey
  /** All zeroes on the socket means none: then it is absent here. */
  readonly presharedKey?: Secret
  /** "ip:port" or "[v6]:port"; a zone, by number or name, behind a link-local address. */
  readonly endpoint?: string
  /** Milliseconds since 1970 of the last completed handshake. */
  readonly lastHandshakeMs?: number
  readonly txBytes: bigint
  readonly rxBytes: bigint
  /** Seconds; 0 is off. */
  readonly persistentKeepaliveSeconds: number
  /** Canonical CIDRs. */
  readonly allowedIps: readonly string[]
}

/** What a device says of itself. */
export interface DeviceState {
  readonly privateKey?: Secret
  readonly listenPort: number
  /** 0 is none. */
  readonly fwmark: number
  readonly peers: readonly PeerState[]
}

/** A change to one peer. What is absent stays as it is. */
export interface PeerChange {
  readonly publicKey: PublicKey
  readonly remove?: boolean
  /** Change the peer only if it exists. */
  readonly updateOnly?: boolean
  /** `null` clears it. */
  readonly presharedKey?: Secret | null
  readonly endpoint?: string
  readonly persistentKeepaliveSeconds?: number
  /** Forget the AllowedIPs that are there before adding `allowedIps`. */
  readonly replaceAllowedIps?: boolean
  readonly allowedIps?: readonly string[]
  /** AllowedIPs to take from this peer. */
  readonly removeAllowedIps?: readonly string[]
}

/** A change to a device. What is absent stays as it is. */
export interface DeviceChange {
  /** `null` clears it. */
  readonly privateKey?: Secret | null
  readonly listenPort?: number
  readonly fwmark?: number
  /** Remove every peer first. */
  readonly replacePeers?: boolean
  readonly peers?: readonly PeerChange[]
}

/** A WireGuard device, whichever form it has: in this process, behind a UAPI socket, or in the kernel. */
export interface Device {
  /** All of it; with `peers`, the device may leave out any others. */
  get(peers?: readonly PublicKey[]): Promise<DeviceState>
  /** Carried out in the order given; stops at the first error, and what came before stays. */
  set(change: DeviceChange): Promise<void>
}
