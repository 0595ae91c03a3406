// Which prefix a node without one should claim: one of the range that overlaps no claim.

import { type Cidr, familyBits, formatCidr, maskCidr, overlapsCidr, parsePrefix, subPrefix } from '../base/cidr.ts'

/**
 * The first that is free, from the place `from` (0 to 1) of the range on, and then from its start. Undefined if the range is used up.
 * `claimed` are prefixes of any family and length.
 */
export function choosePrefix(range: Cidr, length: number, claimed: readonly string[], from = 0): string | undefined {
  const taken = claimed
    .map(text => parsePrefix(text, 'claim'))
    .filter(prefix => overlapsCidr(range, prefix))
    .sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : b.length < a.length ? 1 : -1))
  const step = 1n << BigInt(familyBits(range.family) - length)
  const count = 1n << BigInt(length - range.length)
  // Of the many prefixes of an IPv6 range, only as many are places to start from as a number holds exactly.
  const places = count < 1n << 32n ? count : 1n << 32n
  let index = BigInt(Math.floor(from * Number(places)))
  for (const prefix of taken) {
    if (overlapsCidr(subPrefix(range, length, index), prefix)) {
      const end = maskCidr(prefix).value + (1n << BigInt(familyBits(prefix.family) - prefix.length))
      index = (end - range.value + step - 1n) / step
      if (index >= count) return from === 0 ? undefined : choosePrefix(range, length, claimed)
    }
  }
  return formatCidr(subPrefix(range, length, index))
}
