// The device that a configuration describes, and the change from one to another that leaves live sessions alone: what is the
// same is not said. What is added comes apart from what is taken away, so that routes can change in between.

import type { PublicKey } from '../../base/key.ts'
import type { Secret } from '../../base/secret.ts'
import type { DeviceChange, PeerChange } from '../../model/device.ts'
import type { ReadyConfig } from './facts.ts'
import type { Tunnel } from './tunnel.ts'

/** What can be said of a device in a file; a DeviceState is one. */
export interface DeviceSettings {
  readonly privateKey?: Secret
  readonly listenPort?: number
  readonly fwmark?: number
  readonly peers: readonly PeerSettings[]
}

interface PeerSettings {
  readonly publicKey: PublicKey
  readonly presharedKey?: Secret
  readonly endpoint?: string
  readonly persistentKeepaliveSeconds?: number
  readonly allowedIps: readonly string[]
}

/** A peer that is there twice is what its last section says; so is the owner of a prefix. */
export function configuredDevice(config: ReadyConfig, { mark }: Tunnel): DeviceSettings {
  const { privateKey, listenPort } = config
  const byKey = new Map<PublicKey, PeerSettings>()
  for (const peer of config.peers) byKey.set(peer.publicKey, { ...byKey.get(peer.publicKey), ...settingsOf(peer) })
  const owners = new Map<string, PublicKey>()
  for (const { publicKey, allowedIps } of byKey.values()) for (const prefix of allowedIps) owners.set(prefix, publicKey)
  const peers = [...byKey.values()].map(peer => {
    const own = new Set(peer.allowedIps.filter(prefix => owners.get(prefix) === peer.publicKey))
    return { ...peer, allowedIps: [...own] }
  })
  return {
    ...(privateKey !== undefined && { privateKey }),
    ...(listenPort && { listenPort }), // 0 is any: the one that it has will do
    ...((mark !== 0 || config.fwmark !== undefined) && { fwmark: mark }),
    peers,
  }
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

export function addedPeer(peer: PeerSettings): PeerChange {
  return { ...settingsOf(peer), replaceAllowedIps: true }
}

/** The changes that make `to` of `from`: `add` first, `remove` when nothing is routed by what goes. Absent: nothing. */
export function deviceDifference(
  from: DeviceSettings,
  to: DeviceSettings,
): { add: DeviceChange | undefined; remove: DeviceChange | undefined } {
  const before = new Map(from.peers.map(peer => [peer.publicKey, peer]))
  const kept = new Set(to.peers.map(({ publicKey }) => publicKey))
  const wanted = new Set(to.peers.flatMap(({ allowedIps }) => allowedIps))
  const added = to.peers.flatMap(peer => changedPeer(before.get(peer.publicKey), peer) ?? [])
  const shrunk = to.peers.flatMap(({ publicKey }): PeerChange[] => {
    // One that another peer has now left this one when that one got it.
    const gone = before.get(publicKey)?.allowedIps.filter(prefix => !wanted.has(prefix)) ?? []
    return gone.length > 0 ? [{ publicKey, updateOnly: true, removeAllowedIps: gone }] : []
  })
  const removed = from.peers
    .filter(({ publicKey }) => !kept.has(publicKey))
    .map(({ publicKey }): PeerChange => ({ publicKey, remove: true }))
  const own: DeviceChange = {
    ...(to.privateKey !== undefined && !sameSecret(from.privateKey, to.privateKey) && { privateKey: to.privateKey }),
    ...differing('listenPort', from, to),
    ...differing('fwmark', from, to),
  }
  const hasOwn = Object.keys(own).length > 0
  const add = hasOwn || added.length > 0 ? { ...own, ...(added.length > 0 && { peers: added }) } : undefined
  const less = [...removed, ...shrunk]
  return { add, remove: less.length > 0 ? { peers: less } : undefined }
}

/** What is new about a peer; undefined if nothing is. A preshared key or keepalive that is no longer said is cleared. */
function changedPeer(before: PeerSettings | undefined, peer: PeerSettings): PeerChange | undefined {
  if (before === undefined) return addedPeer(peer)
  const { publicKey, presharedKey, endpoint, persistentKeepaliveSeconds: seconds = 0 } = peer
  const has = new Set(before.allowedIps)
  const added = peer.allowedIps.filter(prefix => !has.has(prefix))
  const change = {
    ...(!sameSecret(before.presharedKey, presharedKey) && { presharedKey: presharedKey ?? null }),
    ...(endpoint !== undefined && endpoint !== before.endpoint && { endpoint }),
    ...(seconds !== (before.persistentKeepaliveSeconds ?? 0) && { persistentKeepaliveSeconds: seconds }),
    ...(added.length > 0 && { allowedIps: added }),
  }
  return Object.keys(change).length > 0 ? { publicKey, updateOnly: true, ...change } : undefined
}

function differing<K extends 'listenPort' | 'fwmark'>(key: K, from: DeviceSettings, to: DeviceSettings) {
  return to[key] !== undefined && to[key] !== (from[key] ?? 0) ? { [key]: to[key] } : {}
}

function sameSecret(a: Secret | undefined, b: Secret | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return Buffer.compare(a.bytes, b.bytes) === 0
}
