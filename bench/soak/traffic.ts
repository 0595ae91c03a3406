// The traffic of a soak: TCP, UDP and pings, each in pieces one after the other until the end, counted as each piece ends.

import { createInterface } from 'node:readline'
import type { Lab } from '../../src/lab/lab.ts'
import { congestionControl } from '../device/conditions.ts'
import { until } from '../device/lab.ts'
import { senderCommand, trafficProgram } from '../device/traffic.ts'
import type { PingCount, TcpCount, UdpCount } from './result.ts'

export const tcpStreams = 2
export const udpPerSecond = 3_000
export const udpSizes: readonly number[] = [64, 1_392, 200, 700, 12, 1_392, 1_000, 1_391]
const pingSeconds = 0.1
/** Of one run of a tool. A change of source falls into the middle of each. */
const pieceSeconds = { tcp: 60, udp: 30, ping: 30 }
/** Beyond a piece's own time, before a tool that hangs is killed. */
const graceMs = 20_000

export interface Span {
  readonly endMs: number
}

/** Runs pieces of at most so many seconds, to the end. */
async function inPieces({ endMs }: Span, seconds: number, run: (seconds: number) => Promise<void>): Promise<void> {
  for (;;) {
    const left = Math.floor((endMs - Date.now()) / 1000)
    if (left < 1) return
    await run(Math.min(seconds, left))
  }
}

async function untilListens(lab: Lab, protocol: 'tcp' | 'udp', port: number): Promise<void> {
  await until(`something listens on ${protocol} port ${port}`, async () => {
    const { stdout } = await lab.exec('b', ['ss', '-Hnl', `--${protocol}`, `sport = ${port}`])
    if (stdout === '') throw new Error('not yet')
  })
}

/** TCP from a to b, or `reverse`, limited to `mbit` over its streams. The server on `port` lives as long as the lab. */
export async function runTcp(
  lab: Lab,
  span: Span,
  options: { target: string; port: number; mbit: number; reverse: boolean },
  count: TcpCount,
): Promise<void> {
  const { target, port, mbit, reverse } = options
  lab.spawn('b', ['iperf3', '-s', '-p', `${port}`], { stdio: 'ignore' })
  await untilListens(lab, 'tcp', port)
  await inPieces(span, pieceSeconds.tcp, async seconds => {
    const words = [
      '-c',
      target,
      '-p',
      `${port}`,
      '-C',
      congestionControl,
      '-P',
      `${tcpStreams}`,
      '-J',
      '-t',
      `${seconds}`,
    ]
    const rate = ['-b', `${mbit / tcpStreams}M`, '--connect-timeout', '3000', ...(reverse ? ['-R'] : [])]
    const timeout = seconds * 1000 + graceMs
    try {
      const { stdout } = await lab.exec('a', ['iperf3', ...words, ...rate], { timeout })
      const { end, error } = JSON.parse(stdout)
      if (error !== undefined) throw new Error(error)
      count.gbit += (end.sum_received.bytes * 8) / 1e9
      count.retransmits += end.sum_sent.retransmits
      count.connections += 1
    } catch (error) {
      count.broken.push(String(error))
      console.error(`TCP ${count.direction}: ${error}`)
    }
  })
}

/** Numbered datagrams of mixed sizes from a host to b. `port` is the flow's own. */
export async function runUdp(
  lab: Lab,
  span: Span,
  { from, target, port, perSecond = udpPerSecond }: { from: string; target: string; port: number; perSecond?: number },
  count: UdpCount,
): Promise<void> {
  const receiver = lab.spawn('b', [trafficProgram, 'receive', '--port', `${port}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (receiver.stdout === null) throw new Error('the receiver has no output')
  await untilListens(lab, 'udp', port)
  let wake = () => {}
  createInterface(receiver.stdout).on('line', line => {
    const { received, distinct, reordered } = JSON.parse(line)
    count.received += distinct
    count.duplicated += received - distinct
    count.reordered += reordered
    wake()
  })
  const options = ['--to', `${target}:${port}`, '--rate', `${perSecond}`, '--size', udpSizes.join()]
  await inPieces(span, pieceSeconds.udp, async seconds => {
    const timeout = seconds * 1000 + graceMs
    const { stdout } = await lab.exec(from, senderCommand('send', ...options, '--seconds', `${seconds}`), { timeout })
    count.sent += JSON.parse(stdout).sent
  })
  if (count.received >= count.sent) return
  // The receiver says the last flow when it has been quiet for 0.2 s.
  await new Promise<void>(resolve => {
    const late = setTimeout(resolve, 2_000)
    wake = () => {
      clearTimeout(late)
      resolve()
    }
  })
}

export async function runPing(
  lab: Lab,
  span: Span,
  { from, target }: { from: string; target: string },
  count: PingCount,
): Promise<void> {
  await inPieces(span, pieceSeconds.ping, async seconds => {
    const wanted = Math.floor(seconds / pingSeconds)
    // "; true": no answer at all is an exit status of 1, and counted like any loss.
    const command = `ping -n -i ${pingSeconds} -c ${wanted} -W 2 ${target}; true`
    const { stdout } = await lab.exec(from, ['sh', '-c', command], { timeout: seconds * 1000 + graceMs })
    const answered = new Set([...stdout.matchAll(/icmp_seq=(\d+) ttl/g)].map(([, number]) => Number(number)))
    count.sent += wanted
    count.lost += wanted - answered.size
    let inARow = 0
    for (let number = 1; number <= wanted; number++) {
      inARow = answered.has(number) ? 0 : inARow + 1
      count.longestLoss = Math.max(count.longestLoss, inARow)
    }
  })
}
