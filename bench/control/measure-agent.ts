// The agent of host a alone: how long it takes until all is in place, what a change costs, and what rest does.

import { setTimeout as delay } from 'node:timers/promises'
import { AgentProcess, deleteDevice } from './agent-process.ts'
import { type ControlBench, nodesOf, take } from './bench.ts'
import { until } from './lab.ts'
import { claimsOf, places, prefixesAt } from './nodes.ts'
import { RouteWatch } from './route-watch.ts'

/** Between polls for routes that the kernel did not tell of. */
const listEveryMs = 250
/** What belongs to a change is done by then. */
const settleMs = 100

/** From the start of its process, without a device, until all routes are there: of each family one to each node but itself. */
export async function measureColdStarts(bench: ControlBench): Promise<void> {
  const { lab, store, backend, settings } = bench
  const routesWanted = 2 * (nodesOf(bench) - 1)
  for (let round = 0; round < settings.coldStarts; round++) {
    await bench.a.end('SIGKILL')
    await deleteDevice(lab, 'a')
    await using routes = await RouteWatch.start(lab, 'a')
    const startMs = performance.now()
    bench.a = new AgentProcess({ lab, store, host: 'a', name: bench.a.name, backend })
    await bench.a.said('in sync with the store')
    let listedMs = performance.now()
    await until(`${routesWanted} routes are there`, async () => {
      if (performance.now() - listedMs > listEveryMs) {
        await routes.list()
        listedMs = performance.now()
      }
      return routes.count >= routesWanted
    })
    take(bench, 'coldStartMs', performance.now() - startMs)
  }
}

/** CPU and memory of the agent, and what is written to the store, while nothing happens. */
export async function measureRest(bench: ControlBench): Promise<void> {
  const { a, store, settings } = bench
  await untilQuiet(bench)
  const [startMs, cpuMs, writes] = [performance.now(), a.cpuMs(), await store.countWrites()]
  await delay(settings.restSeconds * 1000)
  const tookMs = performance.now() - startMs
  take(bench, 'restCpuPercent', (100 * (a.cpuMs() - cpuMs)) / tookMs)
  take(bench, 'restWrites', ((await store.countWrites()) - writes) / (tookMs / 60_000) / nodesOf(bench))
  take(bench, 'residentMb', a.memoryMb('VmRSS'))
  take(bench, 'peakMb', a.memoryMb('VmHWM'))
}

/** Until the agent does nothing for a while: what a start left to do is done. */
async function untilQuiet({ a }: ControlBench): Promise<void> {
  let before = a.cpuMs()
  await until('the agent is quiet', async () => {
    await delay(1_000)
    const now = a.cpuMs()
    const isQuiet = now - before < 20
    before = now
    return isQuiet
  })
}

/** One node at a time gets one prefix more or gives it up: from before the write until the kernel tells of the route. */
export async function measureChanges(bench: ControlBench): Promise<void> {
  const { lab, store, simulated, settings } = bench
  await using routes = await RouteWatch.start(lab, 'a')
  const changing = simulated.slice(0, Math.ceil(settings.changes / 2))
  await store.put(
    [],
    changing.flatMap(({ name }, i) => claimsOf(name, places.more + i)),
  )
  await delay(1_000) // those are changes as well
  await untilQuiet(bench)
  const [tookMs, tookCpuMs]: [number[], number[]] = [[], []]
  for (let change = 0; change < settings.changes; change++) {
    const i = change % changing.length
    const node = changing[i]
    if (node === undefined) continue
    const [more] = prefixesAt(places.more + i)
    const grows = !routes.has(more)
    const [startMs, cpuMs] = [performance.now(), bench.a.cpuMs()]
    await store.put([grows ? { ...node, prefixes: [...node.prefixes, more] } : node], [])
    await until('the route is changed', () => routes.has(more) === grows)
    tookMs.push(performance.now() - startMs)
    await delay(settleMs)
    tookCpuMs.push(bench.a.cpuMs() - cpuMs)
  }
  take(bench, 'changeMs', ...tookMs)
  take(bench, 'changeCpuMs', ...tookCpuMs)
}
