// The nodes of a network as `podwire node` shows them: what the store says, why one does not count, and on a host that has
// joined, what its own device knows of each.

import { formatAddress, parsePrefix } from '../base/cidr.ts'
import type { PublicKey } from '../base/key.ts'
import type { PeerState } from '../model/device.ts'
import { overlayAddress } from '../plan/plan.ts'
import type { Store } from '../store/store.ts'
import { openDevice } from '../wireguard/devices.ts'
import { readView } from './preview.ts'
import { recordProblems } from './record-problems.ts'
import type { Settings } from './settings.ts'

export interface ListedNode {
  readonly name: string
  readonly publicKey: string
  /** First of each prefix: where the node itself is. */
  readonly addresses: readonly string[]
  readonly prefixes: readonly string[]
  readonly endpoints: readonly string[]
  /** Whether it is this host; absent where this host is no node. */
  readonly self?: boolean
  /** What this host's device knows: where it reaches the node, and when they last shook hands, as ISO 8601. */
  readonly endpointInUse?: string
  readonly lastHandshake?: string
  /** Why the record does not count. */
  readonly problem?: string
}

export interface NodeList {
  readonly network: string
  readonly store: string
  readonly nodes: readonly ListedNode[]
  /** What could not be read in the store. */
  readonly unreadable: readonly string[]
}

/** Errors: those of the store. `settings` are those of this host, if it is a node of the network. */
export async function nodeList(store: Store, settings?: Pick<Settings, 'name' | 'device'>): Promise<NodeList> {
  const { view, unreadable } = await readView(store)
  const peers = settings === undefined ? new Map() : await peersOf(settings.device)
  const problems = new Map(recordProblems(view).map(({ node, reason }) => [node, reason]))
  const nodes = [...view.nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  return {
    network: view.network.name,
    store: store.address,
    unreadable,
    nodes: nodes.map(({ name, publicKey, endpoints, prefixes }) => {
      const { endpoint, lastHandshakeMs }: Partial<PeerState> = peers.get(publicKey) ?? {}
      const problem = problems.get(name)
      return {
        name,
        publicKey,
        addresses: prefixes.map(text => formatAddress(overlayAddress(parsePrefix(text, name)))),
        prefixes,
        endpoints,
        ...(settings && { self: name === settings.name }),
        ...(endpoint !== undefined && { endpointInUse: endpoint }),
        ...(lastHandshakeMs !== undefined && { lastHandshake: new Date(lastHandshakeMs).toISOString() }),
        ...(problem !== undefined && { problem }),
      }
    }),
  }
}

/** None if the device cannot be asked: the store's word stands without it. */
async function peersOf(device: string): Promise<ReadonlyMap<PublicKey, PeerState>> {
  try {
    const { peers } = await (await openDevice(device)).get()
    return new Map(peers.map(peer => [peer.publicKey, peer]))
  } catch {
    return new Map()
  }
}
