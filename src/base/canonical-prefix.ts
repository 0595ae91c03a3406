// A prefix's canonical text, quickly: a device that loads 130,000 AllowedIPs asks for each, and nearly all are canonical already. So
// one look along the characters tells whether they are, without an object or a bigint; the others take the way through cidr.ts.

import { formatCidr, maskCidr, parseCidr } from './cidr.ts'

/** The canonical text of the prefix around an address. Quick for what is canonical already. Error: ERR_PODWIRE_CIDR. */
export function canonicalPrefix(text: string, where: string): string {
  const isCanonical = text.includes(':') ? isCanonicalIpv6(text) : isCanonicalIpv4(text)
  return isCanonical ? text : formatCidr(maskCidr(parseCidr(text, where)))
}

const [digit0, digit9, letterA, letterF, dot, colon, slash] = [0x30, 0x39, 0x61, 0x66, 0x2e, 0x3a, 0x2f]

function isCanonicalIpv4(text: string): boolean {
  let [address, part, digits, parts] = [0, 0, 0, 0]
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code >= digit0 && code <= digit9) {
      if ((digits > 0 && part === 0) || part > 25) return false
      part = part * 10 + code - digit0
      digits += 1
    } else {
      if (digits === 0 || part > 255 || code !== (parts < 3 ? dot : slash)) return false
      address = address * 256 + part
      parts += 1
      part = digits = 0
    }
  }
  return parts === 4 && digits > 0 && part <= 32 && address % 2 ** (32 - part) === 0
}

/** The groups of the text at hand: one array for all, since this runs for each of a hundred thousand prefixes. */
const groups = new Uint16Array(8)

/** False also for canonical ones with an IPv4 tail. */
function isCanonicalIpv6(text: string): boolean {
  let [at, count, part, digits, gapAt] = [0, 0, 0, 0, -1]
  if (text.startsWith('::')) [at, gapAt] = [2, 0]
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    const digit = code <= digit9 ? code - digit0 : code - letterA + 10
    if ((code >= digit0 && code <= digit9) || (code >= letterA && code <= letterF)) {
      if ((digits > 0 && part === 0) || digits === 4) return false
      part = part * 16 + digit
      digits += 1
      continue
    }
    if (digits > 0 && count < 8) groups[count++] = part
    else if (code !== slash || gapAt !== count) return false
    part = digits = 0
    if (code !== colon) break
    if (text.charCodeAt(at + 1) === colon) {
      if (gapAt >= 0) return false
      gapAt = count
      at += 1
    }
  }
  const lengthText = text.slice(at + 1)
  if (text.charCodeAt(at) !== slash || !/^(0|[1-9]\d{0,2})$/.test(lengthText)) return false
  return expandGap(gapAt, count) && isPrefixOf(Number(lengthText))
}

/** Puts zeroes where the "::" was; false if it is not where the canonical text has it, or should not be written in this form at all. */
function expandGap(gapAt: number, count: number): boolean {
  if (gapAt < 0) return count === 8 && longestZeros().length < 2
  const tail = count - gapAt
  groups.copyWithin(8 - tail, gapAt, count)
  groups.fill(0, gapAt, 8 - tail)
  const { start, length } = longestZeros()
  const isMapped = gapAt === 0 && length === 5 && groups[5] === 0xffff
  return !isMapped && start === gapAt && length === 8 - count && length >= 2
}

function longestZeros(): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  return best
}

function isPrefixOf(length: number): boolean {
  for (let i = length >> 4; i < 8; i++) {
    if ((groups[i] ?? 0) % 2 ** Math.min(16, 16 * (i + 1) - length) !== 0) return false
  }
  return length <= 128
}
