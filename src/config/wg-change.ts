// What a device is told so that it becomes what a text of wg(8) says: all of it (setconf), in addition to what it has (addconf), or
// only where it differs (syncconf), so that peers who stay as they are keep their sessions.

import type { PublicKey } from '../base/key.ts'
import type { Secret } from '../base/secret.ts'
import type { DeviceChange, DeviceState, PeerChange, PeerState } from '../model/device.ts'
import type { WgConfig, WgPeer } from './wg-config.ts'

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

function addedPeer(peer: WgPeer): PeerChange {
  return { ...peer, replaceAllowedIps: true }
}

/**
 * Only what differs between the text and the device. What the text does not say is cleared, but for the port, which is then
 * anyone's to choose and stays, and for a peer's endpoint, which cannot be taken from it.
 */
export function planSyncconf(config: WgConfig, state: DeviceState): DeviceChange {
  const wanted = mergePeers(config.peers)
  const had = new Map(state.peers.map(peer => [peer.publicKey, peer]))
  const removed = state.peers.filter(({ publicKey }) => !wanted.has(publicKey))
  const changed = [...wanted.values()].flatMap(peer => {
    const old = had.get(peer.publicKey)
    return (old === undefined ? addedPeer(peer) : peerDifference(peer, old)) ?? []
  })
  const { privateKey, listenPort, fwmark = 0 } = config
  return {
    ...(!isSameKey(privateKey, state.privateKey) && { privateKey: privateKey ?? null }),
    ...(listenPort !== undefined && listenPort !== 0 && listenPort !== state.listenPort && { listenPort }),
    ...(fwmark !== state.fwmark && { fwmark }),
    peers: [...removed.map(({ publicKey }) => ({ publicKey, remove: true })), ...changed],
  }
}

/** One entry a peer, each prefix with the last peer that has it: as a device has it in the end, in whatever order it is told. */
function mergePeers(peers: readonly WgPeer[]): Map<PublicKey, WgPeer> {
  const merged = new Map<PublicKey, WgPeer>()
  for (const peer of peers) {
    const earlier = merged.get(peer.publicKey)
    merged.delete(peer.publicKey) // to stand behind those that were told before it
    merged.set(peer.publicKey, { ...earlier, ...peer })
  }
  const owner = new Map([...merged.values()].flatMap(peer => peer.allowedIps.map(prefix => [prefix, peer.publicKey])))
  for (const [key, peer] of merged) {
    merged.set(key, { ...peer, allowedIps: peer.allowedIps.filter(prefix => owner.get(prefix) === key) })
  }
  return merged
}

/** Undefined if there is none. */
function peerDifference(peer: WgPeer, old: PeerState): PeerChange | undefined {
  const { publicKey, presharedKey, endpoint, allowedIps, persistentKeepaliveSeconds = 0 } = peer
  const change: PeerChange = {
    publicKey,
    ...(!isSameKey(presharedKey, old.presharedKey) && { presharedKey: presharedKey ?? null }),
    ...(endpoint !== undefined && endpoint !== old.endpoint && { endpoint }),
    ...(persistentKeepaliveSeconds !== old.persistentKeepaliveSeconds && { persistentKeepaliveSeconds }),
    ...(!isSameSet(allowedIps, old.allowedIps) && { replaceAllowedIps: true, allowedIps }),
  }
  return Object.keys(change).length === 1 ? undefined : change
}

/** Absent is zeroes on the wire, and so is a text's key of zeroes. */
function isSameKey(a: Secret | undefined, b: Secret | undefined): boolean {
  const none = new Uint8Array(32)
  return Buffer.compare(a?.bytes ?? none, b?.bytes ?? none) === 0
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === a.length
}
