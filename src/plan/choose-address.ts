// Which address a container gets: the lowest of the node's prefix that is free.

import { addressAt, familyBits, formatAddress, parsePrefix } from '../base/cidr.ts'
import { overlayAddress } from './plan.ts'

/** Undefined if the prefix is used up. The prefix's own address, the node's and IPv4's last are nobody's. */
export function chooseAddress(prefixText: string, used: ReadonlySet<string>): string | undefined {
  const prefix = parsePrefix(prefixText, 'prefix')
  const hostBits = familyBits(prefix.family) - prefix.length
  const end = (1n << BigInt(hostBits)) - (prefix.family === 4 ? 1n : 0n)
  const own = formatAddress(overlayAddress(prefix))
  for (let index = 1n; index < end; index++) {
    const address = formatAddress(addressAt(prefix, index))
    if (address !== own && !used.has(address)) return address
  }
  return undefined
}
