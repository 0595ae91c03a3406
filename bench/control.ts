// `npm run bench -- control`: one real agent with a real device, and a real peer, among 10 to 5,000 nodes that are records in a
// real store. Each figure of bench/control/figures.ts, for each number of nodes; nodes are added from one number to the next.
//
//   a lab, a store --> nodes --> cold starts, rest, changes, joins --> more nodes … --> losses --> bench/results/control-STORE

import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { AgentProcess, type Backend } from './control/agent-process.ts'
import { type ControlBench, nodesOf, type Settings } from './control/bench.ts'
import { startControlLab } from './control/lab.ts'
import { measureChanges, measureColdStarts, measureRest } from './control/measure-agent.ts'
import { measureImports } from './control/measure-imports.ts'
import { measureJoins, startPeer } from './control/measure-joins.ts'
import {
  measureLossOnFlap,
  measureLossOnOutage,
  measureLossOnRestart,
  packetsPerSecond,
} from './control/measure-loss.ts'
import { claimsOf, claimsOfRecord, places, simulatedNode } from './control/nodes.ts'
import { drawControl } from './control/pictures.ts'
import { formatControl } from './control/report.ts'
import { type ControlResult, resultOf } from './control/result.ts'
import { stores } from './control/store.ts'
import { linkMtu } from './device/conditions.ts'
import { renderPng } from './device/pictures.ts'
import { root } from './device/programs.ts'
import { machine } from './machine.ts'

const whole = { nodes: [10, 100, 1_000, 5_000], lossAt: 1_000 }
const settings: Record<'whole' | 'quick', Settings> = {
  whole: { coldStarts: 5, changes: 200, joins: 50, restSeconds: 60, outageSeconds: 600, lossSeconds: 60 },
  quick: { coldStarts: 2, changes: 10, joins: 3, restSeconds: 5, outageSeconds: 5, lossSeconds: 8 },
}

export interface ControlBenchOptions {
  /** Less of everything: under three minutes. */
  readonly quick: boolean
  /** One of `stores`; the first if absent. */
  readonly store?: string
}

export async function benchControl({ quick, store: form = 'file' }: ControlBenchOptions): Promise<void> {
  const startStore = stores[form]
  if (startStore === undefined) throw new Error(`there is no store "${form}"`)
  const backend: Backend = 'userspace'
  const chosen = settings[quick ? 'quick' : 'whole']
  const imports = await measureImports(chosen.coldStarts)

  await using lab = await startControlLab()
  await using store = await startStore(lab)
  await store.put([], claimsOf('a', places.real))
  const a = new AgentProcess({ lab, store, host: 'a', name: 'a', backend })
  await a.said('in sync with the store')
  const first = { lab, store, backend, settings: chosen, samples: {}, simulated: [], a, peerAddress: '', joined: 0 }
  const bench: ControlBench = Object.assign(first, { b: await startPeer(first) })

  for (const nodes of whole.nodes.filter(nodes => !quick || nodes <= 1_000)) {
    await growTo(bench, nodes)
    await measureColdStarts(bench)
    await measureRest(bench)
    await measureChanges(bench)
    await measureJoins(bench)
    if (nodes !== whole.lossAt) continue
    await measureLossOnRestart(bench)
    await measureLossOnOutage(bench)
    await measureLossOnFlap(bench)
  }

  const { coldStarts, changes, joins, ...seconds } = chosen
  const conditions = {
    ...machine(),
    store: store.title,
    backend,
    mtu: linkMtu,
    rounds: { coldStarts, changes, joins },
    ...seconds,
    packetsPerSecond,
  }
  writeResult(resultOf(bench.samples, conditions, imports), `control-${form}`, quick)
}

async function growTo(bench: ControlBench, nodes: number): Promise<void> {
  const { simulated, store } = bench
  const added = Array.from({ length: nodes - nodesOf(bench) }, (_, i) => simulatedNode(simulated.length + i))
  await store.put(added, added.flatMap(claimsOfRecord))
  simulated.push(...added)
}

/** What is committed is a whole run; a shorter one goes beside it. */
function writeResult(result: ControlResult, name: string, quick: boolean): void {
  const folder = `${root}bench/results${quick ? '/quick' : ''}`
  console.log(formatControl(result).trimEnd())
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`)
  writeFileSync(join(folder, `${name}.md`), formatControl(result))
  for (const [part, svg] of Object.entries(drawControl(result))) {
    writeFileSync(join(folder, `${name}-${part}.svg`), svg)
    writeFileSync(join(folder, `${name}-${part}.png`), renderPng(svg))
  }
  console.error(`wrote ${relative(process.cwd(), folder)}/${name}.*`)
}
