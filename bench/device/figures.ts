// What is measured, in the order of the report, each with its goal: a ratio to wireguard-go in the same run, or a bound.

export interface Figure {
  readonly key: string
  readonly title: string
  readonly unit: string
  readonly digits: number
  readonly better: 'more' | 'less'
  /** `ratio` is to wireguard-go's figure; `bound` is in the figure's unit. */
  readonly goal?: { readonly ratio: number } | { readonly bound: number }
}

export const figures = [
  { key: 'tcp1', title: 'TCP, 1 stream', unit: 'Gbit/s', digits: 2, better: 'more', goal: { ratio: 2 } },
  { key: 'tcp4', title: 'TCP, 4 streams', unit: 'Gbit/s', digits: 2, better: 'more', goal: { ratio: 2.2 } },
  {
    key: 'tcpBoth',
    title: 'TCP, both directions, sum',
    unit: 'Gbit/s',
    digits: 2,
    better: 'more',
    goal: { ratio: 2.2 },
  },
  { key: 'retransmits', title: 'TCP retransmits, 4 streams', unit: '', digits: 0, better: 'less', goal: { ratio: 1 } },
  {
    key: 'cpu',
    title: 'CPU for 10 GB over TCP, both devices',
    unit: 's',
    digits: 1,
    better: 'less',
    goal: { ratio: 0.5 },
  },
  {
    key: 'udp1372',
    title: 'UDP, 1,372 B, loss < 0.1 %',
    unit: 'packets/s',
    digits: 0,
    better: 'more',
    goal: { ratio: 2 },
  },
  { key: 'udp64', title: 'UDP, 64 B, loss < 0.1 %', unit: 'packets/s', digits: 0, better: 'more', goal: { ratio: 2 } },
  { key: 'restMedian', title: 'Ping at rest, median', unit: 'µs', digits: 0, better: 'less', goal: { ratio: 0.8 } },
  { key: 'restP99', title: 'Ping at rest, 99th percentile', unit: 'µs', digits: 0, better: 'less', goal: { ratio: 1 } },
  {
    key: 'loadP99',
    title: 'Ping under TCP, 99th percentile',
    unit: 'µs',
    digits: 0,
    better: 'less',
    goal: { ratio: 0.7 },
  },
  {
    key: 'memory',
    title: 'Peak resident memory of a device, after the above',
    unit: 'MB',
    digits: 0,
    better: 'less',
    goal: { bound: 96 },
  },
  { key: 'engineMemory', title: 'Of which the engine', unit: 'MB', digits: 1, better: 'less', goal: { bound: 16 } },
  {
    key: 'loading',
    title: '1,000 peers, 130,000 AllowedIPs: loading',
    unit: 'ms',
    digits: 0,
    better: 'less',
    goal: { ratio: 1 },
  },
  {
    key: 'scaleKept',
    title: 'Throughput of one peer then, of its speed alone',
    unit: '%',
    digits: 0,
    better: 'more',
    goal: { bound: 95 },
  },
  { key: 'handshakes', title: 'Handshakes answered', unit: '/s', digits: 0, better: 'more' },
  {
    key: 'handshakesPerCpu',
    title: 'Handshakes answered a CPU second',
    unit: '',
    digits: 0,
    better: 'more',
    goal: { bound: 1000 },
  },
  {
    key: 'attackKept',
    title: 'Throughput kept under 50,000 bogus initiations/s',
    unit: '%',
    digits: 0,
    better: 'more',
    goal: { bound: 80 },
  },
  {
    key: 'attackedTcp1',
    title: 'TCP, 1 stream, under 50,000 initiations/s',
    unit: 'Gbit/s',
    digits: 2,
    better: 'more',
  },
] as const satisfies readonly Figure[]

export type FigureKey = (typeof figures)[number]['key']

export function figureOf(key: FigureKey): Figure {
  return figures.find(figure => figure.key === key) as Figure
}
