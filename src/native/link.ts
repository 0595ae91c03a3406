// Links, addresses and routes of a network namespace, read and changed over rtnetlink by the addon.
// A socket is opened in the namespace named and stays there; each call waits for the kernel's answer, microseconds.

import { callAddon, loadAddon } from './addon.ts'

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
  /** Priority; lower wins. IPv6 has no 0: the kernel makes it 1024. */
  readonly metric: number
  readonly mtuBytes?: number
  /** Preferred source. */
  readonly source?: string
  /** Routing protocol number: whose route it is. */
  readonly protocol: number
}

/** The way that a packet would take. */
export interface PathInfo {
  readonly link: string
  readonly source?: string
  readonly mtuBytes: number
}

/** The kernel's view of one network namespace. Errors: ERR_PODWIRE_SYSTEM, ERR_PODWIRE_NEEDS_ROOT. */
export interface Links {
  links(): LinkInfo[]
  setLink(name: string, change: { up?: boolean; mtuBytes?: number }): void
  /**
   * Creates a WireGuard device of the kernel; it is down and has no key.
   * Errors: ERR_PODWIRE_NAME_IN_USE, ERR_PODWIRE_NO_KERNEL_WIREGUARD.
   */
  createWireguard(name: string): void
  deleteLink(name: string): void
  addresses(): AddressInfo[]
  /** One that is there stays. An IPv6 address is usable at once: no duplicate address detection. */
  addAddress(link: string, cidr: string): void
  /** That it is not there is no error. */
  removeAddress(link: string, cidr: string): void
  /** Routes of the main table, both families. */
  routes(): RouteInfo[]
  /** Adds the route, or replaces the one with the same destination and metric. */
  putRoute(route: Omit<RouteInfo, 'type'> & { type: 'unicast' | 'unreachable' }): void
  /** Only of that protocol, if one is given. That it is not there is no error. */
  removeRoute(route: Pick<RouteInfo, 'destination' | 'metric' | 'type'> & { protocol?: number }): void
  /** The route that a packet to the address would take: link, its source address, and the path's MTU. */
  routeTo(address: string): PathInfo | undefined
  /** The number by which the kernel names this socket: for `watchHost`. */
  port(): number
  /** Closes the socket, which keeps its namespace (and the links in it) alive. */
  close(): void
}

interface LinkAddon {
  readonly Links: new (namespacePath?: string) => Omit<Links, 'routeTo'> & { routeTo(address: string): PathInfo | null }
  watchHost(onChange: (kinds: number) => void, own?: number, namespacePath?: string): { close(): void }
}

/**
 * Opens the links of this process's network namespace, or of the one at `namespacePath` ("/run/netns/NAME").
 * Errors: ERR_PODWIRE_SYSTEM, ERR_PODWIRE_NEEDS_ROOT.
 */
export function openLinks(namespacePath?: string): Links {
  const addon = loadAddon<LinkAddon>()
  const inner = callAddon(() => new addon.Links(namespacePath))
  return {
    links: () => callAddon(() => inner.links()),
    setLink: (name, change) => callAddon(() => inner.setLink(name, change)),
    createWireguard: name => callAddon(() => inner.createWireguard(name)),
    deleteLink: name => callAddon(() => inner.deleteLink(name)),
    addresses: () => callAddon(() => inner.addresses()),
    addAddress: (link, cidr) => callAddon(() => inner.addAddress(link, cidr)),
    removeAddress: (link, cidr) => callAddon(() => inner.removeAddress(link, cidr)),
    routes: () => callAddon(() => inner.routes()),
    putRoute: route => callAddon(() => inner.putRoute(route)),
    removeRoute: route => callAddon(() => inner.removeRoute(route)),
    routeTo: address => callAddon(() => inner.routeTo(address)) ?? undefined,
    port: () => callAddon(() => inner.port()),
    close: () => inner.close(),
  }
}

/** What others changed on this host: something of podwire's own (a route, its nftables table), or anything else. */
export interface HostNews {
  readonly ours: boolean
  readonly others: boolean
}

/**
 * Calls `onChange` after each burst of changes to links, addresses, routes and nftables' tables `podwire-…`: what changed is to be
 * observed. What `own` asked for is left out as far as the kernel says so: its routes and IPv4 addresses, not its IPv6 addresses.
 * Does not keep the process alive. The returned function ends it. Error: ERR_PODWIRE_SYSTEM.
 */
export function watchHost(
  onChange: (news: HostNews) => void,
  { own, namespacePath }: { own?: Links; namespacePath?: string } = {},
): () => void {
  const take = (kinds: number) => {
    if (kinds !== 0) onChange({ ours: (kinds & 1) !== 0, others: (kinds & 2) !== 0 })
  }
  const watch = callAddon(() => loadAddon<LinkAddon>().watchHost(take, own?.port(), namespacePath))
  return () => watch.close()
}
