// Which prefix a node without one should claim: the first of the range that overlaps no claim.

import { type Cidr, familyBits, formatCidr, maskCidr, overlapsCidr, parsePrefix, subPrefix } from '../base/cidr.ts'

/** Undefined if the range is used up. `claimed` are prefixes of any family and length. */
export function choosePrefix(range: Cidr, length: number, claimed: readonly string[]): string | undefined {
  const taken = claimed
    .map(text => parsePrefix(text, 'claim'))
    .filter(prefix => overlapsCidr(range, prefix))
    .sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : b.length < a.length ? 1 : -1))
  const step = 1n << BigInt(familyBits(range.family) - length)
  const count = 1n << BigInt(length - range.length)
  let index = 0n
  for (const prefix of taken) {
    if (overlapsCidr(subPrefix(range, length, index), prefix)) {
      const end = maskCidr(prefix).value + (1n << BigInt(familyBits(prefix.family) - prefix.length))
      index = (end - range.value + step - 1n) / step
      if (index >= count) return undefined
    }
  }
  return formatCidr(subPrefix(range, length, index))
}
