// Counts attempts to join that failed, by the address they came from: nobody guesses 32 random bytes, but whoever tries keeps the
// server from its work and fills its log. Those of one IPv6 /64 count together. Time is the process's own: no clock is asked.

import { podwireError } from '../base/errors.ts'

const window = { ms: 60_000, failures: 10 }
const maxAddresses = 4096

export class Attempts {
  readonly #failures = new Map<string, { count: number; sinceMs: number }>()
  readonly #nowMs: () => number

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** Error: ERR_PODWIRE_STORE_BUSY. */
  check(address: string): void {
    const found = this.#failures.get(sourceOf(address))
    const leftMs = found === undefined ? 0 : found.sinceMs + window.ms - this.#nowMs()
    if (found === undefined || leftMs <= 0 || found.count < window.failures) return
    throw podwireError('ERR_PODWIRE_STORE_BUSY', { address, seconds: Math.ceil(leftMs / 1000) })
  }

  failed(address: string): void {
    const source = sourceOf(address)
    const found = this.#failures.get(source)
    const isOver = found === undefined || found.sinceMs + window.ms <= this.#nowMs()
    // Set anew, it goes to the end: the first is the one that is over first.
    if (isOver) this.#failures.delete(source)
    this.#failures.set(source, isOver ? { count: 1, sinceMs: this.#nowMs() } : { ...found, count: found.count + 1 })
    if (this.#failures.size > maxAddresses) this.#failures.delete(this.#failures.keys().next().value ?? '')
  }
}

/** An IPv4 address, or the /64 of an IPv6 one. */
function sourceOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '')
  if (!plain.includes(':')) return plain
  const [head = '', tail] = plain.split('::')
  const groups = head === '' ? [] : head.split(':')
  const zeros = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length)
  return [...groups, ...Array(zeros).fill('0')].slice(0, 4).join(':')
}
