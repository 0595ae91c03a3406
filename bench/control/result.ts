// The outcome of a run as a document, bench/results/control-STORE.json: each figure by number of nodes with its goal, all samples,
// what the agent's memory is made of, and the conditions. Pure.

import { quantile } from '../device/samples.ts'
import type { Machine } from '../machine.ts'
import { type Figure, figures, type SampleKey } from './figures.ts'

/** By what was measured, then by number of nodes. */
export type Samples = Partial<Record<SampleKey, Record<number, number[]>>>

/** What a module adds to the resident memory of a process that imports all those before it. */
export interface ImportCost {
  readonly module: string
  readonly mb: number
}

export interface Conditions extends Machine {
  /** Of the store: "file", "etcd 3.4.23". */
  readonly store: string
  /** Whose WireGuard the agents drive. */
  readonly backend: string
  readonly mtu: number
  readonly rounds: { readonly coldStarts: number; readonly changes: number; readonly joins: number }
  readonly restSeconds: number
  readonly outageSeconds: number
  readonly lossSeconds: number
  readonly packetsPerSecond: number
}

export interface FigureResult extends Omit<Figure, 'of' | 'quantile'> {
  /** By number of nodes. */
  readonly values: Readonly<Record<number, number>>
  /** Where there is a goal. */
  readonly reached: Readonly<Record<number, boolean>>
}

export interface ControlResult {
  readonly conditions: Conditions
  /** Ascending. */
  readonly nodes: readonly number[]
  readonly figures: readonly FigureResult[]
  readonly imports: readonly ImportCost[]
  readonly samples: Samples
}

export function addSample(samples: Samples, key: SampleKey, nodes: number, value: number): void {
  const byNodes = samples[key] ?? {}
  samples[key] = byNodes
  byNodes[nodes] = [...(byNodes[nodes] ?? []), value]
}

export function resultOf(samples: Samples, conditions: Conditions, imports: readonly ImportCost[] = []): ControlResult {
  const nodes = new Set(Object.values(samples).flatMap(byNodes => Object.keys(byNodes).map(Number)))
  return {
    conditions,
    nodes: [...nodes].sort((a, b) => a - b),
    figures: figures.flatMap(figure => figureResult(figure, samples[figure.of]) ?? []),
    imports,
    samples,
  }
}

function figureResult(
  { of: _, quantile: share, ...words }: Figure,
  byNodes: Record<number, number[]> | undefined,
): FigureResult | undefined {
  if (byNodes === undefined) return undefined
  const values: Record<number, number> = {}
  const reached: Record<number, boolean> = {}
  for (const [nodes, samples] of Object.entries(byNodes)) {
    const value = rounded(quantile(samples, share))
    values[Number(nodes)] = value
    const goal = words.goals?.[Number(nodes)]
    if (goal !== undefined) reached[Number(nodes)] = value <= goal
  }
  return { ...words, values, reached }
}

/** To four digits: more would pretend. */
const rounded = (value: number) => Number(value.toPrecision(4))
