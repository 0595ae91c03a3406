// Which part of the range each node has. What the document gives is checked; a node that is given nothing of a family gets one
// address there, made from its name: the same on every machine, and no matter who else is in the document. Two names may make
// the same address, or one that is given away: then one of them must be given another by hand.

import { createHash } from 'node:crypto'
import { addressAt, type Cidr, containsCidr, familyBits, formatAddress, formatCidr, parsePrefix } from '../base/cidr.ts'
import { PrefixMap } from '../base/prefix-map.ts'
import type { FailAt } from './network-document.ts'
import type { NetworkInput } from './network-schema.ts'

interface Taken {
  readonly prefix: Cidr
  readonly node: string
  readonly where: string
}

/** The prefixes of each node by name, canonical, in the order of the families of the range. */
export function assignPrefixes({ network, nodes }: NetworkInput, failAt: FailAt): Map<string, string[]> {
  const range = network.range.map(text => parsePrefix(text, 'range'))
  if (range[0]?.family === range[1]?.family) {
    throw failAt(['network', 'range', 1], 'there is one range of each family, and the first has this family already')
  }
  const taken = new PrefixMap<Taken>()
  const result = new Map<string, string[]>()
  for (const [node, { prefixes = [] }] of Object.entries(nodes)) {
    for (const [i, text] of prefixes.entries()) {
      const prefix = parsePrefix(text, 'prefix')
      const path = ['nodes', node, 'prefixes', i]
      if (!range.some(outer => containsCidr(outer, prefix))) {
        const reason = `${formatCidr(prefix)} is outside the network's range; what lies behind a node is in its "share"`
        throw failAt(path, reason)
      }
      const other = taken.overlapping(prefix)
      if (other !== undefined) {
        throw failAt(
          path,
          `${formatCidr(prefix)} overlaps ${formatCidr(other.prefix)}, which ${other.node} has (${other.where})`,
        )
      }
      taken.set(prefix, { prefix, node, where: `nodes.${node}.prefixes[${i}]` })
    }
    result.set(
      node,
      prefixes.map(text => formatCidr(parsePrefix(text, 'prefix'))),
    )
  }
  for (const [node, given] of result) {
    for (const outer of range) {
      if (given.some(text => parsePrefix(text, node).family === outer.family)) continue
      const prefix = addressFromName(outer, node)
      const other = taken.overlapping(prefix)
      if (other !== undefined) {
        const free = formatCidr(freeAddress(outer, prefix, taken))
        const reason = `its address ${formatAddress(prefix)}, made from its name, is taken by ${other.node} (${other.where}); give it another: "prefixes": ["${free}"]`
        throw failAt(['nodes', node], reason)
      }
      taken.set(prefix, { prefix, node, where: `nodes.${node}` })
      given.push(formatCidr(prefix))
    }
  }
  return result
}

/** Addresses of the range that a node can have: without the range's own and the last, which are for others in IPv4. */
function firstAndCount(range: Cidr): { first: bigint; count: bigint } {
  const size = 1n << BigInt(familyBits(range.family) - range.length)
  return size <= 2n ? { first: 0n, count: size } : { first: 1n, count: size - 2n }
}

function addressFromName(range: Cidr, name: string): Cidr {
  const { first, count } = firstAndCount(range)
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 32)
  return wholeAddress(range, first + (BigInt(`0x${digest}`) % count))
}

/** The next one that nobody has, the range being a circle; the last tried if there is none. */
function freeAddress(range: Cidr, from: Cidr, taken: PrefixMap<Taken>): Cidr {
  const { first, count } = firstAndCount(range)
  let candidate = from
  for (let tries = 0; tries <= 2 * taken.size; tries++) {
    const holder = taken.overlapping(candidate)
    if (holder === undefined) return candidate
    const behind = holder.prefix.value + (1n << BigInt(familyBits(range.family) - holder.prefix.length))
    const index = behind - range.value - first
    candidate = wholeAddress(range, first + (index < count ? index : 0n))
  }
  return candidate
}

function wholeAddress(range: Cidr, index: bigint): Cidr {
  return { ...addressAt(range, index), length: familyBits(range.family) }
}
