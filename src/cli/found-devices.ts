// The WireGuard devices of this host that can be asked, whichever backend has them, as `examineHost` takes them.

import type { FoundDevice } from '../model/host-facts.ts'
import type { LinkInfo } from '../native/link.ts'
import { type ListedDevice, listDevices, openDevice } from '../wireguard/devices.ts'

/** Those with one of these links: sockets show the devices of every network namespace. Without the right to look, none. */
export async function findDevices(links: readonly LinkInfo[]): Promise<FoundDevice[]> {
  const listed = await listDevices().catch((): ListedDevice[] => [])
  const devices = listed.filter(device => links.some(({ name }) => name === device.name))
  const answers = await Promise.allSettled(devices.map(({ name }) => askDevice(name)))
  return answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []))
}

async function askDevice(name: string): Promise<FoundDevice> {
  const { listenPort, peers } = await (await openDevice(name)).get()
  return {
    name,
    listenPort,
    peers: peers.flatMap(({ publicKey, endpoint, txBytes, lastHandshakeMs }) =>
      endpoint === undefined
        ? []
        : [{ publicKey, endpoint, wasSent: txBytes > 0n, ...(lastHandshakeMs !== undefined && { lastHandshakeMs }) }],
    ),
  }
}
