// Judges a capture: which WireGuard messages it has, and every frame in which something of the network is readable.
// Pure. Per frame: addresses in the outer headers (also ARP and neighbour discovery), then any byte of it, and of what its
// fragments add up to: a canary, the beginning of an IPv6 prefix, or an IPv4 header with an address of the network.
//
// Ciphertext is random, and two bytes of an IPv4 prefix appear in it all the time: so an IPv4 address in a payload counts
// only inside something that is a header, its checksum right (once in 2^39 bytes by chance). A data message's own header is
// in clear, and its counter comes by every number there is: "fd99::/48" begins like the counter 0x99fd.

import { type Cidr, containsCidr, formatAddress, parsePrefix } from '../base/cidr.ts'
import { type PacketParts, parseFrame, Reassembly } from './packet.ts'
import type { Frame } from './pcap.ts'

export type MessageType = 'initiation' | 'response' | 'cookie' | 'data'

export interface CaptureReport {
  readonly frames: number
  /** WireGuard messages by type; a frame that segmentation offload has yet to split counts once for each. */
  readonly messages: Readonly<Record<MessageType, number>>
  /** Frames that carry something else. */
  readonly others: number
  /** At most one for a frame. */
  readonly violations: readonly Violation[]
}

export interface Violation {
  /** From 1, as tcpdump and Wireshark count. */
  readonly frame: number
  readonly reason: string
}

export interface Secrets {
  /** The network's range: no frame may carry an address of it in clear. */
  readonly prefixes: readonly string[]
  /** What was in the payloads: no frame may carry it. */
  readonly canaries: readonly Uint8Array[]
}

/** Errors: ERR_PODWIRE_CIDR for a prefix that is none. */
export function analyzeCapture(frames: readonly Frame[], { prefixes, canaries }: Secrets): CaptureReport {
  const ranges = prefixes.map(prefix => parsePrefix(prefix, 'prefix'))
  const reassembly = new Reassembly()
  const messages = { initiation: 0, response: 0, cookie: 0, data: 0 }
  const violations: Violation[] = []
  let others = 0
  for (const { number, bytes } of frames) {
    const parts = parseFrame(bytes)
    const whole = parts.fragment && reassembly.add(parts.fragment)
    const found = countMessages(parts.udpPayload ?? whole?.udpPayload)
    if (found !== undefined) messages[found.type] += found.count
    // The pieces of a message before its last are neither.
    else if (parts.fragment === undefined || whole !== undefined) others += 1
    const reason =
      outerReason(parts, ranges) ??
      readableReason(bytes.subarray(14), ranges, canaries) ??
      (whole && readableReason(whole.payload, ranges, canaries))
    if (reason !== undefined) violations.push({ frame: number, reason })
  }
  return { frames: frames.length, messages, others, violations }
}

const dataMessageStart = Buffer.from([4, 0, 0, 0])

const lengths: Record<number, { type: MessageType; fits: (length: number) => boolean }> = {
  1: { type: 'initiation', fits: length => length === 148 },
  2: { type: 'response', fits: length => length === 92 },
  3: { type: 'cookie', fits: length => length === 64 },
  4: { type: 'data', fits: length => length >= 32 },
}

/** WireGuard messages in a UDP payload (paper, section 5.4); undefined if it is something else. */
function countMessages(payload: Buffer | undefined): { type: MessageType; count: number } | undefined {
  if (payload === undefined || payload.length < 32) return undefined
  const known = lengths[payload.readUInt32LE(0)]
  if (known === undefined || !known.fits(payload.length)) return undefined
  return { type: known.type, count: known.type === 'data' ? countSegments(payload) : 1 }
}

/** How many data messages of equal length, but for the last, stand one after the other: each has the next counter. */
function countSegments(payload: Buffer): number {
  const head = payload.subarray(0, 8)
  const next = payload.readBigUInt64LE(8) + 1n
  for (let at = payload.indexOf(head, 32); at !== -1 && at + 16 <= payload.length; at = payload.indexOf(head, at + 1)) {
    if (payload.readBigUInt64LE(at + 8) === next) return Math.ceil(payload.length / at)
  }
  return 1
}

function outerReason({ addresses }: PacketParts, ranges: readonly Cidr[]): string | undefined {
  for (const { field, address } of addresses) {
    const text = inRanges(address, ranges)
    if (text !== undefined) return `${field} is ${text}`
  }
  return undefined
}

/** The address as text if it is in one of the ranges. */
function inRanges(bytes: Buffer, ranges: readonly Cidr[]): string | undefined {
  const family = bytes.length === 4 ? 4 : 6
  if (!ranges.some(range => range.family === family)) return undefined
  const address = { family, value: BigInt(`0x${bytes.toString('hex')}`), length: bytes.length * 8 } as const
  return ranges.some(range => containsCidr(range, address)) ? formatAddress(address) : undefined
}

function readableReason(bytes: Buffer, ranges: readonly Cidr[], canaries: readonly Uint8Array[]): string | undefined {
  for (const canary of canaries) {
    const at = bytes.indexOf(canary)
    if (at !== -1) return `the canary is at byte ${at} of the packet`
  }
  if (ranges.some(({ family }) => family === 4)) {
    const found = findIpv4Header(bytes, ranges)
    if (found !== undefined) return found
  }
  for (const range of ranges.filter(({ family }) => family === 6)) {
    const found = findIpv6Address(bytes, range)
    if (found !== undefined) return found
  }
  return undefined
}

function findIpv4Header(bytes: Buffer, ranges: readonly Cidr[]): string | undefined {
  for (let at = bytes.indexOf(0x45); at !== -1 && at + 20 <= bytes.length; at = bytes.indexOf(0x45, at + 1)) {
    const header = bytes.subarray(at, at + 20)
    const text = inRanges(header.subarray(12, 16), ranges) ?? inRanges(header.subarray(16, 20), ranges)
    if (text !== undefined && checksumIsRight(header))
      return `an IPv4 header with ${text} is at byte ${at} of the packet`
  }
  return undefined
}

/** RFC 1071: the sixteen-bit words of a header add up to all ones. */
function checksumIsRight(header: Buffer): boolean {
  let sum = 0
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum === 0xffff
}

/** By the whole bytes of the prefix, then all of it. A prefix of less than 5 bytes would be found by chance. */
function findIpv6Address(bytes: Buffer, range: Cidr): string | undefined {
  const wholeBytes = Math.floor(range.length / 8)
  if (wholeBytes < 5) return undefined
  const start = Buffer.from(range.value.toString(16).padStart(32, '0'), 'hex').subarray(0, wholeBytes)
  for (let at = bytes.indexOf(start); at !== -1 && at + 16 <= bytes.length; at = bytes.indexOf(start, at + 1)) {
    const text = inRanges(bytes.subarray(at, at + 16), [range])
    if (text !== undefined && !isInDataHeader(bytes, at)) return `${text} is at byte ${at} of the packet`
  }
  return undefined
}

/** Whether the byte is one of the 16 in front of a data message's ciphertext. */
function isInDataHeader(bytes: Buffer, at: number): boolean {
  const start = bytes.lastIndexOf(dataMessageStart, at)
  return start !== -1 && at - start < 16
}
