// What every measurement of the control plane works on.

import type { Lab } from '../../src/lab/lab.ts'
import type { NodeRecord } from '../../src/model/node-record.ts'
import { quantile } from '../device/samples.ts'
import type { AgentProcess, Backend } from './agent-process.ts'
import { figures, type SampleKey } from './figures.ts'
import { addSample, type Samples } from './result.ts'
import type { BenchStore } from './store.ts'

export interface Settings {
  readonly coldStarts: number
  readonly changes: number
  readonly joins: number
  readonly restSeconds: number
  readonly outageSeconds: number
  readonly lossSeconds: number
}

export interface ControlBench {
  readonly lab: Lab
  readonly store: BenchStore
  readonly backend: Backend
  readonly settings: Settings
  readonly samples: Samples
  /** As they stand in the store. */
  readonly simulated: NodeRecord[]
  /** The agent that is measured, on host a. */
  a: AgentProcess
  /** The real peer, on host b: a node that may be another one after each join. */
  b: AgentProcess
  /** The address of b's node in the network. */
  peerAddress: string
  /** Nodes that joined on b so far: each has a name and a prefix of its own. */
  joined: number
}

/** Of the whole network, the two real ones among them. */
export const nodesOf = ({ simulated }: Pick<ControlBench, 'simulated'>): number => simulated.length + 2

/** Samples of one kind; their median is also said on standard error, so that a run can be followed. */
export function take(bench: Pick<ControlBench, 'samples' | 'simulated'>, key: SampleKey, ...values: number[]): void {
  const nodes = nodesOf(bench)
  for (const value of values) addSample(bench.samples, key, nodes, Number(value.toFixed(3)))
  const figure = figures.find(({ of }) => of === key)
  const title = figure?.title.replace(/, (median|99th percentile)$/, '') ?? key
  const median = quantile(values, 0.5).toFixed(figure?.digits ?? 0)
  const times = values.length === 1 ? '' : ` (median of ${values.length})`
  console.error(`${`${nodes}`.padStart(5)} nodes  ${median.padStart(8)} ${figure?.unit.padEnd(2)}  ${title}${times}`)
}
