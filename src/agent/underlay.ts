// What this host has outside the tunnel: in which address families it reaches others, and with which MTU. The path to a node is
// looked up when its endpoints change; all of them when the host did.

import { type Family, parseAddress } from '../base/cidr.ts'
import { parseEndpoint } from '../base/endpoint.ts'
import { routeProtocol } from '../model/host-state.ts'
import type { AddressInfo, LinkInfo, PathInfo, RouteInfo } from '../native/link.ts'

interface Paths {
  links(): LinkInfo[]
  addresses(): AddressInfo[]
  routes(): RouteInfo[]
  routeTo(address: string): PathInfo | undefined
}

export interface UnderlayState {
  readonly families: readonly Family[]
  readonly mtuBytes: number
}

const ethernetMtuBytes = 1500

interface NodePaths {
  readonly endpoints: readonly string[]
  readonly mtus: readonly number[]
}

export class Underlay {
  readonly #paths: Paths
  readonly #overlay: (link: string) => boolean
  readonly #nodes = new Map<string, NodePaths>()
  /** How many paths have an MTU. */
  readonly #counts = new Map<number, number>()
  #host: UnderlayState | undefined
  /** Links with routes of podwire's: devices of other networks, too. What is sent there goes no further down. */
  #tunnels: ReadonlySet<string> | undefined

  /** `overlay` says which links are not part of it. */
  constructor(paths: Paths, overlay: (link: string) => boolean) {
    this.#paths = paths
    this.#overlay = overlay
  }

  /** The endpoints of a node from now on; none if it is gone. */
  setNode(name: string, endpoints: readonly string[]): void {
    const known = this.#nodes.get(name)
    if (known?.endpoints.join() === endpoints.join()) return
    for (const mtu of known?.mtus ?? []) this.#count(mtu, -1)
    this.#nodes.delete(name)
    if (endpoints.length === 0) return
    const mtus = endpoints.flatMap(text => this.#pathMtu(text) ?? [])
    this.#nodes.set(name, { endpoints, mtus })
    for (const mtu of mtus) this.#count(mtu, 1)
  }

  /** The host's links, addresses or routes changed: all is looked up again. */
  refresh(): void {
    this.#host = undefined
    this.#tunnels = undefined
    this.#counts.clear()
    const nodes = [...this.#nodes]
    this.#nodes.clear()
    for (const [name, { endpoints }] of nodes) this.setNode(name, endpoints)
  }

  /** As wg-quick does: the smallest MTU of the paths to the endpoints, else of the default routes, else 1500. */
  observe(): UnderlayState {
    this.#host ??= this.#observeHost()
    return this.#counts.size === 0 ? this.#host : { ...this.#host, mtuBytes: Math.min(...this.#counts.keys()) }
  }

  #count(mtu: number, change: number): void {
    const count = (this.#counts.get(mtu) ?? 0) + change
    if (count > 0) this.#counts.set(mtu, count)
    else this.#counts.delete(mtu)
  }

  #isOverlay(link: string): boolean {
    this.#tunnels ??= new Set(
      this.#paths.routes().flatMap(({ protocol, link }) => (protocol === routeProtocol ? (link ?? []) : [])),
    )
    return this.#overlay(link) || this.#tunnels.has(link)
  }

  #pathMtu(endpoint: string): number | undefined {
    const path = this.#paths.routeTo(addressOf(endpoint))
    return path === undefined || this.#isOverlay(path.link) || path.link === 'lo' ? undefined : path.mtuBytes
  }

  #observeHost(): UnderlayState {
    const families = new Set<Family>()
    for (const { link, cidr, scope } of this.#paths.addresses()) {
      const family = parseAddress(cidr.split('/')[0] ?? '')?.family
      if (family !== undefined && scope === 'global' && link !== 'lo' && !this.#isOverlay(link)) families.add(family)
    }
    const links = new Map(this.#paths.links().map(link => [link.name, link.mtuBytes]))
    const mtus = this.#paths.routes().flatMap(({ destination, link, mtuBytes }) => {
      const mtu = mtuBytes ?? (link === undefined || this.#isOverlay(link) ? undefined : links.get(link))
      return destination.endsWith('/0') && mtu !== undefined ? mtu : []
    })
    return { families: [...families].sort(), mtuBytes: mtus.length > 0 ? Math.min(...mtus) : ethernetMtuBytes }
  }
}

function addressOf(endpoint: string): string {
  parseEndpoint(endpoint, 'endpoint')
  return endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}
