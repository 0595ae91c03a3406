// Runs a scan of some folders, and runs it again after every change in them. inotify only wakes: what changed is never
// taken from it, so that a lost or merged event costs nothing but time, and a slow scan covers what it does not see.

import { type FSWatcher, type Stats, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import { reasonOf } from '../base/errors.ts'

/** Network file systems send no events; a full queue loses them. */
const slowScanMs = 30_000
/** While no watch can be had: a host has few for all of its programs (fs.inotify.max_user_instances is often 128). */
const unwatchedScanMs = 1_000
const retryMs = { least: 100, most: 2_000 }

interface Scanning {
  /**
   * Says after how many ms it wants to run again even if nothing changes, or nothing. Told why the folders cannot be
   * watched, if they cannot.
   */
  readonly scan: (unwatched: string | undefined) => Promise<number | undefined>
  /** Told what `scan` threw, or that the first folder is gone. */
  readonly onLost: (reason: string) => void
  /** Makes what is missing before the next try, as far as it can. */
  readonly mend: () => Promise<void>
  readonly signal: AbortSignal
}

/**
 * Scans until the signal; the first of the folders must be there, the others may come later. After a failure it tries
 * again, sooner at first, then slower, with jitter.
 */
export async function scanOnChange(
  folders: readonly [string, ...string[]],
  { scan, onLost, mend, signal }: Scanning,
): Promise<void> {
  let waitMs = retryMs.least
  while (!signal.aborted) {
    const bell = new Bell(signal)
    const watchers: FSWatcher[] = []
    try {
      const before = await identities(folders)
      // Watched before it is scanned: what changes in between rings.
      const unwatched = reasonUnwatched(() => {
        for (const folder of before.keys()) {
          watchers.push(watch(folder, () => bell.ring()).on('error', () => bell.ring()))
        }
      })
      do {
        bell.reset()
        const againMs = await scan(unwatched)
        waitMs = retryMs.least
        await bell.wait(Math.min(againMs ?? slowScanMs, unwatched === undefined ? slowScanMs : unwatchedScanMs))
      } while (!signal.aborted && unwatched === undefined && sameMap(await identities(folders), before))
    } catch (error) {
      onLost(reasonOf(error))
      await new Bell(signal).wait(waitMs * (0.5 + Math.random()))
      waitMs = Math.min(retryMs.most, waitMs * 2)
      await mend().catch(() => {}) // the next scan says what is still wrong
    } finally {
      for (const watcher of watchers) watcher.close()
    }
  }
}

/** Watching only makes it faster: whatever keeps it from being done is said, and done without. */
function reasonUnwatched(watchAll: () => void): string | undefined {
  try {
    watchAll()
    return undefined
  } catch (error) {
    return reasonOf(error)
  }
}

/** A folder that was removed and made again has the same name, and its watch is dead. */
async function identities([first, ...others]: readonly [string, ...string[]]): Promise<Map<string, string>> {
  const found = new Map([[first, identity(await stat(first))]])
  for (const folder of others) {
    const stats = await stat(folder).catch(() => undefined)
    if (stats !== undefined) found.set(folder, identity(stats))
  }
  return found
}

/** The number alone is not enough: ext4 gives that of a folder just removed to the next one made. */
function identity({ dev, ino, birthtimeMs }: Stats): string {
  return `${dev}:${ino}:${birthtimeMs}`
}

function sameMap(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)
}

/** Waits for a ring, a time, or the end. */
class Bell {
  readonly #signal: AbortSignal
  #rung = false
  #wake = () => {}

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  ring(): void {
    this.#rung = true
    this.#wake()
  }

  reset(): void {
    this.#rung = false
  }

  wait(ms: number): Promise<void> {
    if (this.#rung || this.#signal.aborted) return Promise.resolve()
    return new Promise(resolve => {
      const done = () => {
        clearTimeout(timer)
        this.#signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      this.#signal.addEventListener('abort', done)
      this.#wake = done
    })
  }
}
