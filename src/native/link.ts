// Links, addresses and routes of a network namespace, read and changed over rtnetlink by the addon.
// Each call opens its socket in the namespace named and waits for the kernel's answer; it takes microseconds.

export interface LinkInfo {
  readonly index: number
  readonly name: string
  /** "tun", "veth", "wireguard", …; absent for hardware. */
  readonly kind?: string
  readonly mtuBytes: number
  readonly up: boolean
}

export interface AddressInfo {
  readonly link: string
  /** Address and prefix length, canonical. */
  readonly cidr: string
  readonly scope: 'global' | 'link' | 'host'
}

export interface RouteInfo {
  readonly destination: string
  readonly type: 'unicast' | 'unreachable' | 'other'
  readonly link?: string
  readonly gateway?: string
  /** Priority; lower wins. */
  readonly metric: number
  readonly mtuBytes?: number
  /** Preferred source. */
  readonly source?: string
  /** Routing protocol number: whose route it is. */
  readonly protocol: number
}

/** The kernel's view of one network namespace. Errors: ERR_PODWIRE_SYSTEM, ERR_PODWIRE_NEEDS_ROOT. */
export interface Links {
  links(): LinkInfo[]
  setLink(name: string, change: { up?: boolean; mtuBytes?: number }): void
  deleteLink(name: string): void
  addresses(): AddressInfo[]
  addAddress(link: string, cidr: string): void
  removeAddress(link: string, cidr: string): void
  /** Routes of the main table, both families. */
  routes(): RouteInfo[]
  /** Adds the route, or replaces the one with the same destination and metric. */
  putRoute(route: Omit<RouteInfo, 'type'> & { type: 'unicast' | 'unreachable' }): void
  removeRoute(route: Pick<RouteInfo, 'destination' | 'metric' | 'type'>): void
  /** The route that a packet to the address would take: link, its source address, and the path's MTU. */
  routeTo(address: string): { link: string; source?: string; mtuBytes: number } | undefined
}
