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
 * Observes the underlay: the largest MTU of the links that lead to the endpoints, else the smallest of the default routes,
 * else 1500. What is narrower behind a link is the matter of one route. `overlay` says which links are not part of it.
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
  const links = new Map(paths.links().map(link => [link.name, link.mtuBytes]))
  const leading = endpoints.flatMap(text => {
    const path = paths.routeTo(addressOf(text))
    return path === undefined || overlay(path.link) || path.link === 'lo' ? [] : path.link
  })
  const mtus = [...new Set(leading)].flatMap(name => links.get(name) ?? [])
  if (mtus.length > 0) return { families: [...families].sort(), mtuBytes: Math.max(...mtus) }
  for (const { destination, link, mtuBytes } of paths.routes()) {
    const mtu = mtuBytes ?? (link === undefined || overlay(link) ? undefined : links.get(link))
    if (destination.endsWith('/0') && mtu !== undefined) mtus.push(mtu)
  }
  return { families: [...families].sort(), mtuBytes: mtus.length > 0 ? Math.min(...mtus) : ethernetMtuBytes }
}

function addressOf(endpoint: string): string {
  parseEndpoint(endpoint, 'endpoint')
  return endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}
