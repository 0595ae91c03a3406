// Reads a capture file as tcpdump writes it: Ethernet frames, whole. Pure; any bytes give frames or ERR_PODWIRE_CAPTURE.
// Format: draft-ietf-opsawg-pcap.

import { podwireError } from '../base/errors.ts'

/** One frame of a capture. */
export interface Frame {
  /** From 1, as tcpdump and Wireshark count. */
  readonly number: number
  /** Milliseconds since 1970. */
  readonly timeMs: number
  readonly bytes: Buffer
}

const headerBytes = 24
const recordHeaderBytes = 16
const ethernet = 1
/** What tcpdump never exceeds; more means that the file is garbled. */
const maxFrameBytes = 262_144

/**
 * The frames of a capture; their bytes are views of `capture`. `file` names it in the error, ERR_PODWIRE_CAPTURE: not a
 * capture of Ethernet, cut off in the middle of a frame, or frames recorded in part.
 */
export function parsePcap(capture: Buffer, file: string): Frame[] {
  const fail = (reason: string) => podwireError('ERR_PODWIRE_CAPTURE', { file, reason })
  if (capture.length < headerBytes) throw fail(`${capture.length} bytes are less than its header`)
  const order = byteOrder(capture)
  if (order === undefined) throw fail('it does not begin with the mark of a pcap file')
  const u32 = (at: number) => (order.little ? capture.readUInt32LE(at) : capture.readUInt32BE(at))
  const linkType = u32(20) & 0xfff_ffff
  if (linkType !== ethernet) throw fail(`its link type is ${linkType}, not Ethernet (${ethernet})`)
  const frames: Frame[] = []
  for (let at = headerBytes; at < capture.length; ) {
    const number = frames.length + 1
    if (at + recordHeaderBytes > capture.length) throw fail(`it ends in the header of frame ${number}`)
    const [seconds, fraction, kept, sent] = [u32(at), u32(at + 4), u32(at + 8), u32(at + 12)]
    if (kept > maxFrameBytes) throw fail(`frame ${number} claims ${kept} bytes`)
    if (kept < sent) throw fail(`of frame ${number}, ${kept} of ${sent} bytes were recorded`)
    const start = at + recordHeaderBytes
    at = start + kept
    if (at > capture.length) throw fail(`it ends in frame ${number}`)
    const timeMs = seconds * 1000 + fraction / (order.nanoseconds ? 1e6 : 1e3)
    frames.push({ number, timeMs, bytes: capture.subarray(start, at) })
  }
  return frames
}

function byteOrder(capture: Buffer): { little: boolean; nanoseconds: boolean } | undefined {
  for (const little of [true, false]) {
    const magic = little ? capture.readUInt32LE(0) : capture.readUInt32BE(0)
    if (magic === 0xa1b2c3d4) return { little, nanoseconds: false }
    if (magic === 0xa1b23c4d) return { little, nanoseconds: true }
  }
  return undefined
}
