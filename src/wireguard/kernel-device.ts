// A WireGuard device of the kernel, in any network namespace, with the words of every other device. Each request has a socket of
// its own: a device that was made anew in between is found again, and nothing keeps its namespace alive.

import { randomBytes } from 'node:crypto'
import { constants } from 'node:os'
import { formatPublicKey, keyBytes, publicKeyBytes } from '../base/key.ts'
import { Secret } from '../base/secret.ts'
import type { Device, DeviceChange, DeviceState, PeerChange, PeerState } from '../model/device.ts'
import { kernelErrno } from '../native/addon.ts'
import { type LinkInfo, openLinks } from '../native/link.ts'
import {
  getWireguard,
  setWireguard,
  type WireguardLinkPeer,
  type WireguardLinkPeerChange,
} from '../native/wireguard-link.ts'

interface KernelDeviceOptions {
  /** "/run/netns/NAME"; absent: this process's own. */
  readonly namespacePath?: string
}

/**
 * The kernel's device of that name. Nothing is opened until the first request. Errors of its methods: ERR_PODWIRE_NO_DEVICE,
 * ERR_PODWIRE_NO_KERNEL_WIREGUARD, ERR_PODWIRE_NEEDS_ROOT, ERR_PODWIRE_PORT_IN_USE, ERR_PODWIRE_VALUE,
 * ERR_PODWIRE_ENDPOINT, ERR_PODWIRE_SYSTEM.
 */
export function openKernelDevice(name: string, { namespacePath }: KernelDeviceOptions = {}): Device {
  return {
    async get() {
      return stateOf(name, zonesOf(namespacePath))
    },
    async set(change) {
      const zones = zonesOf(namespacePath)
      const removals = (change.peers ?? []).filter(peer => peer.removeAllowedIps?.length && !peer.remove)
      const peers = (change.peers ?? []).map(peer => peerChange({ ...peer, removeAllowedIps: [] }, zones))
      setWireguard(name, { ...deviceChange(change), peers }, namespacePath)
      if (removals.length > 0) removeAllowedIps(name, removals, zones)
    },
  }
}

/** Where the names of zones are looked up: the links of that namespace. */
interface Zones {
  readonly namespacePath: string | undefined
  links(): readonly LinkInfo[]
}

/** For one request: the links are read when the first zone is looked up, and only then. */
function zonesOf(namespacePath: string | undefined): Zones {
  let found: readonly LinkInfo[] | undefined
  return { namespacePath, links: () => (found ??= linksOf(namespacePath)) }
}

function stateOf(name: string, zones: Zones): DeviceState {
  const { privateKey, peers, ...rest } = getWireguard(name, zones.namespacePath)
  return {
    ...rest,
    ...(privateKey && { privateKey: new Secret(privateKey) }),
    peers: peers.map(peer => peerState(peer, zones)),
  }
}

function peerState(peer: WireguardLinkPeer, zones: Zones): PeerState {
  const { publicKey, presharedKey, endpoint, lastHandshakeMs, allowedIps, ...rest } = peer
  return {
    ...rest,
    publicKey: formatPublicKey(publicKey),
    ...(presharedKey && { presharedKey: new Secret(presharedKey) }),
    ...(endpoint !== undefined && { endpoint: withZoneName(endpoint, zones) }),
    ...(lastHandshakeMs > 0 && { lastHandshakeMs }),
    allowedIps: allowedIps.split(' ').filter(Boolean),
  }
}

/** What is absent stays absent: `undefined` would cross the border as a value. */
function deviceChange({ privateKey, listenPort, fwmark, replacePeers }: DeviceChange) {
  return {
    ...(privateKey !== undefined && { privateKey: secretBytes(privateKey) }),
    ...(listenPort !== undefined && { listenPort }),
    ...(fwmark !== undefined && { fwmark }),
    ...(replacePeers !== undefined && { replacePeers }),
  }
}

function peerChange(peer: PeerChange, zones: Zones): WireguardLinkPeerChange {
  const { publicKey, presharedKey, endpoint, allowedIps = [], removeAllowedIps = [], ...rest } = peer
  return {
    ...rest,
    publicKey: publicKeyBytes(publicKey),
    ...(presharedKey !== undefined && { presharedKey: secretBytes(presharedKey) }),
    ...(endpoint !== undefined && { endpoint: withZoneNumber(endpoint, zones) }),
    allowedIps: allowedIps.join(' '),
    removeAllowedIps: removeAllowedIps.join(' '),
  }
}

/** Zeroes mean that there is none. */
function secretBytes(secret: Secret | null): Uint8Array {
  return secret?.bytes ?? new Uint8Array(keyBytes)
}

/**
 * Takes AllowedIPs from their peers. Kernels before Linux 6.16 cannot: there they move to a peer that nobody is, which goes with
 * them. A peer keeps its other AllowedIPs all the while, and nothing is taken from a peer that was not named.
 */
function removeAllowedIps(name: string, removals: readonly PeerChange[], zones: Zones): void {
  const only = removals.map(({ publicKey, removeAllowedIps }) => ({ publicKey, removeAllowedIps, updateOnly: true }))
  try {
    setWireguard(name, { peers: only.map(peer => peerChange(peer as PeerChange, zones)) }, zones.namespacePath)
  } catch (error) {
    if (kernelErrno(error) !== constants.errno.EINVAL) throw error // what an attribute not known is answered with
    const named = new Map(removals.map(peer => [peer.publicKey as string, new Set(peer.removeAllowedIps)]))
    const owned = stateOf(name, zones).peers.flatMap(({ publicKey, allowedIps }) =>
      allowedIps.filter(prefix => named.get(publicKey)?.has(prefix)),
    )
    if (owned.length === 0) return
    const nobody = formatPublicKey(randomBytes(keyBytes))
    const peers: PeerChange[] = [
      { publicKey: nobody, allowedIps: owned },
      { publicKey: nobody, remove: true },
    ]
    setWireguard(name, { peers: peers.map(peer => peerChange(peer, zones)) }, zones.namespacePath)
  }
}

/** "[fe80::1%3]:7" as wg shows it, "[fe80::1%eth0]:7"; a link that is gone keeps its number. */
function withZoneName(endpoint: string, zones: Zones): string {
  return endpoint.replace(/%(\d+)\]/, (text, index: string) => {
    const link = zones.links().find(one => one.index === Number(index))
    return link === undefined ? text : `%${link.name}]`
  })
}

/** The kernel takes the number of a zone's link; a name that no link has stays, and is refused. */
function withZoneNumber(endpoint: string, zones: Zones): string {
  return endpoint.replace(/%([^\]]+)\]/, (text, name: string) => {
    const link = zones.links().find(one => one.name === name)
    return link === undefined ? text : `%${link.index}]`
  })
}

function linksOf(namespacePath: string | undefined): readonly LinkInfo[] {
  const links = openLinks(namespacePath)
  try {
    return links.links()
  } finally {
    links.close()
  }
}
