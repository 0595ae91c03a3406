// What podwire's device of a host says of itself, and what stands out in it.

import assert from 'node:assert/strict'
import type { Lab } from '../../src/lab/lab.ts'
import type { DeviceStatus } from '../../src/wireguard/device-status.ts'
import { cli } from './tunnel.ts'

/** What a device says of itself. */
export async function statusOf(lab: Lab, host: string): Promise<DeviceStatus> {
  const { stdout } = await lab.exec(host, [process.execPath, cli, 'device', 'status', '--json', 'wg0'])
  const [status] = (JSON.parse(stdout) as { devices: DeviceStatus[] }).devices
  assert.ok(status)
  return status
}

/** The states of a device's offloads that are not on. */
export function notOn(status: DeviceStatus): Record<string, string> {
  const states = Object.entries(status.offloads).map(([name, { state }]) => [name, state] as const)
  return Object.fromEntries(states.filter(([, state]) => state !== 'on'))
}

/** What a device has dropped, but for what the kernel sends to all by itself (neighbours, multicast groups). */
export function dropsOf(status: DeviceStatus): Record<string, number> {
  const { noPeer: _, ...others } = status.drops
  return others
}
