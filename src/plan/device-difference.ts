// From one device to another without touching live sessions: what is the same is not said. For `wg syncconf` all in one change;
// for `quick reload` what is added apart from what is taken away, so that routes can change in between.

import type { PublicKey } from '../base/key.ts'
import type { Secret } from '../base/secret.ts'
import type { DeviceChange, PeerChange } from '../model/device.ts'

/** What can be said of a device in a file; a DeviceState is one. */
export interface DeviceSettings {
  /** `null`: none. Absent: whatever it is. */
  readonly privateKey?: Secret | null
  readonly listenPort?: number
  readonly fwmark?: number
  readonly peers: readonly PeerSettings[]
}

export interface PeerSettings {
  readonly publicKey: PublicKey
  readonly presharedKey?: Secret
  readonly endpoint?: string
  readonly persistentKeepaliveSeconds?: number
  readonly allowedIps: readonly string[]
}

/** One entry a peer, each prefix with the last peer that has it: as a device has it in the end, in whatever order it is told. */
export function mergePeers(peers: readonly PeerSettings[]): PeerSettings[] {
  const merged = new Map<PublicKey, PeerSettings>()
  for (const peer of peers) {
    const earlier = merged.get(peer.publicKey)
    merged.delete(peer.publicKey) // to stand behind those that were told before it
    merged.set(peer.publicKey, { ...earlier, ...settingsOf(peer) })
  }
  const owners = new Map([...merged.values()].flatMap(peer => peer.allowedIps.map(prefix => [prefix, peer.publicKey])))
  return [...merged.values()].map(peer => {
    const own = new Set(peer.allowedIps.filter(prefix => owners.get(prefix) === peer.publicKey))
    return { ...peer, allowedIps: [...own] }
  })
}

function settingsOf(peer: PeerSettings): PeerSettings {
  const { publicKey, presharedKey, endpoint, persistentKeepaliveSeconds, allowedIps } = peer
  return {
    publicKey,
    ...(presharedKey !== undefined && { presharedKey }),
    ...(endpoint !== undefined && { endpoint }),
    ...(persistentKeepaliveSeconds !== undefined && { persistentKeepaliveSeconds }),
    allowedIps,
  }
}

/** A peer as it is to be, whatever there was of it. */
export function addedPeer(peer: PeerSettings): PeerChange {
  return { ...settingsOf(peer), replaceAllowedIps: true }
}

/** The change that makes `to` of `from` at once. */
export function wholeDifference(from: DeviceSettings, to: DeviceSettings): DeviceChange {
  const before = peersByKey(from)
  const changed = to.peers.flatMap((peer): PeerChange[] => {
    const old = before.get(peer.publicKey)
    if (old === undefined) return [addedPeer(peer)]
    const { publicKey, allowedIps } = peer
    const change = {
      ...settingsDifference(old, peer),
      ...(!isSameSet(allowedIps, old.allowedIps) && { replaceAllowedIps: true, allowedIps }),
    }
    return Object.keys(change).length > 0 ? [{ publicKey, ...change }] : []
  })
  return { ...ownDifference(from, to), peers: [...removedPeers(from, to), ...changed] }
}

/** The changes that make `to` of `from`: `add` first, `remove` when nothing is routed by what goes. Absent: nothing. */
export function deviceDifference(
  from: DeviceSettings,
  to: DeviceSettings,
): { add: DeviceChange | undefined; remove: DeviceChange | undefined } {
  const before = peersByKey(from)
  const wanted = prefixesOf(to)
  const added = to.peers.flatMap((peer): PeerChange[] => {
    const old = before.get(peer.publicKey)
    if (old === undefined) return [addedPeer(peer)]
    const has = new Set(old.allowedIps)
    const allowedIps = peer.allowedIps.filter(prefix => !has.has(prefix))
    const change = { ...settingsDifference(old, peer), ...(allowedIps.length > 0 && { allowedIps }) }
    return Object.keys(change).length > 0 ? [{ publicKey: peer.publicKey, updateOnly: true, ...change }] : []
  })
  const shrunk = to.peers.flatMap(({ publicKey }): PeerChange[] => {
    // One that another peer has now left this one when that one got it.
    const gone = before.get(publicKey)?.allowedIps.filter(prefix => !wanted.has(prefix)) ?? []
    return gone.length > 0 ? [{ publicKey, updateOnly: true, removeAllowedIps: gone }] : []
  })
  const own = ownDifference(from, to)
  const less = [...removedPeers(from, to), ...shrunk]
  const isMore = Object.keys(own).length + added.length > 0
  return {
    add: isMore ? { ...own, ...(added.length > 0 && { peers: added }) } : undefined,
    remove: less.length > 0 ? { peers: less } : undefined,
  }
}

/** The device between `add` and `remove` of the difference: all of `to`, and of `from` what nobody in `to` has. */
export function widenedDevice(from: DeviceSettings, to: DeviceSettings): DeviceSettings {
  const before = peersByKey(from)
  const kept = peersByKey(to)
  const wanted = prefixesOf(to)
  const rest = (peer: PeerSettings | undefined) => peer?.allowedIps.filter(prefix => !wanted.has(prefix)) ?? []
  const wider = to.peers.map(peer => ({
    ...peer,
    allowedIps: [...peer.allowedIps, ...rest(before.get(peer.publicKey))],
  }))
  const old = from.peers.filter(({ publicKey }) => !kept.has(publicKey))
  return { ...from, ...to, peers: [...wider, ...old.map(peer => ({ ...peer, allowedIps: rest(peer) }))] }
}

function ownDifference(from: DeviceSettings, to: DeviceSettings): DeviceChange {
  const { privateKey, listenPort, fwmark } = to
  return {
    ...(privateKey !== undefined && !isSameSecret(from.privateKey, privateKey) && { privateKey }),
    ...(listenPort !== undefined && listenPort !== (from.listenPort ?? 0) && { listenPort }),
    ...(fwmark !== undefined && fwmark !== (from.fwmark ?? 0) && { fwmark }),
  }
}

/** A preshared key or keepalive that is no longer said is cleared; an endpoint cannot be taken from a peer. */
function settingsDifference(before: PeerSettings, peer: PeerSettings): Omit<PeerChange, 'publicKey'> {
  const { presharedKey, endpoint, persistentKeepaliveSeconds: seconds = 0 } = peer
  return {
    ...(!isSameSecret(before.presharedKey, presharedKey) && { presharedKey: presharedKey ?? null }),
    ...(endpoint !== undefined && endpoint !== before.endpoint && { endpoint }),
    ...(seconds !== (before.persistentKeepaliveSeconds ?? 0) && { persistentKeepaliveSeconds: seconds }),
  }
}

function removedPeers(from: DeviceSettings, to: DeviceSettings): PeerChange[] {
  const kept = peersByKey(to)
  return from.peers.filter(peer => !kept.has(peer.publicKey)).map(({ publicKey }) => ({ publicKey, remove: true }))
}

function peersByKey({ peers }: DeviceSettings): Map<PublicKey, PeerSettings> {
  return new Map(peers.map(peer => [peer.publicKey, peer]))
}

function prefixesOf({ peers }: DeviceSettings): Set<string> {
  return new Set(peers.flatMap(({ allowedIps }) => allowedIps))
}

/** None is zeroes on the wire, and so is a file's key of zeroes. */
function isSameSecret(a: Secret | null | undefined, b: Secret | null | undefined): boolean {
  const none = new Uint8Array(32)
  return Buffer.compare(a?.bytes ?? none, b?.bytes ?? none) === 0
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === a.length
}
