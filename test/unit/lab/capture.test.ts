import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseAddress } from '../../../src/base/cidr.ts'
import { PodwireError } from '../../../src/base/errors.ts'
import { analyzeCapture } from '../../../src/lab/leaks.ts'
import { parsePcap } from '../../../src/lab/pcap.ts'

const prefixes = ['10.99.0.0/16', 'fd99::/48']
const canary = Buffer.from('canary-7f3a91')

function bytesOf(address: string): Buffer {
  const parsed = parseAddress(address)
  assert.ok(parsed)
  return Buffer.from(parsed.value.toString(16).padStart(parsed.family === 4 ? 8 : 32, '0'), 'hex')
}

function ethernet(type: number, body: Buffer): Buffer {
  const header = Buffer.alloc(14, 2)
  header.writeUInt16BE(type, 12)
  return Buffer.concat([header, body])
}

function ipv4Packet(from: string, to: string, protocol: number, payload: Buffer, fragment = 0): Buffer {
  const header = Buffer.alloc(20)
  header.writeUInt8(0x45, 0)
  header.writeUInt16BE(20 + payload.length, 2)
  header.writeUInt16BE(77, 4)
  header.writeUInt16BE(fragment, 6)
  header.writeUInt8(64, 8)
  header.writeUInt8(protocol, 9)
  bytesOf(from).copy(header, 12)
  bytesOf(to).copy(header, 16)
  let sum = 0
  for (let at = 0; at < 20; at += 2) sum += header.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  header.writeUInt16BE(~sum & 0xffff, 10)
  return Buffer.concat([header, payload])
}

function ipv6Packet(from: string, to: string, next: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(40)
  header.writeUInt8(0x60, 0)
  header.writeUInt16BE(payload.length, 4)
  header.writeUInt8(next, 6)
  bytesOf(from).copy(header, 8)
  bytesOf(to).copy(header, 24)
  return Buffer.concat([header, payload])
}

function udp(payload: Buffer): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt16BE(51820, 0)
  header.writeUInt16BE(51820, 2)
  header.writeUInt16BE(8 + payload.length, 4)
  return Buffer.concat([header, payload])
}

const outer = (payload: Buffer) => ethernet(0x0800, ipv4Packet('192.0.2.1', '192.0.2.2', 17, udp(payload)))
const outer6 = (payload: Buffer) => ethernet(0x86dd, ipv6Packet('2001:db8::1', '2001:db8::2', 17, udp(payload)))

/** A WireGuard message of a type, filled with bytes that are no address. */
function message(type: number, length: number, counter = 0n): Buffer {
  const bytes = Buffer.alloc(length, 0xab)
  bytes.writeUInt32LE(type, 0)
  if (type === 4) bytes.writeBigUInt64LE(counter, 8)
  return bytes
}

function pcap(frames: readonly Buffer[], { little = true, nanoseconds = false, linkType = 1 } = {}): Buffer {
  const u32 = (...values: number[]) => {
    const bytes = Buffer.alloc(4 * values.length)
    values.forEach((value, i) => {
      if (little) bytes.writeUInt32LE(value, 4 * i)
      else bytes.writeUInt32BE(value, 4 * i)
    })
    return bytes
  }
  const records = frames.flatMap((frame, i) => [u32(1000 + i, 5, frame.length, frame.length), frame])
  const version = little ? 0x0004_0002 : 0x0002_0004
  return Buffer.concat([u32(nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, version, 0, 0, 262144, linkType), ...records])
}

const judge = (...frames: Buffer[]) =>
  analyzeCapture(parsePcap(pcap(frames), 'test.pcap'), { prefixes, canaries: [canary] })

test('pcap: frames of both byte orders and resolutions are read', () => {
  const frames = [outer(message(1, 148)), Buffer.from([1, 2, 3]), Buffer.alloc(0)]
  for (const little of [true, false]) {
    for (const nanoseconds of [true, false]) {
      const read = parsePcap(pcap(frames, { little, nanoseconds }), 'test.pcap')
      assert.deepEqual(
        read.map(({ bytes }) => bytes),
        frames,
      )
      assert.deepEqual(
        read.map(({ number }) => number),
        [1, 2, 3],
      )
      assert.equal(read[1]?.timeMs, 1_001_000 + (nanoseconds ? 5e-6 : 5e-3))
    }
  }
})

const whole = pcap([outer(message(1, 148))])
const patched = (at: number, value: number) => {
  const copy = Buffer.from(whole)
  copy.writeUInt32LE(value, at)
  return copy
}
const badFiles: [string, Buffer, RegExp][] = [
  ['nothing', Buffer.alloc(0), /0 bytes are less than its header/],
  ['another file', Buffer.alloc(100, 7), /does not begin with the mark/],
  ['another link type', pcap([], { linkType: 113 }), /link type is 113/],
  ['an end in a record header', whole.subarray(0, 30), /ends in the header of frame 1/],
  ['an end in a frame', whole.subarray(0, whole.length - 1), /ends in frame 1/],
  ['a length out of bounds', patched(32, 1 << 30), /frame 1 claims 1073741824 bytes/],
  ['a frame in part', patched(36, 9999), /of frame 1, 190 of 9999 bytes were recorded/],
]
for (const [name, file, says] of badFiles) {
  test(`pcap: refuses ${name}`, () => {
    assert.throws(() => parsePcap(file, 'bad.pcap'), { code: 'ERR_PODWIRE_CAPTURE', message: says })
  })
}

test('pcap and leaks: any bytes give a report or a coded error', () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)),
    fc.array(fc.uint8Array({ maxLength: 200 })).map(frames => pcap(frames.map(frame => Buffer.from(frame)))),
    fc
      .tuple(fc.constantFrom(0x0800, 0x0806, 0x86dd, 0x8100), fc.uint8Array({ maxLength: 120 }))
      .map(([type, body]) => pcap([ethernet(type, Buffer.from(body))])),
  )
  fc.assert(
    fc.property(anything, bytes => {
      try {
        analyzeCapture(parsePcap(bytes, 'any.pcap'), { prefixes, canaries: [canary] })
      } catch (error) {
        assert.ok(error instanceof PodwireError && error.code === 'ERR_PODWIRE_CAPTURE', String(error))
      }
    }),
    { numRuns: 2000 },
  )
})

test('leaks: WireGuard messages are counted by type, over IPv4 and IPv6, behind VLAN tags', () => {
  const tagged = ethernet(0x8100, Buffer.concat([Buffer.from([0, 5]), outer(message(3, 64)).subarray(12)]))
  const report = judge(
    outer(message(1, 148)),
    outer6(message(1, 148)),
    outer6(message(2, 92)),
    tagged,
    outer(message(4, 32)),
    outer(message(4, 1452)),
    outer(message(1, 147)),
    outer(message(9, 100)),
  )
  assert.deepEqual(report.messages, { initiation: 2, response: 1, cookie: 1, data: 2 })
  assert.deepEqual([report.frames, report.others, report.violations], [8, 2, []])
})

test('leaks: data messages that segmentation offload will split are counted one by one', () => {
  const burst = Buffer.concat([message(4, 1452, 7n), message(4, 1452, 8n), message(4, 1452, 9n), message(4, 80, 10n)])
  assert.equal(judge(outer(burst)).messages.data, 4)
})

test('leaks: a fragmented message is put together', () => {
  const datagram = udp(message(4, 1452))
  const first = ethernet(0x0800, ipv4Packet('192.0.2.1', '192.0.2.2', 17, datagram.subarray(0, 800), 0x2000))
  const last = ethernet(0x0800, ipv4Packet('192.0.2.1', '192.0.2.2', 17, datagram.subarray(800), 100))
  for (const order of [
    [first, last],
    [last, first],
  ]) {
    const report = judge(...order)
    assert.deepEqual([report.messages.data, report.others, report.violations], [1, 0, []])
  }
})

const arp = Buffer.concat([Buffer.alloc(14), bytesOf('192.0.2.1'), Buffer.alloc(6), bytesOf('10.99.1.1')])
const solicitation = Buffer.concat([Buffer.from([135, 0, 0, 0, 0, 0, 0, 0]), bytesOf('fd99:0:0:1::1')])
const inner4 = ipv4Packet('10.99.1.2', '10.99.2.2', 1, Buffer.alloc(8))
const inner6 = ipv6Packet('fd99:0:0:1::2', 'fd99:0:0:2::2', 58, Buffer.alloc(8))
const icmpError = Buffer.concat([Buffer.from([3, 4, 0, 0, 0, 0, 5, 0]), inner4])
const leaks: [string, Buffer, RegExp][] = [
  [
    'an inner IPv4 source',
    ethernet(0x0800, ipv4Packet('10.99.1.2', '192.0.2.1', 1, Buffer.alloc(8))),
    /source is 10\.99\.1\.2/,
  ],
  [
    'an inner IPv6 destination',
    ethernet(0x86dd, ipv6Packet('2001:db8::1', 'fd99::7', 58, Buffer.alloc(8))),
    /destination is fd99::7/,
  ],
  ['an ARP target', ethernet(0x0806, arp), /ARP target is 10\.99\.1\.1/],
  [
    'a neighbour solicitation',
    ethernet(0x86dd, ipv6Packet('fe80::1', 'ff02::1', 58, solicitation)),
    /discovery target is fd99:0:0:1::1/,
  ],
  [
    'a fragment',
    ethernet(0x0800, ipv4Packet('192.0.2.1', '10.99.0.9', 17, Buffer.alloc(64), 0x2000)),
    /destination is 10\.99\.0\.9/,
  ],
  [
    'an inner packet quoted by an ICMP error',
    ethernet(0x0800, ipv4Packet('192.0.2.9', '192.0.2.1', 1, icmpError)),
    /IPv4 header with 10\.99\.1\.2/,
  ],
  [
    'an inner IPv4 packet in a message that is not sealed',
    outer(Buffer.concat([message(4, 16), inner4, Buffer.alloc(16)])),
    /IPv4 header with/,
  ],
  [
    'an inner IPv6 packet in a message that is not sealed',
    outer(Buffer.concat([message(4, 16), inner6, Buffer.alloc(16)])),
    /fd99:0:0:1::2 is at byte/,
  ],
  ['a canary', outer(Buffer.concat([message(4, 40), canary])), /canary is at byte 68/],
]
for (const [name, frame, says] of leaks) {
  test(`leaks: finds ${name}, and says in which frame`, () => {
    const { violations } = judge(outer(message(1, 148)), frame, outer(message(2, 92)))
    assert.deepEqual(
      violations.map(violation => violation.frame),
      [2],
    )
    assert.match(violations[0]?.reason ?? '', says)
  })
}

test('leaks: finds a canary that is cut in two by fragmentation', () => {
  const datagram = udp(Buffer.concat([Buffer.alloc(794), canary, Buffer.alloc(200)]))
  const first = ethernet(0x0800, ipv4Packet('192.0.2.1', '192.0.2.2', 17, datagram.subarray(0, 808), 0x2000))
  const last = ethernet(0x0800, ipv4Packet('192.0.2.1', '192.0.2.2', 17, datagram.subarray(808), 101))
  assert.deepEqual(
    judge(first, last).violations.map(({ frame }) => frame),
    [2],
  )
})

test("leaks: a data message's own index and counter are not taken for an address", () => {
  const looksAlike = message(4, 1452, 0x99fdn)
  const indexToo = message(4, 1452, 0x99n)
  indexToo[7] = 0xfd
  const run = Buffer.concat([message(4, 1452, 0x99fcn), looksAlike]) // as segmentation offload leaves them
  for (const payload of [looksAlike, indexToo, run]) {
    assert.deepEqual(judge(outer(payload)).violations, [])
  }
  bytesOf('fd99::7').copy(looksAlike, 16)
  assert.match(judge(outer(looksAlike)).violations[0]?.reason ?? '', /fd99::7/)
})

test('leaks: random ciphertext is not taken for an address', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1400, maxLength: 1400 }), ciphertext => {
      assert.deepEqual(judge(outer(Buffer.concat([message(4, 16), Buffer.from(ciphertext)]))).violations, [])
    }),
    { numRuns: 500 },
  )
})
