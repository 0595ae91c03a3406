// Where it runs: two real hosts, and one for the store, on a LAN.
//
//   a 192.0.2.1 (its agent is measured)     b 192.0.2.2 (the real peer)     store 192.0.2.3          (LAN "wan")

import { setTimeout as delay } from 'node:timers/promises'
import { type Lab, startLab } from '../../src/lab/lab.ts'
import { linkMtu } from '../device/conditions.ts'

export type HostName = 'a' | 'b'
const storeHost = 'store'
export const addresses = { a: '192.0.2.1', b: '192.0.2.2', [storeHost]: '192.0.2.3' } as const
export const device = 'podwire0'

export function startControlLab(): Promise<Lab> {
  const hosts = Object.entries(addresses).map(([host, address]) => [
    host,
    { networks: [{ network: 'wan', addresses: [`${address}/24`] }] },
  ])
  return startLab({
    name: `bench-control-${process.pid}`,
    networks: { wan: { mtu: linkMtu } },
    hosts: Object.fromEntries(hosts),
  })
}

/** Looks often until `done` says true. */
export async function until(what: string, done: () => boolean | Promise<boolean>, seconds = 60): Promise<void> {
  for (const deadlineMs = Date.now() + seconds * 1000; !(await done()); await delay(5)) {
    if (Date.now() > deadlineMs) throw new Error(`waited ${seconds} s until ${what}`)
  }
}
