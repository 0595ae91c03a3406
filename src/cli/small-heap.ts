// What V8 does with memory, for a process that lives for months and is mostly at rest. By itself it lets megabytes of garbage wait,
// which then takes hours to show, and keeps what a moment's work took.

import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const intervalMs = 60_000
/** Less garbage than this, or than a quarter of what is in use, is not worth the milliseconds. */
const worthBytes = 1 << 20

/**
 * Keeps the heap near what is in use: once a minute what is garbage is collected, if there is enough of it (it is 2 to 4 MB, and
 * what would show as growth over hours). Does not keep the process alive.
 */
export function keepHeapSmall(): void {
  // The nursery stays at its first size: grown, it keeps 15 MB that handshakes of a thousand peers leave behind, 35 MB as peers come and
  // go, and saves no time here.
  setFlagsFromString('--semi-space-growth-factor=1')
  // While peers come and go, garbage is collected at a third more than what is in use, not at several times as much: with 130,000
  // AllowedIPs that go and come the peak is 140 MB in place of 200 and more.
  setFlagsFromString('--heap-growing-percent=30')
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  let keptBytes = 0
  setInterval(() => {
    if (usedBytes() - keptBytes < Math.max(worthBytes, keptBytes / 4)) return
    collect()
    keptBytes = usedBytes()
  }, intervalMs).unref()
}

const usedBytes = (): number => getHeapStatistics().used_heap_size
