// What `save` writes: the device and the addresses as they are now, in the file's own frame. Names, comments, hooks, DNS and
// the places that secrets come from stay as the file says them.

import type { Secret } from '../../base/secret.ts'
import type { InterfaceConfig, PeerConfig, SecretSource } from '../../config/interface-config.ts'
import type { DeviceState } from '../../model/device.ts'
import type { LinkFacts, ReadyConfig } from './facts.ts'

/**
 * `ready` has the secrets of `config` as far as they could be read. A secret is written out only where the file has none, or
 * another than the device: what is the same keeps its source, and so does what is not known.
 */
export function savedConfig(
  config: InterfaceConfig,
  ready: Pick<ReadyConfig, 'privateKey' | 'peers'>,
  device: DeviceState,
  link: LinkFacts,
): InterfaceConfig {
  const { privateKey: _, listenPort: __, fwmark: ___, ...frame } = config
  const secret = sourceOf(config.privateKey, ready.privateKey, device.privateKey)
  return {
    ...frame,
    addresses: link.addresses,
    ...(config.mtuBytes !== undefined && { mtuBytes: link.mtuBytes }),
    ...(secret !== undefined && { privateKey: secret }),
    ...(device.listenPort !== 0 && { listenPort: device.listenPort }),
    ...(device.fwmark !== 0 && { fwmark: device.fwmark }),
    peers: device.peers.map(peer => {
      const index = config.peers.findLastIndex(({ publicKey }) => publicKey === peer.publicKey)
      return savedPeer(peer, config.peers[index], ready.peers[index]?.presharedKey)
    }),
  }
}

function savedPeer(
  peer: DeviceState['peers'][number],
  said: PeerConfig | undefined,
  saidSecret: Secret | undefined,
): PeerConfig {
  const { publicKey, presharedKey, endpoint, allowedIps, persistentKeepaliveSeconds } = peer
  const secret = sourceOf(said?.presharedKey, saidSecret, presharedKey)
  return {
    ...(said?.name !== undefined && { name: said.name }),
    publicKey,
    ...(secret !== undefined && { presharedKey: secret }),
    ...(endpoint !== undefined && { endpoint }),
    allowedIps,
    ...(persistentKeepaliveSeconds !== 0 && { persistentKeepaliveSeconds }),
    comments: said?.comments ?? [],
  }
}

function sourceOf(
  source: SecretSource | undefined,
  read: Secret | undefined,
  now: Secret | undefined,
): SecretSource | undefined {
  if (source === undefined) return now
  if (read === undefined) return source
  return now !== undefined && Buffer.compare(read.bytes, now.bytes) === 0 ? source : now
}
