// What the measurements put down, and what the report reads: samples by figure and subject, and every ping.

import { type FigureKey, figureOf } from './figures.ts'

export type Pings = 'rest' | 'load'

/** Where measurements go. Each figure is also said on standard error, so that a run can be followed. */
export interface Samples {
  readonly figures: Partial<Record<FigureKey, Record<string, number[]>>>
  /** In microseconds. */
  readonly pings: Partial<Record<Pings, Record<string, number[]>>>
  /** What the figures of the current round begin with on standard error. */
  heading: string
}

export const emptySamples = (): Samples => ({ figures: {}, pings: {}, heading: '' })

export function addFigure(samples: Samples, subject: string, key: FigureKey, value: number): void {
  samples.figures[key] ??= {}
  samples.figures[key][subject] ??= []
  samples.figures[key][subject].push(value)
  const { title, unit, digits } = figureOf(key)
  console.error(
    `${samples.heading}  ${subject.padEnd(12)}  ${value.toFixed(digits).padStart(8)} ${unit.padEnd(9)}  ${title}`,
  )
}

export function addPings(samples: Samples, subject: string, kind: Pings, values: readonly number[]): void {
  samples.pings[kind] ??= {}
  samples.pings[kind][subject] ??= []
  samples.pings[kind][subject].push(...values)
}

/** The value below which a share of the values lies: 0.5 is the median. NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? Number.NaN
}
