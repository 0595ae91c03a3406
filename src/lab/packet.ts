// Takes a frame apart as far as its UDP payload: Ethernet, VLAN tags, ARP, IPv4, IPv6 with extension headers, fragments,
// neighbour discovery. Pure; what is cut short or unknown simply has fewer parts. Frame --> parts: addresses and payload.

/** An address in network order: 4 or 16 bytes. */
type RawAddress = Buffer

export interface PacketParts {
  /** Every address in the outer headers, with the field that it is in. */
  readonly addresses: readonly { readonly field: string; readonly address: RawAddress }[]
  /** UDP payload of a packet that is not fragmented. */
  readonly udpPayload?: Buffer
  readonly fragment?: Fragment
}

/** A piece of a packet: pieces with the same key, in order of their offsets, are one payload of `protocol`. */
export interface Fragment {
  readonly key: string
  readonly protocol: number
  readonly offsetBytes: number
  readonly more: boolean
  readonly payload: Buffer
}

const nothing: PacketParts = { addresses: [] }
const udp = 17

export function parseFrame(frame: Buffer): PacketParts {
  let at = 12
  let type = etherType(frame, at)
  while (type === 0x8100 || type === 0x88a8) {
    at += 4
    type = etherType(frame, at)
  }
  const body = frame.subarray(at + 2)
  if (type === 0x0806) return parseArp(body)
  if (type === 0x0800) return parseIpv4(body)
  if (type === 0x86dd) return parseIpv6(body)
  return nothing
}

function etherType(frame: Buffer, at: number): number | undefined {
  return at + 2 <= frame.length ? frame.readUInt16BE(at) : undefined
}

function parseArp(body: Buffer): PacketParts {
  if (body.length < 28) return nothing
  return {
    addresses: [
      { field: 'the ARP sender', address: body.subarray(14, 18) },
      { field: 'the ARP target', address: body.subarray(24, 28) },
    ],
  }
}

function parseIpv4(body: Buffer): PacketParts {
  const headerBytes = ((body[0] ?? 0) & 0xf) * 4
  if (body.length < 20 || headerBytes < 20 || body.length < headerBytes) return nothing
  const [source, destination] = [body.subarray(12, 16), body.subarray(16, 20)]
  const addresses = [
    { field: 'the source', address: source },
    { field: 'the destination', address: destination },
  ]
  // Ethernet pads short frames; a length of 0 is one that segmentation offload will fill in.
  const totalBytes = body.readUInt16BE(2) || body.length
  const payload = body.subarray(headerBytes, Math.max(headerBytes, totalBytes))
  const protocol = body.readUInt8(9)
  const flags = body.readUInt16BE(6)
  const offsetBytes = (flags & 0x1fff) * 8
  const more = (flags & 0x2000) !== 0
  if (offsetBytes === 0 && !more) return { addresses, ...udpPart(protocol, payload) }
  const key = `${source.toString('hex')} ${destination.toString('hex')} ${protocol} ${body.readUInt16BE(4)}`
  return { addresses, fragment: { key, protocol, offsetBytes, more, payload } }
}

function parseIpv6(body: Buffer): PacketParts {
  if (body.length < 40) return nothing
  const [source, destination] = [body.subarray(8, 24), body.subarray(24, 40)]
  const addresses = [
    { field: 'the source', address: source },
    { field: 'the destination', address: destination },
  ]
  const payloadBytes = body.readUInt16BE(4) || body.length - 40
  let rest = body.subarray(40, 40 + payloadBytes)
  let next = body.readUInt8(6)
  // Hop-by-hop, routing, destination options; and the fragment header, behind which there is a piece only.
  while ([0, 43, 60, 44].includes(next) && rest.length >= 8) {
    const following = rest.readUInt8(0)
    if (next === 44) {
      const field = rest.readUInt16BE(2)
      const key = `${source.toString('hex')} ${destination.toString('hex')} ${rest.readUInt32BE(4)}`
      const [offsetBytes, more, payload] = [field & 0xfff8, (field & 1) !== 0, rest.subarray(8)]
      return { addresses, fragment: { key, protocol: following, offsetBytes, more, payload } }
    }
    rest = rest.subarray((rest.readUInt8(1) + 1) * 8)
    next = following
  }
  if (next === 58) return { addresses: [...addresses, ...neighbourAddresses(rest)] }
  return { addresses, ...udpPart(next, rest) }
}

/** Targets of neighbour solicitation, advertisement and redirect (RFC 4861). */
function neighbourAddresses(icmp: Buffer): PacketParts['addresses'] {
  const type = icmp[0] ?? 0
  if (type < 135 || type > 137 || icmp.length < 24) return []
  return [{ field: 'the neighbour discovery target', address: icmp.subarray(8, 24) }]
}

function udpPart(protocol: number, payload: Buffer): { udpPayload?: Buffer } {
  return protocol === udp && payload.length >= 8 ? { udpPayload: payload.subarray(8) } : {}
}

/** Puts fragments together: give it one after the other; it returns a payload when its last piece has come. */
export class Reassembly {
  readonly #pieces = new Map<string, Fragment[]>()

  add(fragment: Fragment): { payload: Buffer; udpPayload?: Buffer } | undefined {
    const pieces = [...(this.#pieces.get(fragment.key) ?? []), fragment].sort((a, b) => a.offsetBytes - b.offsetBytes)
    this.#pieces.set(fragment.key, pieces)
    let end = 0
    for (const piece of pieces) {
      if (piece.offsetBytes > end) return undefined
      end = Math.max(end, piece.offsetBytes + piece.payload.length)
    }
    if (pieces.at(-1)?.more !== false) return undefined
    this.#pieces.delete(fragment.key)
    const payload = Buffer.alloc(end)
    for (const piece of pieces) piece.payload.copy(payload, piece.offsetBytes)
    return { payload, ...udpPart(pieces[0]?.protocol ?? 0, payload) }
  }
}
