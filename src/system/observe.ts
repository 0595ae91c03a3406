// What a host is: its device, that device's addresses, podwire's routes and its firewall, in the words of the plan.

import { podwireError } from '../base/errors.ts'
import type { PublicKey } from '../base/key.ts'
import type { DeviceState, PeerState } from '../model/device.ts'
import { type HostDevice, type HostPeer, type HostState, type Route, routeProtocol } from '../model/host-state.ts'
import type { LinkInfo, Links, RouteInfo } from '../native/link.ts'
import type { Host } from './host.ts'

/** Keys are not used for longer than this after their handshake (WireGuard paper, section 6.1: Reject-After-Time). */
const rejectAfterMs = 180_000

/**
 * Reads the host's state; the device's, unless it was just asked. Errors: ERR_PODWIRE_SYSTEM (also: no such link), and those of
 * the device and of nft.
 */
export async function observeHost(host: Host, state?: DeviceState): Promise<HostState> {
  const { deviceName: name } = host
  const [device, firewall] = await Promise.all([state ?? host.device.get(), host.nftables.observe()])
  const link = host.links.links().find(link => link.name === name)
  if (link === undefined) {
    throw podwireError('ERR_PODWIRE_SYSTEM', { what: `looking up the link ${name}`, reason: 'No such device' })
  }
  const addresses = host.links.addresses().filter(address => address.link === name && address.scope !== 'link')
  return {
    device: deviceOf(host, device, link),
    addresses: addresses.map(({ cidr }) => cidr),
    routes: observeRoutes(host.links),
    firewall,
  }
}

/** What the device says of some peers now; those that it does not have are absent. Errors: those of the device. */
export async function observePeers({ device, clock }: Host, keys: readonly PublicKey[]): Promise<HostPeer[]> {
  const asked = new Set(keys)
  const { peers } = await device.get(keys)
  return peers.filter(({ publicKey }) => asked.has(publicKey)).map(peer => peerOf(peer, clock.wallMs()))
}

/** podwire's routes, whatever device they are on. Error: ERR_PODWIRE_SYSTEM. */
export function observeRoutes(links: Pick<Links, 'routes'>): Route[] {
  return links.routes().flatMap(routeOf)
}

function deviceOf(host: Host, state: DeviceState, link: LinkInfo): HostDevice {
  const nowMs = host.clock.wallMs()
  return {
    name: link.name,
    mtuBytes: link.mtuBytes,
    up: link.up,
    listenPort: state.listenPort,
    ...(state.privateKey !== undefined && { publicKey: host.publicKeyOf(state.privateKey) }),
    peers: state.peers.map(peer => peerOf(peer, nowMs)),
  }
}

function peerOf(peer: PeerState, nowMs: number): HostPeer {
  return {
    publicKey: peer.publicKey,
    ...(peer.endpoint !== undefined && { endpoint: peer.endpoint }),
    working: peer.lastHandshakeMs !== undefined && nowMs - peer.lastHandshakeMs < rejectAfterMs,
    persistentKeepaliveSeconds: peer.persistentKeepaliveSeconds,
    allowedIps: [...peer.allowedIps].sort(),
  }
}

function routeOf({ protocol, type, destination, metric, link, mtuBytes, source }: RouteInfo): Route[] {
  if (protocol !== routeProtocol || type === 'other') return []
  return [
    {
      destination,
      type,
      metric,
      ...(link !== undefined && { device: link }),
      ...(mtuBytes !== undefined && { mtuBytes }),
      ...(source !== undefined && { source }),
    },
  ]
}
