// So many a second, and a few at once: what bounds the cost of what others, or many of us, ask for.

export class Allowance {
  readonly #aSecond: number
  readonly #most: number
  #left: number
  #atMs = Number.NEGATIVE_INFINITY

  constructor({ aSecond, atOnce }: { aSecond: number; atOnce: number }) {
    this.#aSecond = aSecond
    this.#most = atOnce
    this.#left = atOnce
  }

  /** Takes `count`, if any is left; the last may take more than that, which is then owed. */
  take(count: number, nowMs: number): boolean {
    if (this.waitMs(nowMs) > 0) return false
    this.#left -= count
    return true
  }

  /** How long until any is left. */
  waitMs(nowMs: number): number {
    const elapsedMs = Math.max(0, nowMs - this.#atMs)
    this.#left = Math.min(this.#most, this.#left + (elapsedMs / 1000) * this.#aSecond)
    this.#atMs = nowMs
    return this.#left >= 1 ? 0 : Math.ceil(((1 - this.#left) / this.#aSecond) * 1000)
  }
}
