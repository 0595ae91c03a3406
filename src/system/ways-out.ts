// By which addresses others may reach this host: those of its default routes, which is where an answer would leave.

import { type Family, parseAddress } from '../base/cidr.ts'
import type { WayOut } from '../model/host-facts.ts'
import type { Links } from '../native/link.ts'

const families: readonly Family[] = [4, 6]

/** One a family: the default route's of the lowest metric, else that of a network that the host is on. Error: ERR_PODWIRE_SYSTEM. */
export function observeWaysOut(
  links: Pick<Links, 'addresses' | 'routes'>,
  isTunnel: (link: string) => boolean,
): WayOut[] {
  const addresses = links.addresses().flatMap(({ link, cidr, scope }) => {
    const [address = ''] = cidr.split('/')
    const family = parseAddress(address)?.family
    return family === undefined || scope !== 'global' || link === 'lo' || isTunnel(link)
      ? []
      : [{ family, link, address }]
  })
  const routes = links.routes().filter(({ destination, type }) => destination.endsWith('/0') && type === 'unicast')
  return families.flatMap(family => {
    const [route] = routes
      .filter(({ destination, link }) => destination.includes(':') === (family === 6) && link && !isTunnel(link))
      .sort((a, b) => a.metric - b.metric)
    const own = addresses.filter(each => each.family === family && (route === undefined || each.link === route.link))
    return (own.find(({ address }) => address === route?.source) ?? own[0]) || []
  })
}
