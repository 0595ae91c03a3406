// `npm run bench -- device`: userspace devices side by side, podwire's, wireguard-go's and others', and the bare link, in one
// lab and one interleaved run: every round measures each subject in turn, and what is reported is the median of rounds.
//
//   programs -> a pair of devices each -> rounds of measure-*.ts -> samples -> report, chart -> bench/results/

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { DeviceStatus } from '../src/wireguard/device-status.ts'
import { requestStatus } from '../src/wireguard/uapi-client.ts'
import { ours, reference } from './device/conditions.ts'
import { startBenchLab } from './device/lab.ts'
import type { Bench, Measure } from './device/measure.ts'
import { measureAttack } from './device/measure-attack.ts'
import { measureHandshakes } from './device/measure-handshakes.ts'
import { measureLatency } from './device/measure-latency.ts'
import { measureScale } from './device/measure-scale.ts'
import { measureTcp, startTcpServer } from './device/measure-tcp.ts'
import { measureUdp } from './device/measure-udp.ts'
import { drawPictures, renderPng } from './device/pictures.ts'
import { findPrograms, root } from './device/programs.ts'
import { formatReport } from './device/report.ts'
import { type Result, replaceFigures, resultOf } from './device/result.ts'
import { addFigure, emptySamples } from './device/samples.ts'
import { bare, peakMemoryMb, socketOf, startSubject } from './device/subjects.ts'
import { startTraffic } from './device/traffic.ts'

/**
 * In the order in which they are measured. What the second half does to a device shows in its peak memory, which is
 * therefore read between the halves. Of it, only podwire and the reference take part.
 */
const halves: readonly Record<string, Measure>[] = [
  { tcp: measureTcp, udp: measureUdp, latency: measureLatency },
  { handshakes: measureHandshakes, attack: measureAttack, scale: measureScale },
]
/** What can be measured apart. */
export const parts: readonly string[] = halves.flatMap(half => Object.keys(half))

export interface DeviceBenchOptions {
  /** Less of everything: under three minutes. */
  readonly quick: boolean
  /** Of `parts`; all if absent. */
  readonly only?: readonly string[]
  readonly rounds?: number
  /** Of each run. */
  readonly seconds?: number
}

export async function benchDevice(options: DeviceBenchOptions): Promise<void> {
  const { quick, only = parts, rounds = quick ? 3 : 5, seconds = quick ? 1 : 5 } = options
  const programs = findPrograms({ quick: quick || options.only !== undefined })
  const versions: Record<string, string> = {}
  for (const { name, version } of programs) versions[name] = await version()

  await using lab = await startBenchLab()
  await startTcpServer(lab)
  const subjects = [bare, ...(await Promise.all(programs.map((program, i) => startSubject(lab, program, i + 1))))]
  const samples = emptySamples()
  const bench: Bench = { lab, samples, sendFlow: startTraffic(lab), settings: { rounds, seconds, quick } }
  let status: DeviceStatus | undefined
  for (const [half, measures] of halves.entries()) {
    const taking = subjects.filter(({ name }) => half === 0 || name === ours || name === reference)
    const measured = Object.entries(measures).filter(([part]) => only.includes(part))
    for (let round = 1; round <= (half === 1 && quick ? 1 : rounds) && measured.length > 0; round++) {
      samples.heading = `${round}/${rounds}`
      for (const [, measure] of measured) {
        for (const subject of taking) await measure(bench, subject)
      }
    }
    if (half === 0) {
      for (const subject of subjects.slice(1)) addFigure(samples, subject.name, 'memory', peakMemoryMb(subject))
      const own = subjects.find(({ name }) => name === ours)?.devices ?? []
      const statuses = await Promise.all(own.map(device => requestStatus(socketOf(device))))
      const engineBytes = statuses.map(({ memory }) => memory.engineBytes)
      if (own.length > 0) addFigure(samples, ours, 'engineMemory', Math.max(...engineBytes) / 1e6)
      status = statuses[0]
    }
  }
  const result = resultOf(bench, versions, status)
  console.log(formatReport(result).trimEnd())
  // What is committed is a whole run, of which parts may be measured anew; a shorter one goes beside it.
  const isWhole = !quick && options.rounds === undefined && options.seconds === undefined
  const folder = isWhole ? `${root}bench/results` : `${root}bench/results/quick`
  if (options.only === undefined) return writeResult(result, folder)
  if (!isWhole) return
  const merged = replaceFigures(JSON.parse(readFileSync(join(folder, 'device.json'), 'utf8')), result)
  if (merged !== undefined) writeResult(merged, folder)
}

function writeResult(result: Result, folder: string): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'device.json'), `${JSON.stringify(result, null, 2)}\n`)
  writeFileSync(join(folder, 'device.md'), formatReport(result))
  for (const [name, svg] of Object.entries(drawPictures(result))) {
    writeFileSync(join(folder, `${name}.svg`), svg)
    writeFileSync(join(folder, `${name}.png`), renderPng(svg))
  }
  console.error(`wrote ${relative(process.cwd(), folder)}/`)
}
