// The UDP ports of the WireGuard devices of this host that can be asked.

import { listDevices, openDevice } from '../wireguard/devices.ts'

export async function devicePorts(): Promise<number[]> {
  const devices = await listDevices()
  const answers = await Promise.allSettled(devices.map(async ({ name }) => (await openDevice(name)).get()))
  return answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value.listenPort] : []))
}
