// Time as an input. The protocol's timers and the agent's loop take a Clock, so that a test runs minutes in
// milliseconds with a FakeClock and production runs on the kernel's boot time.

export interface Clock {
  /** Milliseconds that only grow, suspended time included; comparable with the engine's counters. */
  nowMs(): number
  /** Milliseconds since 1970, for what people and the handshake's TAI64N see. */
  wallMs(): number
  /** Calls `run` once, `delayMs` from now. The returned function cancels it. */
  after(delayMs: number, run: () => void): () => void
}

/** The real clock; `nowMs` is given because CLOCK_BOOTTIME is read through the addon. */
export function realClock(nowMs: () => number): Clock {
  return {
    nowMs,
    wallMs: Date.now,
    after(delayMs, run) {
      const timer = setTimeout(run, delayMs)
      return () => clearTimeout(timer)
    },
  }
}

interface Timer {
  readonly atMs: number
  readonly run: () => void
}

/** A clock that stands still until it is told to advance. */
export class FakeClock implements Clock {
  #nowMs = 1_000_000
  #timers: readonly Timer[] = []

  nowMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), run }
    this.#timers = [...this.#timers, timer]
    return () => {
      this.#timers = this.#timers.filter(other => other !== timer)
    }
  }

  /** Moves on by `ms`, running each timer at its own time, in order. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms
    for (;;) {
      const due = this.#timers.filter(timer => timer.atMs <= endMs)
      const next = due.sort((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter(timer => timer !== next)
      this.#nowMs = next.atMs
      next.run()
    }
    this.#nowMs = endMs
  }
}
