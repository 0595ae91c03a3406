// TCP by iperf3: one stream, four, both directions at once; what it costs in processor time and in retransmits.

import type { Lab } from '../../src/lab/lab.ts'
import { until } from './lab.ts'
import type { Measure } from './measure.ts'
import { addFigure } from './samples.ts'
import { cpuSeconds } from './subjects.ts'

export const congestionControl = 'cubic'

/** One server on b is for all subjects; it lives as long as the lab. */
export async function startTcpServer(lab: Lab): Promise<void> {
  lab.spawn('b', ['iperf3', '-s'], { stdio: 'ignore' })
  await until('iperf3 listens', async () => {
    const { stdout } = await lab.exec('b', ['ss', '-Hltn', 'sport = 5201'])
    if (stdout === '') throw new Error('not yet')
  })
}

export const measureTcp: Measure = async ({ lab, samples, settings: { seconds } }, subject) => {
  const { name, target } = subject
  const cpuBefore = cpuSeconds(subject)
  const one = await runTcp(lab, target, { seconds })
  addFigure(samples, name, 'tcp1', one.gbit)
  const four = await runTcp(lab, target, { seconds, streams: 4 })
  addFigure(samples, name, 'tcp4', four.gbit)
  addFigure(samples, name, 'retransmits', four.retransmits)
  const cpu = cpuSeconds(subject) - cpuBefore
  if (subject.devices.length > 0) addFigure(samples, name, 'cpu', (cpu / (one.bytes + four.bytes)) * 10e9)
  const both = await runTcp(lab, target, { seconds, bidirectional: true })
  addFigure(samples, name, 'tcpBoth', both.gbit)
}

/** What went from a to b, or both ways together. */
export async function runTcp(
  lab: Lab,
  target: string,
  options: { seconds: number; streams?: number; bidirectional?: boolean; omitSeconds?: number },
): Promise<{ gbit: number; bytes: number; retransmits: number }> {
  const { seconds, streams = 1, bidirectional = false, omitSeconds = 0 } = options
  const { stdout } = await lab.exec('a', [
    ...(['iperf3', '-c', target, '-C', congestionControl, '-J', '-t', `${seconds}`] as const),
    ...['-P', `${streams}`, '-O', `${omitSeconds}`, ...(bidirectional ? ['--bidir'] : [])],
  ])
  const { end } = JSON.parse(stdout)
  const received = [end.sum_received, end.sum_received_bidir_reverse].filter(sum => sum !== undefined)
  const total = (field: string) => received.reduce((sum, one) => sum + one[field], 0)
  return { gbit: total('bits_per_second') / 1e9, bytes: total('bytes'), retransmits: end.sum_sent.retransmits }
}
