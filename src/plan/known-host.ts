// What a host is, as it was last observed and with what was applied since: by key, so that a change of a few peers and routes
// is compared with those few. Whoever finds that it may be wrong observes anew.

import type { PublicKey } from '../base/key.ts'
import type { PeerChange } from '../model/device.ts'
import type { Change } from '../model/host-change.ts'
import {
  type Firewall,
  type HostDevice,
  type HostPeer,
  type HostState,
  type Route,
  routeKey,
} from '../model/host-state.ts'
import type { Touched } from './host-planner.ts'

export class KnownHost {
  #device: Omit<HostDevice, 'peers'>
  readonly #peers: Map<PublicKey, HostPeer>
  readonly #routes: Map<string, Route>
  /** Keys of the unreachable ones: few, and part of every comparison. */
  readonly #unreachable: Set<string>
  /** Whose an AllowedIP is: one that moves leaves its peer. */
  readonly #owners: Map<string, PublicKey>
  #addresses: readonly string[]
  #firewall: Firewall

  constructor({ device, addresses, routes, firewall }: HostState) {
    const { peers, ...rest } = device
    this.#device = rest
    this.#peers = new Map(peers.map(peer => [peer.publicKey, peer]))
    this.#owners = new Map(peers.flatMap(peer => peer.allowedIps.map(cidr => [cidr, peer.publicKey])))
    this.#routes = new Map(routes.map(route => [routeKey(route), route]))
    this.#unreachable = new Set(routes.flatMap(route => (route.type === 'unreachable' ? routeKey(route) : [])))
    this.#addresses = addresses
    this.#firewall = firewall
  }

  peer(key: PublicKey): HostPeer | undefined {
    return this.#peers.get(key)
  }

  /** A peer as it was observed just now. */
  takePeer(peer: HostPeer): void {
    this.#setPeer(peer)
  }

  /** The host, but of its peers and unicast routes only the touched ones. */
  part(touched: Pick<Touched, 'peers' | 'routes'>): HostState {
    const keys = new Set([...this.#unreachable, ...touched.routes])
    return {
      device: { ...this.#device, peers: [...touched.peers].flatMap(key => this.#peers.get(key) ?? []) },
      addresses: this.#addresses,
      routes: [...keys].flatMap(key => this.#routes.get(key) ?? []),
      firewall: this.#firewall,
    }
  }

  /** A change that was carried out. */
  take(change: Change): void {
    switch (change.kind) {
      case 'firewall':
        this.#firewall = change.firewall
        break
      case 'link':
        this.#device = {
          ...this.#device,
          ...(change.up && { up: true }),
          ...(change.mtuBytes !== undefined && { mtuBytes: change.mtuBytes }),
        }
        break
      case 'listenPort':
        this.#device = { ...this.#device, listenPort: change.port }
        break
      case 'addAddress':
        this.#addresses = [...this.#addresses, change.cidr]
        break
      case 'removeAddress':
        this.#addresses = this.#addresses.filter(cidr => cidr !== change.cidr)
        break
      case 'putRoute':
        this.#routes.set(routeKey(change.route), change.route)
        if (change.route.type === 'unreachable') this.#unreachable.add(routeKey(change.route))
        else this.#unreachable.delete(routeKey(change.route))
        break
      case 'removeRoute':
        this.#routes.delete(routeKey(change.route))
        this.#unreachable.delete(routeKey(change.route))
        break
      case 'peer':
        this.#takePeerChange(change.change)
    }
  }

  #takePeerChange(change: PeerChange): void {
    const { publicKey, remove, updateOnly, allowedIps = [], removeAllowedIps = [] } = change
    const known = this.#peers.get(publicKey)
    if (remove || (known === undefined && updateOnly)) {
      this.#peers.delete(publicKey)
      for (const cidr of known?.allowedIps ?? []) this.#owners.delete(cidr)
      return
    }
    const { endpoint = known?.endpoint, persistentKeepaliveSeconds = known?.persistentKeepaliveSeconds ?? 0 } = change
    const without = new Set([...removeAllowedIps, ...allowedIps])
    for (const cidr of removeAllowedIps) this.#owners.delete(cidr)
    this.#setPeer({
      ...known,
      publicKey,
      ...(endpoint !== undefined && { endpoint }),
      persistentKeepaliveSeconds,
      allowedIps: [...(known?.allowedIps.filter(cidr => !without.has(cidr)) ?? []), ...allowedIps].sort(),
    })
  }

  #setPeer(peer: HostPeer): void {
    for (const cidr of peer.allowedIps) {
      const owner = this.#owners.get(cidr)
      this.#owners.set(cidr, peer.publicKey)
      const other = owner === undefined || owner === peer.publicKey ? undefined : this.#peers.get(owner)
      if (other === undefined) continue
      this.#peers.set(other.publicKey, { ...other, allowedIps: other.allowedIps.filter(text => text !== cidr) })
    }
    this.#peers.set(peer.publicKey, peer)
  }
}
