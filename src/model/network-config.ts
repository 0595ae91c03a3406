// What the whole network agreed on, written once by whoever sets it up; and its form as JSON:
//   { "name": "prod", "range": ["10.99.0.0/16", "fd99::/48"], "nodePrefixLength": { "ipv4": 24, "ipv6": 64 } }

import { type Cidr, type Family, familyBits, formatCidr, parsePrefix } from '../base/cidr.ts'
import { reservedUse } from './address-use.ts'
import {
  type Field,
  integerValue,
  listItems,
  objectFields,
  parseJson,
  placeOf,
  refuse,
  stringValue,
} from './document.ts'
import { parseName } from './name.ts'

export interface NetworkConfig {
  readonly name: string
  /** Every prefix of the network lies in one of these: at most one of each family, at least one. */
  readonly range: readonly string[]
  /** Length of the prefix that a node gets from the range, for each family of the range. */
  readonly nodePrefixLength: { readonly ipv4?: number; readonly ipv6?: number }
}

const defaultLength = { ipv4: 24, ipv6: 64 } as const

/**
 * Parses the network's configuration. `nodePrefixLength` may be absent: 24 and 64, or the range's own length if that is
 * longer. Errors: ERR_PODWIRE_DOCUMENT, _CIDR, _NAME, each with the file and the path.
 */
export function parseNetworkConfig(text: string, file: string): NetworkConfig {
  return readNetworkConfig(parseJson(text, file))
}

/** The same of a value that was parsed. */
export function readNetworkConfig(field: Field): NetworkConfig {
  const { name, range, nodePrefixLength } = objectFields(field, ['name', 'range'], ['nodePrefixLength'])
  const items = listItems(range)
  if (items.length === 0) throw refuse(range, 'a network has a range: at least one prefix')
  const prefixes = items.map(parseRange)
  for (const [i, item] of items.entries()) {
    const twin = prefixes.findIndex(prefix => prefix.family === prefixes[i]?.family)
    if (twin < i) throw refuse(item, `there is one range of each family, and range[${twin}] has this family already`)
  }
  const lengths = nodePrefixLength && objectFields(nodePrefixLength, [], ['ipv4', 'ipv6'])
  const lengthOf = (family: 'ipv4' | 'ipv6') => {
    const prefix = prefixes.find(({ family: other }) => other === familyNumber(family))
    const field = lengths?.[family]
    if (prefix === undefined) {
      if (field !== undefined) throw refuse(field, `the network has no ${family} range`)
      return {}
    }
    const length = field
      ? integerValue(field, prefix.length, familyBits(prefix.family))
      : Math.max(prefix.length, defaultLength[family])
    return { [family]: length }
  }
  return {
    name: parseName(stringValue(name), placeOf(name)),
    range: prefixes.map(formatCidr),
    nodePrefixLength: { ...lengthOf('ipv4'), ...lengthOf('ipv6') },
  }
}

function familyNumber(family: 'ipv4' | 'ipv6'): Family {
  return family === 'ipv4' ? 4 : 6
}

function parseRange(field: Field): Cidr {
  const prefix = parsePrefix(stringValue(field), placeOf(field))
  const use = reservedUse(prefix)
  if (use !== undefined) throw refuse(field, `${formatCidr(prefix)} overlaps ${use}`)
  return prefix
}

/** As parseNetworkConfig reads it. */
export function formatNetworkConfig(network: NetworkConfig): string {
  return `${JSON.stringify(network, null, 2)}\n`
}
