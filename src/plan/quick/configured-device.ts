// The device that a configuration describes, in its tunnel.

import { type DeviceSettings, mergePeers } from '../device-difference.ts'
import type { ReadyConfig } from './facts.ts'
import type { Tunnel } from './tunnel.ts'

/** What the file does not say is not in it: a private key may come from a hook. */
export function configuredDevice(config: ReadyConfig, { mark }: Tunnel): DeviceSettings {
  const { privateKey, listenPort } = config
  return {
    ...(privateKey !== undefined && { privateKey }),
    ...(listenPort && { listenPort }), // 0 is any: the one that it has will do
    ...((mark !== 0 || config.fwmark !== undefined) && { fwmark: mark }),
    peers: mergePeers(config.peers),
  }
}
