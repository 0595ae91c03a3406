// Addresses and prefixes of both families, as plain strings in canonical form ("10.99.1.0/24", "fd99:0:1::/64"), with
// the arithmetic done on bigints. Strict where libraries are lax: no octal, no hex, no missing octets, no zone index.

import { podwireError } from './errors.ts'

export type Family = 4 | 6

/** An address: its family and its value as one number. */
export interface Address {
  readonly family: Family
  readonly value: bigint
}

/** An address and a prefix length; host bits may be set (an interface address) or not (a prefix). */
export interface Cidr extends Address {
  readonly length: number
}

/** 32 or 128. */
export function familyBits(family: Family): number {
  return family === 4 ? 32 : 128
}

/** Parses "10.0.0.1" or "fd00::1" (an IPv4 tail is allowed in IPv6); undefined if it is neither. */
export function parseAddress(text: string): Address | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

function parseIpv4(text: string): Address | undefined {
  const octets = text.split('.')
  if (octets.length !== 4) return undefined
  let value = 0n
  for (const octet of octets) {
    if (!/^(0|[1-9]\d{0,2})$/.test(octet) || Number(octet) > 255) return undefined
    value = (value << 8n) | BigInt(octet)
  }
  return { family: 4, value }
}

function parseIpv6(text: string): Address | undefined {
  const tail = /^(.*:)([^:]*\..*)$/.exec(text)
  let groupsText = text
  if (tail?.[1] !== undefined && tail[2] !== undefined) {
    const v4 = parseIpv4(tail[2])
    if (v4 === undefined) return undefined
    groupsText = `${tail[1]}${(v4.value >> 16n).toString(16)}:${(v4.value & 0xffffn).toString(16)}`
  }
  const halves = groupsText.split('::')
  if (halves.length > 2) return undefined
  const [head = [], rest = []] = halves.map(half => (half === '' ? [] : half.split(':')))
  const missing = 8 - head.length - rest.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  let value = 0n
  for (const group of [...head, ...Array<string>(halves.length === 2 ? missing : 0).fill('0'), ...rest]) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined
    value = (value << 16n) | BigInt(`0x${group}`)
  }
  return { family: 6, value }
}

/** The canonical text of an address (RFC 5952 for IPv6). */
export function formatAddress({ family, value }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map(shift => (value >> shift) & 0xffn).join('.')
  const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn))
  if (value >> 32n === 0xffffn) return `::ffff:${formatAddress({ family: 4, value: value & 0xffffffffn })}`
  let best = { start: 0, length: 1 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  const hex = groups.map(group => group.toString(16))
  if (best.length < 2) return hex.join(':')
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`
}

/**
 * Parses "address/length"; a missing length means the whole address (/32 or /128).
 * `where` names the place in the error: ERR_PODWIRE_CIDR.
 */
export function parseCidr(text: string, where: string): Cidr {
  const [addressText = '', lengthText, extra] = text.split('/')
  const address = parseAddress(addressText)
  const fail = (reason: string) => podwireError('ERR_PODWIRE_CIDR', { where, text, reason })
  if (address === undefined || extra !== undefined) throw fail('the address is neither IPv4 nor IPv6')
  const bits = familyBits(address.family)
  if (lengthText === undefined) return { ...address, length: bits }
  if (!/^(0|[1-9]\d{0,2})$/.test(lengthText) || Number(lengthText) > bits) {
    throw fail(`the prefix length is a number from 0 to ${bits}`)
  }
  return { ...address, length: Number(lengthText) }
}

/** Like parseCidr, and the host bits must be zero: a prefix, not an interface address. */
export function parsePrefix(text: string, where: string): Cidr {
  const cidr = parseCidr(text, where)
  const prefix = maskCidr(cidr)
  if (prefix.value === cidr.value) return cidr
  const reason = `bits are set behind the prefix length; the prefix is ${formatCidr(prefix)}`
  throw podwireError('ERR_PODWIRE_CIDR', { where, text, reason })
}

export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr)}/${cidr.length}`
}

/** The same with its host bits cleared. */
export function maskCidr(cidr: Cidr): Cidr {
  const hostBits = BigInt(familyBits(cidr.family) - cidr.length)
  return { ...cidr, value: (cidr.value >> hostBits) << hostBits }
}

/** Whether every address of `inner` is in `outer`. */
export function containsCidr(outer: Cidr, inner: Cidr): boolean {
  if (outer.family !== inner.family || outer.length > inner.length) return false
  const hostBits = BigInt(familyBits(outer.family) - outer.length)
  return outer.value >> hostBits === inner.value >> hostBits
}

/** Whether the two share an address. (Prefixes overlap only when one contains the other.) */
export function overlapsCidr(a: Cidr, b: Cidr): boolean {
  return containsCidr(a, b) || containsCidr(b, a)
}

/** The address `index` places into the prefix, 0 being the prefix itself. */
export function addressAt(prefix: Cidr, index: bigint): Address {
  return { family: prefix.family, value: maskCidr(prefix).value + index }
}

/** The sub-prefix number `index` of the given length. */
export function subPrefix(range: Cidr, length: number, index: bigint): Cidr {
  const step = 1n << BigInt(familyBits(range.family) - length)
  return { family: range.family, value: maskCidr(range).value + index * step, length }
}
