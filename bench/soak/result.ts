// The outcome of a soak as a document, bench/results/soak.json, and the judgement of it: what must hold, and whether it did.

import type { Machine } from '../machine.ts'

/** What one kind of traffic came to. Counts are of the whole run. */
export interface TcpCount {
  readonly direction: string
  gbit: number
  retransmits: number
  /** Connections: each lasts a minute at most. */
  connections: number
  /** What iperf3 said of those that broke. */
  readonly broken: string[]
}

export interface UdpCount {
  readonly direction: string
  sent: number
  received: number
  duplicated: number
  /** Datagrams that came after one with a larger number. */
  reordered: number
}

export interface PingCount {
  readonly direction: string
  sent: number
  lost: number
  /** Of pings in a row. */
  longestLoss: number
}

/** A session as one of podwire's devices sees it. */
export interface SessionCount {
  readonly session: string
  /** After the one at the start. */
  rekeys: number
  oldestSeconds: number
}

export interface MemorySamples {
  readonly device: string
  /** VmRSS in MB, every ten seconds. */
  readonly residentMb: number[]
}

export interface Counts {
  readonly tcp: TcpCount[]
  readonly udp: UdpCount[]
  readonly pings: PingCount[]
  readonly sessions: SessionCount[]
  readonly memory: MemorySamples[]
  readonly events: { portChanges: number; addressChanges: number; peersAdded: number; peersRemoved: number }
}

export interface Criterion {
  readonly what: string
  readonly value: string
  readonly bound: string
  readonly held: boolean
}

/** bench/results/soak.json. */
export interface SoakResult extends Counts {
  readonly conditions: Machine & {
    readonly minutes: number
    /** No growth is asked for after these. */
    readonly warmUpMinutes: number
    readonly versions: Record<string, string>
    readonly tcpMbit: Record<string, number>
    readonly udpPerSecond: number
    readonly udpSizes: readonly number[]
    /** Of all cores, over the run, whoever used them. */
    readonly busyPercent: number
  }
  readonly criteria: readonly Criterion[]
}

export const memorySampleSeconds = 10
/** 180 s is where a session ends (WireGuard paper, section 6.5); the rest is for the poll and the clock's whole seconds. */
const oldestSessionSeconds = 185
/** A session that is there answers again well within this many pings, at ten a second. */
const longestOutagePings = 10
/** The largest sample after the warm-up above the largest before it. */
const peakGrowthMb = 2
/** Half against half after the warm-up: a leak shows here even below the peak, and a collection's timing does not. */
const medianGrowthMb = 1

export function judge(
  counts: Counts,
  { minutes, warmUpMinutes }: { minutes: number; warmUpMinutes: number },
): Criterion[] {
  const criteria: Criterion[] = []
  const atMost = (what: string, value: number, bound: number, unit = '') => {
    const text = `${Number(value.toFixed(2))}${unit}`
    criteria.push({ what, value: text, bound: `at most ${bound}${unit}`, held: value <= bound })
  }
  for (const { direction, broken } of counts.tcp) atMost(`TCP ${direction}: broken connections`, broken.length, 0)
  for (const { direction, sent, received, reordered, duplicated } of counts.udp) {
    atMost(`UDP ${direction}: reordered`, reordered, 0)
    atMost(`UDP ${direction}: duplicated`, duplicated, 0)
    atMost(`UDP ${direction}: silent`, sent > 0 && received > 0 ? 0 : 1, 0)
  }
  for (const { direction, longestLoss } of counts.pings) {
    atMost(`ping ${direction}: longest loss, pings`, longestLoss, longestOutagePings)
  }
  // A handshake every 120 s and the time it takes; one more if the run begins just before one.
  const seconds = minutes * 60
  const [fewest, most] = [Math.floor(seconds / 127), Math.floor(seconds / 118) + 1]
  for (const { session, rekeys, oldestSeconds } of counts.sessions) {
    const held = rekeys >= fewest && rekeys <= most
    criteria.push({ what: `session ${session}: rekeys`, value: `${rekeys}`, bound: `${fewest} to ${most}`, held })
    atMost(`session ${session}: oldest`, oldestSeconds, oldestSessionSeconds, ' s')
  }
  for (const { device, residentMb } of counts.memory) {
    const warm = Math.max(1, Math.round((warmUpMinutes * 60) / memorySampleSeconds))
    const [before, after] = [residentMb.slice(0, warm), residentMb.slice(warm)]
    const half = Math.ceil(after.length / 2)
    const medianGrowth = median(after.slice(half)) - median(after.slice(0, half))
    atMost(`memory of ${device}: growth of the peak`, Math.max(...after) - Math.max(...before), peakGrowthMb, ' MB')
    atMost(`memory of ${device}: growth of the median`, medianGrowth, medianGrowthMb, ' MB')
  }
  return criteria
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

/** One line while it runs; traffic is counted as its pieces end. */
export function formatProgress({ tcp, udp, pings, sessions, memory }: Counts, minutes: number): string {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
  return [
    `${minutes.toFixed(1)} min`,
    `${sum(tcp.map(({ gbit }) => gbit)).toFixed(1)} Gbit`,
    `${sum(tcp.map(({ broken }) => broken.length))} TCP broken`,
    `${sum(pings.map(({ lost }) => lost))} pings lost`,
    `${sum(udp.map(({ reordered }) => reordered))} reordered`,
    `rekeys ${sessions.map(({ rekeys }) => rekeys).join('/')}`,
    `RSS ${memory.map(({ residentMb }) => residentMb.at(-1)?.toFixed(1)).join('/')} MB`,
  ].join(', ')
}

/** What is printed at the end. */
export function formatSoak({ conditions, criteria, ...counts }: SoakResult): string {
  const { portChanges, addressChanges, peersAdded, peersRemoved } = counts.events
  const lossShare = (lost: number, of: number) => `${lost} of ${of} lost (${((100 * lost) / of).toFixed(4)} %)`
  return [
    `Soak of ${conditions.minutes} minutes, ${conditions.cores} cores ${conditions.busyPercent} % busy`,
    ...counts.tcp.map(
      ({ direction, gbit, retransmits, connections }) =>
        `  TCP ${direction}: ${gbit.toFixed(1)} Gbit in ${connections} runs, ${retransmits} retransmits`,
    ),
    ...counts.udp.map(({ direction, sent, received }) => `  UDP ${direction}: ${lossShare(sent - received, sent)}`),
    ...counts.pings.map(({ direction, sent, lost }) => `  ping ${direction}: ${lossShare(lost, sent)}`),
    `  roaming: ${portChanges} changes of port, ${addressChanges} of address`,
    `  peers: ${peersAdded} added, ${peersRemoved} removed`,
    '',
    ...criteria.map(({ what, value, bound, held }) => {
      return `${held ? 'held  ' : 'FAILED'}  ${what.padEnd(46)} ${value.padStart(10)}   (${bound})`
    }),
    '',
  ].join('\n')
}
