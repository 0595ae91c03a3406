// `wg show … --json`: the same as the text says, in one shape (schema/wg-show.json) of which a field shows a part. Keys are in it only
// where the text has them in clear.

import { formatSecretKey } from '../../base/key.ts'
import type { Secret } from '../../base/secret.ts'
import type { DeviceState, PeerState } from '../../model/device.ts'
import { publicKeyOf } from '../../wireguard/keys.ts'
import type { NamedState } from './show.ts'

/** What a field shows of the device, and of each peer besides its public key; absent: no peers. */
const shown: Record<string, { device?: readonly string[]; peer?: readonly string[] }> = {
  'public-key': { device: ['publicKey'] },
  'private-key': { device: ['privateKey'] },
  'listen-port': { device: ['listenPort'] },
  fwmark: { device: ['fwmark'] },
  peers: { peer: [] },
  'preshared-keys': { peer: ['presharedKey'] },
  endpoints: { peer: ['endpoint'] },
  'allowed-ips': { peer: ['allowedIps'] },
  'latest-handshakes': { peer: ['latestHandshake'] },
  transfer: { peer: ['rxBytes', 'txBytes'] },
  'persistent-keepalive': { peer: ['persistentKeepaliveSeconds'] },
}

/** One document, ended by a line feed; without a field it is all, keys hidden or not. */
export function formatJson(
  states: readonly NamedState[],
  field: string | undefined,
  { hideKeys }: { hideKeys: boolean },
): string {
  const part = shown[field ?? 'dump']
  const withKeys = field !== undefined || !hideKeys
  const interfaces = states.map(({ name, state }) => {
    const device = pick(deviceJson(state, withKeys), part && (part.device ?? []))
    const peers = state.peers.map(peer => ({
      publicKey: peer.publicKey,
      ...pick(peerJson(peer, withKeys), part && (part.peer ?? [])),
    }))
    return { name, ...device, ...((part === undefined || part.peer !== undefined) && { peers }) }
  })
  return `${JSON.stringify({ interfaces }, undefined, 2)}\n`
}

function deviceJson(state: DeviceState, withKeys: boolean): Record<string, unknown> {
  return {
    publicKey: state.privateKey === undefined ? null : publicKeyOf(state.privateKey),
    hasPrivateKey: state.privateKey !== undefined,
    ...(withKeys && { privateKey: secretJson(state.privateKey) }),
    listenPort: state.listenPort,
    fwmark: state.fwmark,
  }
}

function peerJson(peer: PeerState, withKeys: boolean): Record<string, unknown> {
  return {
    hasPresharedKey: peer.presharedKey !== undefined,
    ...(withKeys && { presharedKey: secretJson(peer.presharedKey) }),
    endpoint: peer.endpoint ?? null,
    allowedIps: peer.allowedIps,
    latestHandshake: peer.lastHandshakeMs === undefined ? null : new Date(peer.lastHandshakeMs).toISOString(),
    rxBytes: Number(peer.rxBytes),
    txBytes: Number(peer.txBytes),
    persistentKeepaliveSeconds: peer.persistentKeepaliveSeconds,
  }
}

const secretJson = (key: Secret | undefined): string | null => (key === undefined ? null : formatSecretKey(key))

/** The members of those names; all of them without names. */
function pick(all: Record<string, unknown>, names: readonly string[] | undefined): Record<string, unknown> {
  return names === undefined ? all : Object.fromEntries(names.map(name => [name, all[name]]))
}
