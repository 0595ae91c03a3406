// Runs one piece of work again whenever something asks for it: never twice at the same time, once for a burst of asks, and
// again after a failure, sooner at first, then slower, with jitter so that many nodes do not fail in step.

import { reasonOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'

/** Between two rounds: what the first one changed itself asks for the second, and a burst goes on for a while. */
const pauseMs = 50

interface Reconciling {
  readonly work: () => Promise<void>
  readonly log: Log
  readonly signal: AbortSignal
  /** The work is done at least this often: what sent no event is found then. */
  readonly atLeastEveryMs?: number
  /** First and last wait after failures. */
  readonly retryMs?: { readonly least: number; readonly most: number }
}

export class Reconciler {
  #asked = true
  #wake = () => {}

  /** Asks for the work to be done, soon and at least once from now. */
  ask(): void {
    this.#asked = true
    this.#wake()
  }

  /** Works until the signal. */
  async run({
    work,
    log,
    signal,
    atLeastEveryMs = 60_000,
    retryMs = { least: 200, most: 30_000 },
  }: Reconciling): Promise<void> {
    signal.addEventListener('abort', () => this.#wake())
    let failures = 0
    while (!signal.aborted) {
      this.#asked = false
      try {
        await work()
        if (failures > 0) log.info({ failures }, 'applied, after failures')
        failures = 0
      } catch (error) {
        failures += 1
        const waitMs = Math.round(Math.min(retryMs.most, retryMs.least * 2 ** (failures - 1)) * (0.5 + Math.random()))
        log.error(
          { code: (error as { code?: unknown }).code, failures, waitMs },
          `failed, will retry: ${reasonOf(error)}`,
        )
        // What is asked for meanwhile is done then: a failing kernel or tool is not helped by being asked more often.
        await this.#wait(waitMs, { wakes: () => signal.aborted })
        continue
      }
      await this.#wait(pauseMs, { wakes: () => signal.aborted })
      await this.#wait(atLeastEveryMs, { wakes: () => this.#asked || signal.aborted })
    }
  }

  #wait(ms: number, { wakes }: { wakes: () => boolean }): Promise<void> {
    if (wakes()) return Promise.resolve()
    return new Promise(resolve => {
      const done = () => {
        clearTimeout(timer)
        this.#wake = () => {}
        resolve()
      }
      const timer = setTimeout(done, ms)
      this.#wake = () => {
        if (wakes()) done()
      }
    })
  }
}
