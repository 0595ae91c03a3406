// Ping at rest, and while TCP fills the tunnel.

import type { Lab } from '../../src/lab/lab.ts'
import type { Measure } from './measure.ts'
import { runTcp } from './measure-tcp.ts'
import { addFigure, addPings, quantile } from './samples.ts'

const intervalSeconds = 0.01
/** TCP has found its pace after so many pings. */
const warmUp = 50
/** A ping that is lost counts as one that took a second. */
const lostMicros = 1_000_000

export const measureLatency: Measure = async ({ lab, samples, settings: { quick } }, { name, target }) => {
  const count = quick ? 100 : 300
  const rest = await ping(lab, target, count)
  addFigure(samples, name, 'restMedian', quantile(rest, 0.5))
  addFigure(samples, name, 'restP99', quantile(rest, 0.99))
  addPings(samples, name, 'rest', rest)

  const seconds = Math.ceil((count + warmUp) * intervalSeconds + 0.3)
  const [all] = await Promise.all([
    ping(lab, target, warmUp + count),
    runTcp(lab, target, { seconds, streams: 4 }), // longer than the pings
  ])
  const load = all.slice(warmUp)
  addFigure(samples, name, 'loadP99', quantile(load, 0.99))
  addPings(samples, name, 'load', load)
}

/** In microseconds, in the order of sending. */
async function ping(lab: Lab, target: string, count: number): Promise<number[]> {
  const times = new Array<number>(count).fill(lostMicros)
  const { stdout } = await lab.exec('a', [
    'ping',
    '-n',
    '-i',
    `${intervalSeconds}`,
    '-c',
    `${count}`,
    '-W',
    '1',
    target,
  ])
  for (const [, sequence, milliseconds] of stdout.matchAll(/icmp_seq=(\d+) .*time=([\d.]+) ms/g)) {
    times[Number(sequence) - 1] = Number(milliseconds) * 1000
  }
  return times
}
