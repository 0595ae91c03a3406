// Traffic between the demo's containers, every packet of it with the canary: pings, pages, numbered streams, iperf3.

import { once } from 'node:events'
import { podwireError } from '../base/errors.ts'
import { startStream } from '../lab/stream.ts'
import type { StreamFigures } from './figures.ts'
import { type Container, type Stage, until, webPort } from './node.ts'

export function pairs(containers: readonly Container[]): { from: Container; to: Container }[] {
  return containers.flatMap(from => containers.filter(to => to !== from).map(to => ({ from, to })))
}

function pingCommand({ canary }: Stage, address: string, ...options: string[]): ['ping', ...string[]] {
  return ['ping', '-n', '-p', Buffer.from(canary).toString('hex'), ...options, address]
}

/** Whether one ping is answered. */
export function ping(stage: Stage, from: Container, address: string): Promise<boolean> {
  return stage.lab.exec(from.name, pingCommand(stage, address, '-c', '1', '-W', '2')).then(
    () => true,
    () => false,
  )
}

/** Waits until each container has an answer of all those of other nodes. Error: ERR_PODWIRE_LAB_TIMEOUT. */
export async function untilReached(
  stage: Stage,
  all: readonly Container[],
  others: readonly Container[],
): Promise<void> {
  const reach = async (from: Container) => {
    for (const to of others.filter(({ node }) => node !== from.node)) {
      for (const address of to.addresses) {
        await until(`an answer of ${to.name} to ${from.name}`, () => ping(stage, from, address))
      }
    }
  }
  await Promise.all(all.map(reach))
}

/** Pings 50 times a second until the first answer. Error: ERR_PODWIRE_COMMAND_FAILED after ten seconds. */
export async function firstAnswer(stage: Stage, host: string, address: string): Promise<void> {
  const command = pingCommand(stage, address, '-i', '0.02', '-w', '10')
  const child = stage.lab.spawn(host, command, { stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  for await (const chunk of child.stdout ?? []) {
    output += String(chunk)
    if (output.includes('bytes from')) break
  }
  child.kill()
  if (output.includes('bytes from')) return
  const values = { command: `[${host}] ${command.join(' ')}`, status: 'no answer', output }
  throw podwireError('ERR_PODWIRE_COMMAND_FAILED', values)
}

/** The page of a container's web server; undefined if there is none. The request carries the canary too. */
export function fetchPage({ lab, canary }: Stage, from: Container, address: string): Promise<string | undefined> {
  const url = `http://${address.includes(':') ? `[${address}]` : address}:${webPort}/`
  const options = ['-sS', '--noproxy', '*', '--max-time', '5', '-H', `X-Canary: ${canary}`]
  return lab.exec(from.name, ['curl', ...options, url]).then(
    ({ stdout }) => stdout,
    () => undefined,
  )
}

export interface Flow {
  readonly from: Container
  readonly to: Container
  readonly family: 4 | 6
}

/** Sends 1,000 packets a second along each flow, from a second before the disturbance until a second after it. */
export async function underLoad(
  { lab, canary }: Stage,
  flows: readonly Flow[],
  disturb: () => Promise<void>,
): Promise<StreamFigures[]> {
  const running = await Promise.all(
    flows.map(async ({ from, to, family }) => {
      const address = to.addresses.find(text => text.includes(':') === (family === 6)) ?? ''
      const options = { from: from.name, to: to.name, address, port: 7000, packetsPerSecond: 1000, filling: canary }
      return { name: `${from.name} to ${to.name}, IPv${family}`, stream: await startStream(lab, options) }
    }),
  )
  await seconds(1)
  await disturb()
  await seconds(1)
  return Promise.all(running.map(async ({ name, stream }) => ({ name, ...(await stream.stop()) })))
}

/** One TCP stream for three seconds, after one to warm up. */
export async function iperf({ lab }: Stage, from: Container, to: Container, congestion: string) {
  const server = lab.spawn(to.name, ['iperf3', '-s', '-1', '--forceflush'], { stdio: ['ignore', 'pipe', 'inherit'] })
  if (server.stdout === null) throw new Error('a pipe was asked for')
  await Promise.race([once(server.stdout, 'data'), once(server, 'exit')])
  const measure = ['iperf3', '-c', to.addresses[0] ?? '', '-t', '3', '-O', '1', '-C', congestion, '-J'] as const
  const { sum_received, sum_sent } = JSON.parse((await lab.exec(from.name, measure)).stdout).end
  return { bitsPerSecond: Number(sum_received.bits_per_second), retransmits: Number(sum_sent.retransmits) }
}

export const seconds = (count: number) => new Promise(resolve => setTimeout(resolve, count * 1000))
