// Pings over IPv4 as bytes: what a peer without a kernel of its own sends into a tunnel and finds in what comes back.

/** An echo request whose packet number is in identifier and sequence number, 32 bits in all; a multiple of 16 bytes long. */
export function echoRequest(source: string, destination: string, number: number): Uint8Array {
  const packet = Buffer.alloc(32)
  packet.writeUInt8(0x45, 0)
  packet.writeUInt16BE(packet.length, 2)
  packet.set([64, 1], 8) // TTL, ICMP
  packet.set(source.split('.').map(Number), 12)
  packet.set(destination.split('.').map(Number), 16)
  packet.writeUInt16BE(checksum(packet.subarray(0, 20)), 10)
  packet.writeUInt8(8, 20)
  packet.writeUInt32BE(number, 24)
  packet.writeUInt16BE(checksum(packet.subarray(20)), 22)
  return packet
}

/** The number of the request that this packet answers; undefined if it is something else. */
export function echoReplyOf(packet: Uint8Array): number | undefined {
  const view = Buffer.from(packet.buffer, packet.byteOffset, packet.length)
  if (packet.length < 32 || view[0] !== 0x45 || view[9] !== 1 || view[20] !== 0) return undefined
  return view.readUInt32BE(24)
}

function checksum(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return ~sum & 0xffff
}
