// Packets between two nodes that do not change, while all around them does: numbered datagrams from a to b, as the soak sends them.

import { setTimeout as delay } from 'node:timers/promises'
import { runUdp } from '../soak/traffic.ts'
import { AgentProcess } from './agent-process.ts'
import { type ControlBench, take } from './bench.ts'
import type { SampleKey } from './figures.ts'
import { claimsOfRecord, simulatedNode } from './nodes.ts'

/** Few enough that a busy machine drops none of its own. */
export const packetsPerSecond = 500
/** Before the first event, and between two. */
const pauseMs = 1_000

/** The agents of both ends, killed and started, ended and started: an upgrade is the latter. */
export function measureLossOnRestart(bench: ControlBench): Promise<void> {
  const { lab, store, backend, settings } = bench
  return countLost(bench, 'lostOnRestart', settings.lossSeconds, async span => {
    for (let round = 0; Date.now() < span.endMs - 5_000; round++) {
      for (const host of ['a', 'b'] as const) {
        await bench[host].end(round % 2 === 0 ? 'SIGKILL' : 'SIGTERM')
        bench[host] = new AgentProcess({ lab, store, host, name: bench[host].name, backend })
        await bench[host].said('in sync with the store')
      }
      await delay(pauseMs)
    }
  })
}

/** The store is gone for all of the time but some seconds, within which it is back and read. */
export function measureLossOnOutage(bench: ControlBench): Promise<void> {
  const { store, settings } = bench
  return countLost(bench, 'lostOnOutage', settings.outageSeconds + 5, async () => {
    await store.goAway()
    try {
      await delay(settings.outageSeconds * 1000)
    } finally {
      await store.comeBack()
    }
  })
}

/** Half of the simulated nodes leave, and join with new keys, over and over. */
export function measureLossOnFlap(bench: ControlBench): Promise<void> {
  const { store, simulated, settings } = bench
  const half = Math.ceil(simulated.length / 2)
  return countLost(bench, 'lostOnFlap', settings.lossSeconds, async span => {
    while (Date.now() < span.endMs - 2 * pauseMs) {
      const leaving = simulated.slice(0, half)
      await store.remove(leaving.map(({ name }) => name))
      await delay(pauseMs)
      const back = leaving.map((_, i) => simulatedNode(i))
      simulated.splice(0, half, ...back)
      await store.put(back, back.flatMap(claimsOfRecord))
      await delay(pauseMs)
    }
  })
}

/** Of this process: each flow has one. */
let port = 7_800

async function countLost(
  bench: ControlBench,
  key: SampleKey,
  seconds: number,
  events: (span: { endMs: number }) => Promise<void>,
): Promise<void> {
  const count = { direction: key, sent: 0, received: 0, duplicated: 0, reordered: 0 }
  const span = { endMs: Date.now() + seconds * 1000 }
  port += 1
  const sending = runUdp(
    bench.lab,
    span,
    { from: 'a', target: bench.peerAddress, port, perSecond: packetsPerSecond },
    count,
  )
  await Promise.all([sending, delay(pauseMs).then(() => events(span))])
  if (count.sent === 0 || count.received === 0) throw new Error(`${key}: no packet went through`)
  take(bench, key, count.sent - count.received)
}
