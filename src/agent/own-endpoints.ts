// Where others reach a node that was told nothing: only what is certain. An address that is routed in the Internet is its own; a
// private one may be behind a NAT, and one that others try in vain is worse than none: without an endpoint the node calls them.

import { containsCidr, familyBits, parseAddress, parsePrefix } from '../base/cidr.ts'
import { formatEndpoint } from '../base/endpoint.ts'
import { reservedUse } from '../model/address-use.ts'
import type { WayOut } from '../model/host-facts.ts'

/** What is not routed in the Internet: RFC 1918, 6598 and 4193. */
const privateRanges = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'].map(text =>
  parsePrefix(text, text),
)

export interface FoundEndpoints {
  readonly endpoints: readonly string[]
  /** How they were found, or why there are none, and what to do about it. */
  readonly how: string
}

/** `waysOut` are the host's addresses towards others, one a family. */
export function findEndpoints(waysOut: readonly WayOut[], listenPort: number): FoundEndpoints {
  const addresses = waysOut.flatMap(({ address: text, link }) => {
    const address = parseAddress(text)
    if (address === undefined) return []
    const cidr = { ...address, length: familyBits(address.family) }
    if (reservedUse(cidr) !== undefined) return []
    const isPrivate = privateRanges.some(range => containsCidr(range, cidr))
    return { where: `${text} on ${link}`, endpoint: formatEndpoint({ address, port: listenPort }), isPrivate }
  })
  const own = addresses.filter(({ isPrivate }) => !isPrivate)
  const list = (of: typeof addresses) => of.map(({ where }) => where).join(' and ')
  if (own.length > 0) {
    return {
      endpoints: own.map(({ endpoint }) => endpoint),
      how: `from ${list(own)}, by which this host reaches others`,
    }
  }
  const [inner] = addresses
  if (inner === undefined) return { endpoints: [], how: 'this host has no address outside its tunnels' }
  const how = `${list(addresses)} is private, and a NAT may stand before it: this host calls the others, which need an endpoint. If they reach it there, say so: --endpoint ${inner.endpoint}`
  return { endpoints: [], how }
}
