// `wg set IF …`: changes a device and its peers. All words are read and all names looked up before the device is told anything.

import { parseSetWords } from '../../config/wg-set.ts'
import type { PeerChange } from '../../model/device.ts'
import { openDevice } from '../../wireguard/devices.ts'
import { readKeyFile, systemServices } from './files.ts'
import { lookUp } from './look-up.ts'
import { reaching } from './reach.ts'
import { sayUsage, sayWarning } from './say.ts'

const usage = `set <interface> [listen-port <port>] [fwmark <mark>] [private-key <file>]
    [peer <public key> [remove] [preshared-key <file>] [endpoint <host>:<port>] [persistent-keepalive <seconds>]
      [allowed-ips [+|-]<prefix>[,[+|-]<prefix>]...] ]...

An empty file clears a key, "off" a mark or keepalive, and allowed-ips "" all AllowedIPs. With "+" or "-" those that are there stay.`

export async function set([name, ...words]: readonly string[], program: string): Promise<number> {
  if (name === undefined || words.length === 0) return sayUsage(`${program} ${usage}`, 1)
  const { device, peers, warnings } = parseSetWords(words, { findService: systemServices(), readKeyFile })
  for (const warning of warnings) sayWarning(warning)
  const changes: PeerChange[] = []
  for (const { endpoint, ...peer } of peers) {
    changes.push(endpoint === undefined ? peer : { ...peer, endpoint: await lookUp(endpoint, 'endpoint') })
  }
  await reaching('modify interface', async () => (await openDevice(name)).set({ ...device, peers: changes }))
  return 0
}
