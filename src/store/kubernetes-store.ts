// A store in a cluster: custom resources of the API group podwire.dev. A node of the cluster does not choose its prefixes: they
// are those of Node.spec.podCIDRs, claimed for it by the publisher, and record and claims go when the Node does. A host
// outside the cluster claims from the range, as in every other store.

import { setTimeout as delay } from 'node:timers/promises'
import { containsCidr, parsePrefix } from '../base/cidr.ts'
import { podwireError, reasonOf } from '../base/errors.ts'
import { ApiError, KubernetesClient } from '../kubernetes/client.ts'
import { type Cluster, clusterOfPod } from '../kubernetes/cluster.ts'
import { type KubeObject, type OwnerReference, Resource } from '../kubernetes/resource.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import type { Claim, NodeRecord } from '../model/node-record.ts'
import type { StoreAccess } from './access.ts'
import {
  apiVersion,
  claimName,
  claimObject,
  networkName,
  networkObject,
  nodeObject,
  podCidrsOf,
  readClaimObject,
  readNetworkObject,
  readNodeObject,
  removalObject,
} from './kubernetes-objects.ts'
import { watchKubernetes } from './kubernetes-watch.ts'
import { keyStem } from './stem.ts'
import type { Store, StoreEvent } from './store.ts'

/** Opens `kubernetes:`, or `kubernetes:CONTEXT` of a kubeconfig. Errors: ERR_PODWIRE_STORE_ADDRESS, _KUBECONFIG. */
export async function openKubernetesStore(address: string, { kubeconfigFile }: StoreAccess): Promise<Store> {
  const context = address.replace(/^kubernetes:/, '')
  if (kubeconfigFile !== undefined) {
    const { readKubeconfig } = await import('../kubernetes/kubeconfig.ts')
    return new KubernetesStore(address, await readKubeconfig(kubeconfigFile, context || undefined))
  }
  const reason = 'a context is chosen in a kubeconfig, and none is named'
  if (context !== '') throw podwireError('ERR_PODWIRE_STORE_ADDRESS', { address, reason })
  return new KubernetesStore(address, await clusterOfPod())
}

/** How long a Node that has just been made waits for the publisher. */
const publishMs = 30_000
const pollMs = 250

class KubernetesStore implements Store {
  readonly address: string
  readonly #client: KubernetesClient
  readonly #networks: Resource
  readonly #nodes: Resource
  readonly #claims: Resource
  readonly #removals: Resource
  /** Kubernetes' own. */
  readonly #clusterNodes: Resource

  constructor(address: string, cluster: Cluster) {
    this.address = address
    this.#client = new KubernetesClient(cluster)
    const resource = (plural: string) => new Resource(this.#client, `/apis/${apiVersion}`, plural)
    this.#networks = resource('podwirenetworks')
    this.#nodes = resource('podwirenodes')
    this.#claims = resource('podwireclaims')
    this.#removals = resource('podwireremovals')
    this.#clusterNodes = new Resource(this.#client, '/api/v1', 'nodes')
  }

  readNetwork(): Promise<NetworkConfig> {
    return this.#try('reading the network', async () => {
      const object = await this.#networks.get(networkName)
      if (object !== undefined) return readNetworkObject(object)
      throw new Error('it holds no network, or the custom resources are missing: see deploy/kubernetes')
    })
  }

  createNetwork(network: NetworkConfig): Promise<boolean> {
    return this.#try('creating the network', () => this.#networks.create(networkObject(network)))
  }

  readNode(name: string): Promise<NodeRecord | undefined> {
    return this.#try('reading a record', async () => {
      const object = await this.#nodes.get(name)
      return object && unlessBad(object, readNodeObject)
    })
  }

  listNodes(): Promise<NodeRecord[]> {
    return this.#try('listing the nodes', async () => {
      const nodes = (await this.#nodes.list()).flatMap(object => unlessBad(object, readNodeObject) ?? [])
      return nodes.sort((a, b) => (a.name < b.name ? -1 : 1))
    })
  }

  listClaims(): Promise<Claim[]> {
    return this.#try('listing the claims', async () =>
      (await this.#claims.list()).flatMap(object => unlessBad(object, readClaimObject) ?? []),
    )
  }

  writeNode(record: NodeRecord): Promise<void> {
    const { name, publicKey: ours } = record
    return this.#try('writing a record', async () => {
      if ((await this.#removals.get(keyStem(ours))) !== undefined) {
        throw podwireError('ERR_PODWIRE_NODE_REMOVED', { name, key: ours })
      }
      // Until nobody came in between.
      while (!(await this.#writeNodeOnce(record))) {}
    })
  }

  async #writeNodeOnce(record: NodeRecord): Promise<boolean> {
    const { name, publicKey: ours } = record
    const found = await this.#nodes.get(name)
    if (found === undefined) {
      return this.#nodes.create(nodeObject(record, { ownerReferences: ownersOf(await this.#clusterNode(name)) }))
    }
    const { publicKey: theirs } = found.spec as NodeRecord
    if (theirs !== ours) {
      const values = { name, theirs, ours, record: `podwirenodes/${name}` }
      throw podwireError('ERR_PODWIRE_NODE_NAME_TAKEN', values)
    }
    const { resourceVersion, ownerReferences } = found.metadata
    return this.#nodes.replace(nodeObject(record, { resourceVersion, ownerReferences }))
  }

  removeNode(name: string): Promise<boolean> {
    return this.#try('removing a node', async () => {
      const object = await this.#nodes.get(name)
      if (object !== undefined) {
        const { publicKey } = object.spec as NodeRecord
        await this.#removals.create(removalObject({ node: name, publicKey, sinceMs: Date.now() }))
        await this.#nodes.delete(object)
      }
      for (const claim of await this.#claims.list()) {
        const isOwned = (claim.metadata.ownerReferences ?? []).length > 0 // by its Node, and goes with it
        if (!isOwned && unlessBad(claim, readClaimObject)?.node === name) await this.#claims.delete(claim)
      }
      return object !== undefined
    })
  }

  assignedPrefixes(name: string): Promise<string[] | undefined> {
    return this.#try('reading the prefixes of the Node', async () => {
      for (const deadlineMs = performance.now() + publishMs; ; await delay(pollMs)) {
        const node = await this.#clusterNode(name)
        if (node === undefined) return undefined
        const prefixes = await this.#inRange(node)
        const holders = await Promise.all(prefixes.map(prefix => this.#holder(prefix)))
        const missing = prefixes.findIndex((_, i) => holders[i] !== name)
        if (missing === -1) return prefixes
        const who = holders[missing] === undefined ? 'nobody (is `podwire publisher` running?)' : holders[missing]
        if (performance.now() > deadlineMs) throw new Error(`${prefixes[missing]} of Node ${name} is claimed by ${who}`)
      }
    })
  }

  async #inRange(node: KubeObject): Promise<string[]> {
    const { name } = node.metadata
    const podCidrs = podCidrsOf(node)
    if (podCidrs.length === 0) {
      throw new Error(`Node ${name} has no podCIDRs: kube-controller-manager gives them, with --allocate-node-cidrs`)
    }
    const { range } = await this.readNetwork()
    const inRange = range.flatMap(outer => podCidrs.filter(prefix => contains(outer, prefix)))
    if (inRange.length === podCidrs.length) return inRange
    throw new Error(`Node ${name} has ${podCidrs.join(', ')}, outside the network's range ${range.join(', ')}`)
  }

  claim(claim: Claim): Promise<boolean> {
    return this.#try('claiming a prefix', async () => {
      if (await this.#claims.create(claimObject(claim))) return true
      return (await this.#holder(claim.prefix)) === claim.node
    })
  }

  async #holder(prefix: string): Promise<string | undefined> {
    const object = await this.#claims.get(claimName(prefix))
    return object && unlessBad(object, readClaimObject)?.node
  }

  release({ prefix, node }: Claim): Promise<void> {
    return this.#try('releasing a prefix', async () => {
      const object = await this.#claims.get(claimName(prefix))
      if (object && unlessBad(object, readClaimObject)?.node === node) await this.#claims.delete(object)
    })
  }

  watch(onEvent: (event: StoreEvent) => void, signal: AbortSignal): void {
    const resources = { network: this.#networks, removal: this.#removals, claim: this.#claims, node: this.#nodes }
    watchKubernetes(resources, onEvent, signal)
  }

  async close(): Promise<void> {
    this.#client.close()
  }

  /** Undefined for a host outside the cluster, which may not even ask. */
  async #clusterNode(name: string): Promise<KubeObject | undefined> {
    try {
      return await this.#clusterNodes.get(name)
    } catch (error) {
      if (error instanceof ApiError && error.status === 403) return undefined
      throw error
    }
  }

  async #try<T>(what: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      if (error instanceof Error && 'hint' in error) throw error
      throw podwireError('ERR_PODWIRE_STORE', { store: this.address, what, reason: reasonOf(error) }, error)
    }
  }
}

function contains(outer: string, inner: string): boolean {
  return containsCidr(parsePrefix(outer, 'range'), parsePrefix(inner, 'podCIDRs'))
}

function ownersOf(node: KubeObject | undefined): OwnerReference[] {
  const { name = '', uid = '' } = node?.metadata ?? {}
  return node === undefined ? [] : [{ apiVersion: 'v1', kind: 'Node', name, uid }]
}

function unlessBad<T>(object: KubeObject, read: (object: KubeObject) => T): T | undefined {
  try {
    return read(object)
  } catch {
    return undefined
  }
}
