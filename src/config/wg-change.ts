// What a device is told so that it becomes what a text of wg(8) says: all of it (setconf), in addition to what it has (addconf), or
// only where it differs (syncconf), so that peers who stay as they are keep their sessions.

import type { DeviceChange, DeviceState } from '../model/device.ts'
import { addedPeer, mergePeers, wholeDifference } from '../plan/device-difference.ts'
import type { WgConfig } from './wg-config.ts'

/** Everything anew: what the text does not say is cleared. */
export function planSetconf(config: WgConfig): DeviceChange {
  return {
    privateKey: config.privateKey ?? null,
    listenPort: config.listenPort ?? 0,
    fwmark: config.fwmark ?? 0,
    replacePeers: true,
    peers: config.peers.map(addedPeer),
  }
}

/** What the text does not say stays; the AllowedIPs of a peer that it names are those that it says. */
export function planAddconf({ peers, ...device }: WgConfig): DeviceChange {
  return { ...device, peers: peers.map(addedPeer) }
}

/**
 * Only what differs between the text and the device. What the text does not say is cleared, but for the port, which is then
 * anyone's to choose and stays, and for a peer's endpoint, which cannot be taken from it.
 */
export function planSyncconf(config: WgConfig, state: DeviceState): DeviceChange {
  const { privateKey = null, listenPort, fwmark = 0 } = config
  const port = listenPort ? { listenPort } : {}
  return wholeDifference(state, { privateKey, ...port, fwmark, peers: mergePeers(config.peers) })
}
