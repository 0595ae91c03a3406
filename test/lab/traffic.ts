// Traffic through the tunnel of tunnel.ts that shows whether all of it came, unharmed and in order: TCP of random content, and
// numbered UDP of podwire-traffic (native/traffic), which goes in bursts and may be cut by the kernel.

import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Lab } from '../../src/lab/lab.ts'
import { trafficProgram } from './podwire-traffic.ts'
import { type DeviceProgram, type End, ended, endpointOf, startTunnel } from './tunnel.ts'
import { until } from './until.ts'

const tcpEnd = fileURLToPath(new URL('./tcp-end.js', import.meta.url))
const [tcpPort, udpPort] = ['7000', '7777']

/** The inner addresses of an end. */
export const innerOf = ({ number }: End): { v4: string; v6: string } => ({
  v4: `10.7.0.${number}`,
  v6: `fd07::${number}`,
})

/** Datagrams of one flow. */
export interface Flow {
  /** How many in a second, in all, and of which length each. */
  readonly rate: number
  readonly datagrams: number
  readonly size: number
  /** How many the sender hands to the kernel at once, as one message to be cut. */
  readonly segments: number
}

const countNames = ['received', 'distinct', 'reordered', 'bytes'] as const
type Counts = Record<(typeof countNames)[number], number>

export interface Outcome extends Readonly<Counts> {
  readonly sent: number
}

export interface Traffic {
  /** Sends random content to both inner addresses of an end, or to those given; fails unless all of it comes. */
  transfer(from: End, to: End, bytes: number, addresses?: string[]): Promise<void>
  /** Sends a flow to an address of the other end, and says what came of it. One at a time for each receiver. */
  flow(from: End, address: string, flow: Flow): Promise<Outcome>
}

/** Starts the receivers on both ends, which live as long as the lab. */
export async function startTraffic(lab: Lab, ends: readonly End[]): Promise<Traffic> {
  const program = trafficProgram()
  const flows = new Map<number, Counts>()
  for (const { host } of ends) {
    const stdio = ['ignore', 'pipe', 'inherit'] as const
    const tcp = lab.spawn(host, [process.execPath, tcpEnd, 'receive', tcpPort], { stdio: [...stdio] })
    let isReady = false
    tcp.stdout?.on('data', () => {
      isReady = true
    })
    const udp = lab.spawn(host, [program, 'receive', '--port', udpPort], { stdio: [...stdio] })
    assert.ok(udp.stdout)
    createInterface(udp.stdout).on('line', line => {
      const { flow, ...part } = JSON.parse(line) as { flow: number } & Outcome
      // A flow that pauses is told in parts.
      const sum = flows.get(flow) ?? { received: 0, distinct: 0, reordered: 0, bytes: 0 }
      for (const name of countNames) sum[name] += part[name]
      flows.set(flow, sum)
    })
    await until('both receive', async () => isReady && (await lab.exec(host, ['ss', '-uln'])).stdout.includes(udpPort))
  }
  return {
    async transfer(from, to, bytes, addresses = Object.values(innerOf(to))) {
      await lab.exec(from.host, [process.execPath, tcpEnd, 'send', tcpPort, String(bytes), ...addresses])
    },
    async flow(from, address, flow) {
      const target = address.includes(':') ? `[${address}]:${udpPort}` : `${address}:${udpPort}`
      const options = Object.entries(flow).flatMap(([name, value]) => [`--${name}`, String(value)])
      const { stdout } = await lab.exec(from.host, [program, 'send', '--to', target, ...options])
      const { flow: id, sent }: { flow: number; sent: number } = JSON.parse(stdout)
      const counts = () => flows.get(id) ?? { received: 0, distinct: 0, reordered: 0, bytes: 0 }
      // What is lost does not come later: then it is what was told, by a receiver that may have to wait for the processor.
      await until('all of it', () => counts().distinct >= sent, 3).catch(() => {})
      return { sent, ...counts() }
    },
  }
}

/** A tunnel of these two programs, for as long as `run` takes. `family` is that of the outer addresses. */
export async function withTunnel(
  lab: Lab,
  ends: readonly [End, End],
  programs: readonly [DeviceProgram, DeviceProgram],
  run: (devices: readonly [ChildProcess, ChildProcess]) => Promise<void>,
  family: 4 | 6 = 4,
): Promise<void> {
  const [a, b] = ends
  const devices = await startTunnel(lab, ends, [
    { program: programs[0], peerLines: [`Endpoint = ${endpointOf(b, family)}`] },
    { program: programs[1], peerLines: [`Endpoint = ${endpointOf(a, family)}`] },
  ])
  // A machine that is busy with other things must not lose a burst before the device sees it.
  for (const { host } of ends) await lab.exec(host, ['ip', 'link', 'set', 'wg0', 'txqueuelen', '10000'])
  try {
    await run(devices)
  } finally {
    for (const device of devices) {
      device.kill()
      await ended(device)
    }
  }
}

/** A program whose output goes to /run/log of its host. */
export const logged = (program: DeviceProgram): DeviceProgram => ['sh', '-c', 'exec "$@" >/run/log', 'sh', ...program]

export async function logOf(lab: Lab, host: string): Promise<string> {
  return (await lab.exec(host, ['cat', '/run/log'])).stdout
}

/** A rule of the firewall for what a host sends, until `nft delete table inet lab`. */
export async function addOutputRule(lab: Lab, host: string, rule: string): Promise<void> {
  const chain = `chain out {\n type filter hook output priority 0\n ${rule}\n }`
  await lab.exec(host, ['nft', '-f', '-'], { input: `table inet lab {\n ${chain}\n }\n` })
}
