// What this host has outside the tunnel: in which address families it reaches others, and with which MTU.

import { type Family, parseAddress } from '../base/cidr.ts'
import { parseEndpoint } from '../base/endpoint.ts'
import type { AddressInfo, LinkInfo, PathInfo, RouteInfo } from '../native/link.ts'

interface Paths {
  links(): LinkInfo[]
  addresses(): AddressInfo[]
  routes(): RouteInfo[]
  routeTo(address: string): PathInfo | undefined
}

export interface Underlay {
  readonly families: readonly Family[]
  readonly mtuBytes: number
}

const ethernetMtuBytes = 1500

/**
 * Observes the underlay as wg-quick does: the smallest MTU of the paths to the endpoints, else of the default routes, else
 * 1500. `overlay` says which links are not part of it.
 */
export function observeUnderlay(
  paths: Paths,
  endpoints: readonly string[],
  overlay: (link: string) => boolean,
): Underlay {
  const families = new Set<Family>()
  for (const { link, cidr, scope } of paths.addresses()) {
    const family = parseAddress(cidr.split('/')[0] ?? '')?.family
    if (family !== undefined && scope === 'global' && link !== 'lo' && !overlay(link)) families.add(family)
  }
  const mtus = endpoints.flatMap(text => {
    const path = paths.routeTo(addressOf(text))
    return path === undefined || overlay(path.link) || path.link === 'lo' ? [] : path.mtuBytes
  })
  if (mtus.length === 0) {
    const links = new Map(paths.links().map(link => [link.name, link.mtuBytes]))
    for (const { destination, link, mtuBytes } of paths.routes()) {
      const mtu = mtuBytes ?? (link === undefined || overlay(link) ? undefined : links.get(link))
      if (destination.endsWith('/0') && mtu !== undefined) mtus.push(mtu)
    }
  }
  return { families: [...families].sort(), mtuBytes: mtus.length > 0 ? Math.min(...mtus) : ethernetMtuBytes }
}

function addressOf(endpoint: string): string {
  parseEndpoint(endpoint, 'endpoint')
  return endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}
