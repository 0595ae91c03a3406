// The traffic tool of native/traffic, built when a test first asks for it: numbered datagrams, and floods of what a device must refuse.

import { type ChildProcess, execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Lab } from '../../src/lab/lab.ts'
import { dropsOf, statusOf } from './status-of.ts'
import { type End, endpointOf } from './tunnel.ts'
import { until } from './until.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
let isBuilt = false

/** The path of the program. */
export function trafficProgram(): string {
  if (!isBuilt)
    execFileSync('cargo', ['build', '--release', '--locked', '--quiet', '-p', 'podwire-traffic'], { cwd: root })
  isBuilt = true
  return `${process.env.CARGO_TARGET_DIR ?? `${root}target`}/release/podwire-traffic`
}

/** Floods podwire's device of an end, from a host, with so many initiations a second until killed; returns when a second's have come. */
export async function startFlood(lab: Lab, host: string, flooded: End, rate: number): Promise<ChildProcess> {
  const what = ['--kind', 'initiations', '--public-key', flooded.publicKey, '--to', endpointOf(flooded)]
  const pace = ['--rate', String(rate), '--seconds', '600']
  const flood = lab.spawn(host, [trafficProgram(), 'flood', ...what, ...pace], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await until('the flood has begun', async () => {
    const status = await statusOf(lab, flooded.host)
    const came = [status.handshakes.initiationsReceived, ...Object.values(dropsOf(status))]
    return came.reduce((sum, packets) => sum + packets) > rate
  })
  return flood
}
