// TAI64N: the timestamp of an initiation, 12 bytes big-endian, by which a responder tells a new one from a replay.
// Coarsened to about 16.8 ms, so that a machine does not tell the world how its clock runs.

/** Seconds of TAI64 at the start of 1970; the leap seconds do not matter, the order does. */
const epochSeconds = 0x400000000000000an
const coarseNanoseconds = 1 << 24

/** The timestamp of `wallMs` (milliseconds since 1970), or the next one after `last` if the clock went back. */
export function timestamp(wallMs: number, last?: Uint8Array): Uint8Array {
  const milliseconds = Math.floor(wallMs)
  const nanoseconds = (milliseconds % 1000) * 1_000_000
  const stamp = format(
    epochSeconds + BigInt(Math.floor(milliseconds / 1000)),
    nanoseconds - (nanoseconds % coarseNanoseconds),
  )
  return last === undefined || isAfter(stamp, last) ? stamp : successor(last)
}

/** Whether `a` is later than `b`. */
export function isAfter(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) > 0
}

function successor(stamp: Uint8Array): Uint8Array {
  const view = new DataView(stamp.buffer, stamp.byteOffset)
  const nanoseconds = view.getUint32(8) + coarseNanoseconds
  const seconds = view.getBigUint64(0)
  return nanoseconds < 1_000_000_000 ? format(seconds, nanoseconds) : format(seconds + 1n, 0)
}

function format(seconds: bigint, nanoseconds: number): Uint8Array {
  const stamp = new Uint8Array(12)
  const view = new DataView(stamp.buffer)
  view.setBigUint64(0, seconds)
  view.setUint32(8, nanoseconds)
  return stamp
}
