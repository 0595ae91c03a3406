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
  /** Links that lead to them. */
  readonly links: readonly string[]
}

export class Underlay {
  readonly #paths: Paths
  readonly #overlay: (link: string) => boolean
  readonly #nodes = new Map<string, NodePaths>()
  /** How many paths a link leads to. */
  readonly #counts = new Map<string, number>()
  #host: { readonly state: UnderlayState; readonly links: ReadonlyMap<string, number> } | undefined
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
    for (const link of known?.links ?? []) this.#count(link, -1)
    this.#nodes.delete(name)
    if (endpoints.length === 0) return
    const links = endpoints.flatMap(text => this.#linkTo(text) ?? [])
    this.#nodes.set(name, { endpoints, links })
    for (const link of links) this.#count(link, 1)
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

  /**
   * The largest MTU of the links that lead to the endpoints, else the smallest of the default routes, else 1500. What is narrower
   * behind a link is the matter of one route.
   */
  observe(): UnderlayState {
    this.#host ??= this.#observeHost()
    const { state, links } = this.#host
    const mtus = [...this.#counts.keys()].flatMap(link => links.get(link) ?? [])
    return mtus.length === 0 ? state : { ...state, mtuBytes: Math.max(...mtus) }
  }

  #count(link: string, change: number): void {
    const count = (this.#counts.get(link) ?? 0) + change
    if (count > 0) this.#counts.set(link, count)
    else this.#counts.delete(link)
  }

  #isOverlay(link: string): boolean {
    this.#tunnels ??= new Set(
      this.#paths.routes().flatMap(({ protocol, link }) => (protocol === routeProtocol ? (link ?? []) : [])),
    )
    return this.#overlay(link) || this.#tunnels.has(link)
  }

  #linkTo(endpoint: string): string | undefined {
    const path = this.#paths.routeTo(addressOf(endpoint))
    return path === undefined || this.#isOverlay(path.link) || path.link === 'lo' ? undefined : path.link
  }

  #observeHost() {
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
    const mtuBytes = mtus.length > 0 ? Math.min(...mtus) : ethernetMtuBytes
    return { state: { families: [...families].sort(), mtuBytes }, links }
  }
}

function addressOf(endpoint: string): string {
  parseEndpoint(endpoint, 'endpoint')
  return endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}
