// What is measured of the control plane, in the order of the report, each with its goal: a bound at so many nodes.

/** What the measurements put down. Times are in ms, memory in MB, shares in percent. */
export type SampleKey =
  | 'joinMs'
  | 'joinFromStartMs'
  | 'changeMs'
  | 'changeCpuMs'
  | 'coldStartMs'
  | 'residentMb'
  | 'peakMb'
  | 'restCpuPercent'
  | 'restWrites'
  | 'lostOnRestart'
  | 'lostOnOutage'
  | 'lostOnFlap'

export interface Figure {
  readonly title: string
  readonly unit: string
  readonly digits: number
  readonly of: SampleKey
  /** 0.5 is the median of the samples, 1 their largest. */
  readonly quantile: number
  /** At most so much, by number of nodes. */
  readonly goals?: Readonly<Record<number, number>>
}

const ms = { unit: 'ms', digits: 0 } as const
const joins = 'A node joins: from its record to the first answer to a peer'
const changes = 'One record changes: until applied'

export const figures: readonly Figure[] = [
  { title: `${joins}, median`, of: 'joinMs', quantile: 0.5, ...ms },
  { title: `${joins}, 99th percentile`, of: 'joinMs', quantile: 0.99, ...ms, goals: { 1000: 500 } },
  { title: 'The same from the start of its agent, median', of: 'joinFromStartMs', quantile: 0.5, ...ms },
  { title: `${changes}, median`, of: 'changeMs', quantile: 0.5, ...ms },
  { title: `${changes}, 99th percentile`, of: 'changeMs', quantile: 0.99, ...ms, goals: { 5000: 100 } },
  {
    title: 'One record changes: CPU of the agent, median',
    of: 'changeCpuMs',
    quantile: 0.5,
    unit: 'ms',
    digits: 1,
    goals: { 5000: 2 },
  },
  {
    title: 'Cold start, until in sync and applied, median',
    of: 'coldStartMs',
    quantile: 0.5,
    ...ms,
    goals: { 5000: 5000 },
  },
  {
    title: 'Resident memory of the agent, at rest',
    of: 'residentMb',
    quantile: 1,
    unit: 'MB',
    digits: 1,
    goals: { 100: 70, 5000: 120 },
  },
  { title: 'Its peak', of: 'peakMb', quantile: 1, unit: 'MB', digits: 1 },
  {
    title: 'CPU of the agent at rest',
    of: 'restCpuPercent',
    quantile: 0.5,
    unit: '%',
    digits: 2,
    goals: { 100: 0.5 },
  },
  {
    title: 'Writes to the store at rest, a node a minute',
    of: 'restWrites',
    quantile: 1,
    unit: '',
    digits: 2,
    goals: { 10: 0, 100: 0, 1000: 0, 5000: 0 },
  },
  { title: 'Packets lost: agent killed and restarted', of: 'lostOnRestart', ...lost() },
  { title: 'Packets lost: the store is down', of: 'lostOnOutage', ...lost() },
  { title: 'Packets lost: half of the nodes flap', of: 'lostOnFlap', ...lost() },
]

function lost(): Pick<Figure, 'quantile' | 'unit' | 'digits' | 'goals'> {
  return { quantile: 1, unit: '', digits: 0, goals: { 10: 0, 100: 0, 1000: 0, 5000: 0 } }
}
