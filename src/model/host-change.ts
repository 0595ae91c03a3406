// What takes a host from one state to another: small steps, carried out one after the other. Computed by
// plan/difference.ts, whose order neither leaks nor drops, and carried out by system/apply.ts.

import type { PeerChange } from './device.ts'
import type { Firewall, Route } from './host-state.ts'

export type Change =
  /** One transaction of nft, and what the table holds after it. */
  | { readonly kind: 'firewall'; readonly script: string; readonly firewall: Firewall }
  | { readonly kind: 'link'; readonly up?: true; readonly mtuBytes?: number }
  | { readonly kind: 'listenPort'; readonly port: number }
  | { readonly kind: 'addAddress' | 'removeAddress'; readonly cidr: string }
  /** Adds, changes, or removes a peer, or some of its AllowedIPs. One added to a peer leaves the peer that had it. */
  | { readonly kind: 'peer'; readonly change: PeerChange }
  /** Takes the place of a route with the same destination and metric. */
  | { readonly kind: 'putRoute'; readonly route: Route }
  | { readonly kind: 'removeRoute'; readonly route: Route }
