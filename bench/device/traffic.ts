// podwire-traffic (native/traffic) in the lab. A sender keeps its pace whatever else runs: the scheduler lets it go first.

import { createInterface } from 'node:readline'
import type { Lab } from '../../src/lab/lab.ts'
import { root } from './programs.ts'

export const trafficProgram = `${process.env.CARGO_TARGET_DIR ?? `${root}target`}/release/podwire-traffic`
const port = 7777
/** The receiver calls a flow ended after 0.2 s of silence, and says so at once. */
const reportMs = 1_000

/** For `send` and `flood`. */
export const senderCommand = (...args: string[]): [string, ...string[]] => ['chrt', '-f', '1', trafficProgram, ...args]

export interface Flow {
  readonly sent: number
  readonly seconds: number
  /** Without duplicates. */
  readonly received: number
}

/** Sends datagrams of so many bytes from a to `target` for a time, and says what became of them. */
export type SendFlow = (target: string, options: { rate: number; size: number; seconds: number }) => Promise<Flow>

/** Starts the receiver on b, which lives as long as the lab. */
export function startTraffic(lab: Lab): SendFlow {
  const receiver = lab.spawn('b', [trafficProgram, 'receive', '--port', `${port}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (receiver.stdout === null) throw new Error('the receiver has no output')
  const received = new Map<number, number>()
  let wake = () => {}
  createInterface(receiver.stdout).on('line', line => {
    const { flow, distinct } = JSON.parse(line)
    received.set(flow, (received.get(flow) ?? 0) + distinct)
    wake()
  })
  return async (target, { rate, size, seconds }) => {
    const options = ['--rate', `${Math.round(rate)}`, '--size', `${size}`, '--seconds', `${seconds}`]
    const { stdout } = await lab.exec('a', senderCommand('send', '--to', `${target}:${port}`, ...options))
    const sent = JSON.parse(stdout)
    if (!received.has(sent.flow)) {
      await new Promise<void>(resolve => {
        const late = setTimeout(resolve, reportMs)
        wake = () => {
          if (!received.has(sent.flow)) return
          clearTimeout(late)
          resolve()
        }
      })
    }
    return { sent: sent.sent, seconds: sent.seconds, received: received.get(sent.flow) ?? 0 }
  }
}
