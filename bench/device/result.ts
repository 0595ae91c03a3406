// The outcome of a run as a document, bench/results/device.json: medians, ratios and goals, all samples, and the conditions.

import { isDeepStrictEqual } from 'node:util'
import type { DeviceStatus } from '../../src/wireguard/device-status.ts'
import { type Machine, machine } from '../machine.ts'
import { bareLink, congestionControl, deviceMtu, linkMtu, ours, reference } from './conditions.ts'
import { type Figure, type FigureKey, figures } from './figures.ts'
import type { Bench } from './measure.ts'
import { type Pings, quantile } from './samples.ts'

/** Where the curves of ping times have their points. */
export const percentiles = [0, 1, 5, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 100]

export interface FigureResult extends Omit<Figure, 'key' | 'digits'> {
  /** By subject: the median of its samples. */
  readonly medians: Record<string, number>
  /** Of podwire's median to wireguard-go's. */
  readonly ratio?: number
  readonly reached?: boolean
  readonly samples: Record<string, readonly number[]>
}

export interface Result {
  readonly conditions: Machine & {
    readonly congestionControl: string
    readonly linkMtu: number
    readonly deviceMtu: number
    readonly rounds: number
    /** Of each run of a tool in each round, at most. */
    readonly secondsEach: number
  }
  /** In the order of the tables: podwire first, the bare link last. */
  readonly subjects: readonly { readonly name: string; readonly version?: string }[]
  readonly figures: Partial<Record<FigureKey, FigureResult>>
  /** Ping times in microseconds at `percentiles`, by what else went on, then by subject. */
  readonly percentiles: readonly number[]
  readonly pings: Partial<Record<Pings, Record<string, readonly number[]>>>
  /** What podwire's device says of how it moves packets. */
  readonly podwire?: Pick<DeviceStatus, 'aead' | 'threads' | 'offloads'>
}

/** `versions` is by subject, the bare link not among them; `status` is podwire's. */
export function resultOf(
  { samples, settings }: Bench,
  versions: Record<string, string>,
  status: DeviceStatus | undefined,
): Result {
  const entries = figures.flatMap(figure => {
    const { key, digits: _, ...words } = figure
    const given = samples.figures[key]
    if (given === undefined) return []
    const medians = mapValues(given, values => rounded(quantile(values, 0.5)))
    const [mine, theirs] = [medians[ours], medians[reference]]
    const ratio = mine !== undefined && theirs ? rounded(mine / theirs) : undefined
    const reached = mine === undefined ? undefined : reaches(figure, mine, theirs)
    const result: FigureResult = {
      ...words,
      medians,
      ...(ratio !== undefined && { ratio }),
      ...(reached !== undefined && { reached }),
      samples: mapValues(given, values => values.map(rounded)),
    }
    return [[key, result] as const]
  })
  const names = [ours, reference, ...Object.keys(versions).filter(name => name !== ours && name !== reference)]
  return {
    conditions: {
      ...machine(),
      congestionControl,
      linkMtu,
      deviceMtu,
      rounds: settings.rounds,
      secondsEach: settings.seconds,
    },
    subjects: [
      ...names.flatMap(name => (versions[name] === undefined ? [] : [{ name, version: versions[name] }])),
      { name: bareLink },
    ],
    figures: Object.fromEntries(entries),
    percentiles,
    pings: mapValues(samples.pings, bySubject =>
      mapValues(bySubject, values => percentiles.map(percent => rounded(quantile(values, percent / 100)))),
    ),
    ...(status !== undefined && {
      podwire: { aead: status.aead, threads: status.threads, offloads: status.offloads },
    }),
  }
}

/**
 * A whole run with the figures of a later one of some parts in place of its own, so that a part can be measured anew; undefined unless
 * both were made under the same conditions. Memory stays: it is that after all else.
 */
export function replaceFigures(whole: Result, later: Result): Result | undefined {
  const conditionsOf = ({ conditions: { date: _, ...others }, subjects }: Result) => {
    const versions = subjects.filter(({ name }) => later.subjects.some(subject => subject.name === name))
    return [others, versions]
  }
  if (!isDeepStrictEqual(conditionsOf(whole), conditionsOf(later))) return undefined
  const { memory: _, engineMemory: __, ...figures } = later.figures
  return { ...whole, figures: { ...whole.figures, ...figures }, pings: { ...whole.pings, ...later.pings } }
}

/** undefined where there is no goal, or nothing to compare with. */
function reaches({ goal, better }: Figure, mine: number, theirs: number | undefined): boolean | undefined {
  if (goal === undefined || ('ratio' in goal && theirs === undefined)) return undefined
  const wanted = 'ratio' in goal ? goal.ratio * (theirs ?? 0) : goal.bound
  return better === 'more' ? mine >= wanted : mine <= wanted
}

/** To four digits: more would pretend. */
const rounded = (value: number) => Number(value.toPrecision(4))

function mapValues<K extends string, V, W>(values: Partial<Record<K, V>>, map: (value: V) => W): Record<K, W> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, map(value as V)])) as Record<K, W>
}
