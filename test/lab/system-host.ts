// A host in a namespace of its own, with a state to apply to it; its device is in memory.

import { formatPublicKey, type PublicKey } from '../../src/base/key.ts'
import { Secret } from '../../src/base/secret.ts'
import type { Device, DeviceChange, PeerState } from '../../src/model/device.ts'
import type { HostState } from '../../src/model/host-state.ts'
import { openLinks } from '../../src/native/link.ts'
import { differenceOf } from '../../src/plan/difference.ts'
import { applyChanges } from '../../src/system/apply.ts'
import type { Host } from '../../src/system/host.ts'
import { openNftables } from '../../src/system/nftables.ts'
import { observeHost } from '../../src/system/observe.ts'
import type { Scratch } from './scratch.ts'

export const key = (n: number) => formatPublicKey(new Uint8Array(32).fill(n))

/** A device that keeps what it is told, with the rule that an AllowedIP has one owner. */
function memoryDevice(): Device & { requests: DeviceChange[] } {
  const requests: DeviceChange[] = []
  const peers = new Map<PublicKey, PeerState>()
  let listenPort = 0
  return {
    requests,
    get: async () => ({
      privateKey: new Secret(new Uint8Array(32).fill(1)),
      listenPort,
      fwmark: 0,
      peers: [...peers.values()],
    }),
    async set(change) {
      requests.push(change)
      listenPort = change.listenPort ?? listenPort
      for (const { publicKey, remove, updateOnly, allowedIps = [], removeAllowedIps = [], ...parts } of change.peers ??
        []) {
        const known = peers.get(publicKey)
        if (remove || (updateOnly && known === undefined)) {
          peers.delete(publicKey)
          continue
        }
        for (const [other, state] of peers) {
          peers.set(other, { ...state, allowedIps: state.allowedIps.filter(cidr => !allowedIps.includes(cidr)) })
        }
        const { endpoint = known?.endpoint, persistentKeepaliveSeconds = known?.persistentKeepaliveSeconds ?? 0 } =
          parts
        peers.set(publicKey, {
          publicKey,
          ...(endpoint !== undefined && { endpoint }),
          txBytes: 0n,
          rxBytes: 0n,
          persistentKeepaliveSeconds,
          allowedIps: [...(known?.allowedIps ?? []), ...allowedIps].filter(cidr => !removeAllowedIps.includes(cidr)),
        })
      }
    },
  }
}

export function hostIn({ path }: Scratch): Host & { device: ReturnType<typeof memoryDevice> } {
  return {
    deviceName: 'wg0',
    device: memoryDevice(),
    links: openLinks(path),
    nftables: openNftables('wg0', path),
    clock: { wallMs: Date.now },
    publicKeyOf: () => key(9),
  }
}

export const full: HostState = {
  device: {
    name: 'wg0',
    mtuBytes: 1420,
    listenPort: 51820,
    publicKey: key(9),
    peers: [
      {
        publicKey: key(2),
        endpoint: '198.51.100.2:51820',
        persistentKeepaliveSeconds: 25,
        allowedIps: ['10.99.2.0/24'],
      },
      { publicKey: key(3), persistentKeepaliveSeconds: 0, allowedIps: ['10.99.3.0/24', 'fd99:0:0:3::/64'] },
    ],
  },
  addresses: ['10.99.1.1/32', 'fd99:0:0:1::1/128'],
  routes: [
    { destination: '10.99.0.0/16', type: 'unreachable', metric: 4294967295 },
    { destination: 'fd99::/48', type: 'unreachable', metric: 4294967295 },
    { destination: '192.168.77.0/24', type: 'unreachable', metric: 4294967295 },
    { destination: '10.99.2.0/24', type: 'unicast', device: 'wg0', metric: 1024, mtuBytes: 1380, source: '10.99.1.1' },
    { destination: '10.99.3.0/24', type: 'unicast', device: 'wg0', metric: 1024, source: '10.99.1.1' },
    { destination: 'fd99:0:0:3::/64', type: 'unicast', device: 'wg0', metric: 1024, source: 'fd99:0:0:1::1' },
  ],
  firewall: { device: 'wg0', overlay: ['10.99.0.0/16', 'fd99::/48'], shares: ['192.168.77.0/24', 'fd77::/64'] },
}

export async function bring(host: Host, desired: HostState): Promise<string[]> {
  const changes = differenceOf(desired, await observeHost(host))
  await applyChanges(host, changes)
  return changes.map(({ kind }) => kind)
}

export interface NftRule {
  chain: string
  handle: number
  expr: ({ counter?: { packets: number } } & Record<string, unknown>)[]
}

export async function rulesOf(scratch: Scratch): Promise<NftRule[]> {
  const { nftables } = JSON.parse(await scratch.run('nft -j list table inet podwire-wg0'))
  return nftables.flatMap((entry: { rule?: NftRule }) => (entry.rule ? [entry.rule] : []))
}
