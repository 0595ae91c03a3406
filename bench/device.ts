// `npm run bench -- device`: userspace devices side by side, podwire's, wireguard-go's and others', and the bare link, in one
// lab and one interleaved run: every round measures each subject in turn, and what is reported is the median of rounds.
//
//   programs -> a pair of devices each -> rounds of measure-*.ts -> samples -> report, chart -> bench/results/

import { startBenchLab } from './device/lab.ts'
import type { Bench, Measure } from './device/measure.ts'
import { measureTcp, startTcpServer } from './device/measure-tcp.ts'
import { findPrograms } from './device/programs.ts'
import { formatReport } from './device/report.ts'
import { resultOf } from './device/result.ts'
import { emptySamples } from './device/samples.ts'
import { bare, startSubject } from './device/subjects.ts'

/** In the order in which they are measured. */
const parts: Record<string, Measure> = { tcp: measureTcp }

export interface DeviceBenchOptions {
  /** Less of everything: under three minutes. */
  readonly quick: boolean
  /** Parts to measure, separated by commas; all if absent. */
  readonly only?: string
  readonly rounds?: number
  /** Of each run. */
  readonly seconds?: number
}

export async function benchDevice(options: DeviceBenchOptions): Promise<void> {
  const { quick, only, rounds = quick ? 3 : 5, seconds = quick ? 1 : 5 } = options
  const chosen = only?.split(',') ?? Object.keys(parts)
  const programs = findPrograms({ quick: quick || only !== undefined })
  await using lab = await startBenchLab()
  await startTcpServer(lab)
  const subjects = [bare, ...(await Promise.all(programs.map((program, i) => startSubject(lab, program, i + 1))))]
  const bench: Bench = { lab, samples: emptySamples(), settings: { rounds, seconds, quick } }
  for (let round = 1; round <= rounds; round++) {
    bench.samples.heading = `${round}/${rounds}`
    for (const part of chosen) {
      for (const subject of subjects) await parts[part]?.(bench, subject)
    }
  }
  const versions = Object.fromEntries(
    await Promise.all(programs.map(async ({ name, version }) => [name, await version()] as const)),
  )
  console.log(formatReport(resultOf(bench, versions)))
}
