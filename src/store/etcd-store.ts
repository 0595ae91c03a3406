// A store in an etcd cluster (v3), for hosts at scale without Kubernetes. etcd/layout.ts has its keys.
//
// Every write is one transaction that holds only if what it rests on is still so. One whose outcome nobody knows, as the
// connection broke, is sent again: if it was done before, it is refused, and what is there says so. Nothing has a lease: a
// node that is away for long keeps its place.

import { podwireError } from '../base/errors.ts'
import { formatNetworkConfig, type NetworkConfig, parseNetworkConfig } from '../model/network-config.ts'
import {
  type Claim,
  formatClaim,
  formatNodeRecord,
  formatRemoval,
  type NodeRecord,
  type Removal,
} from '../model/node-record.ts'
import type { StoreAccess } from './access.ts'
import { parseEtcdAddress } from './etcd/address.ts'
import { EtcdClient } from './etcd/client.ts'
import { follow } from './etcd/follow.ts'
import { GrpcError, grpcStatus } from './etcd/grpc-error.ts'
import { Layout, nodeUser, parseStored, type Section, type Stored, textOf } from './etcd/layout.ts'
import { listPages } from './etcd/list-pages.ts'
import type { Compare, KeyValue } from './etcd/messages.ts'
import { claimStem } from './stem.ts'
import type { Store, StoreEvent } from './store.ts'

export class EtcdStore implements Store {
  readonly address: string
  readonly #layout: Layout
  readonly #client: EtcdClient
  readonly #user: string | undefined

  /** `rest` is what follows "etcd:". Error: ERR_PODWIRE_STORE_ADDRESS. */
  constructor(rest: string, access: StoreAccess) {
    const { endpoints, prefix } = parseEtcdAddress(rest)
    this.address = `etcd:${rest}`
    this.#layout = new Layout(prefix)
    this.#client = new EtcdClient(endpoints, access)
    this.#user = access.user
  }

  readNetwork(): Promise<NetworkConfig> {
    return this.#try('reading the network', async () => {
      const kv = await this.#get(this.#layout.network)
      if (kv === undefined) throw this.#noNetwork('reading the network')
      return parseNetworkConfig(textOf(kv), kv.key)
    })
  }

  createNetwork(network: NetworkConfig): Promise<boolean> {
    return this.#try('creating the network', async () => {
      const { network: key } = this.#layout
      const value = formatNetworkConfig(network)
      const { succeeded, found, resent } = await this.#client.txn({
        compare: [isAbsent(key)],
        success: [{ put: key, value }],
        failure: [{ get: key }],
      })
      return succeeded || (resent && found[0]?.value.toString() === value)
    })
  }

  readNode(name: string): Promise<NodeRecord | undefined> {
    return this.#try('reading a record', async () => {
      return readable('nodes', name, await this.#get(this.#layout.nodeKey(name)))
    })
  }

  listNodes(): Promise<NodeRecord[]> {
    return this.#try('reading the nodes', () => this.#list('nodes')) // keys are sorted
  }

  listClaims(): Promise<Claim[]> {
    return this.#try('reading the claims', () => this.#list('claims'))
  }

  async #list<S extends Section>(section: S): Promise<Stored[S][]> {
    const values: Stored[S][] = []
    for await (const { kvs } of listPages(this.#client, this.#layout.rangeOf(section))) {
      for (const kv of kvs) {
        const value = readable(section, this.#layout.placeOf(kv.key)?.stem ?? '', kv)
        if (value !== undefined) values.push(value)
      }
    }
    return values
  }

  writeNode(record: NodeRecord): Promise<void> {
    const what = 'writing a record'
    return this.#try(what, async () => {
      const { name, publicKey: ours } = record
      const [key, removal, network] = [
        this.#layout.nodeKey(name),
        this.#layout.removalKey(record),
        this.#layout.network,
      ]
      const value = formatNodeRecord(record)
      for (;;) {
        const reads = [network, removal, key].map(get => ({ get }))
        const [known, removed, kv] = (await this.#client.txn({ compare: [], success: reads })).found
        if (known === undefined) throw this.#noNetwork(what)
        if (removed !== undefined) throw podwireError('ERR_PODWIRE_NODE_REMOVED', { name, key: ours })
        if (kv?.value.toString() === value) return
        const holder = readable('nodes', name, kv)
        if (holder !== undefined && holder.publicKey !== ours) {
          throw podwireError('ERR_PODWIRE_NODE_NAME_TAKEN', { name, theirs: holder.publicKey, ours, record: key })
        }
        const compare = [isPresent(network), isAbsent(removal), isStill(key, kv)]
        if ((await this.#client.txn({ compare, success: [{ put: key, value }] })).succeeded) return
      }
    })
  }

  removeNode(name: string): Promise<boolean> {
    return this.#try('removing a node', async () => {
      const wasThere = await this.#removeRecord(name)
      for (const claim of await this.#list('claims')) if (claim.node === name) await this.release(claim)
      return wasThere
    })
  }

  async #removeRecord(name: string): Promise<boolean> {
    const key = this.#layout.nodeKey(name)
    for (let wasThere = false; ; ) {
      const kv = await this.#get(key)
      const record = readable('nodes', name, kv)
      if (record === undefined) return wasThere
      const removal: Removal = { node: name, publicKey: record.publicKey, sinceMs: Date.now() }
      const put = { put: this.#layout.removalKey(removal), value: formatRemoval(removal) }
      const { succeeded, resent } = await this.#client
        .txn({ compare: [isStill(key, kv)], success: [put, { remove: key }] })
        .catch(error => {
          if (!this.#isOwnDenied(error, name)) throw error
          return this.#client.txn({ compare: [isStill(key, kv)], success: [{ remove: key }] })
        })
      if (succeeded) return true
      // It was done before, if it is gone now.
      wasThere = resent
    }
  }

  /** A node that leaves by itself may not write removals, and needs none: nobody takes its key from it. */
  #isOwnDenied(error: unknown, name: string): boolean {
    const isDenied = error instanceof GrpcError && error.status === grpcStatus.permissionDenied
    return isDenied && this.#user === nodeUser(this.#layout, name)
  }

  claim(claim: Claim): Promise<boolean> {
    const what = 'claiming a prefix'
    return this.#try(what, async () => {
      const { network } = this.#layout
      const key = this.#layout.claimKey(claim.prefix)
      const { succeeded, found } = await this.#client.txn({
        compare: [isPresent(network), isAbsent(key)],
        success: [{ put: key, value: formatClaim(claim) }],
        failure: [{ get: network }, { get: key }],
      })
      if (succeeded) return true
      const [known, holder] = found
      if (known === undefined) throw this.#noNetwork(what)
      return readable('claims', claimStem(claim.prefix), holder)?.node === claim.node
    })
  }

  release({ prefix, node }: Claim): Promise<void> {
    return this.#try('releasing a prefix', async () => {
      const key = this.#layout.claimKey(prefix)
      const kv = await this.#get(key)
      if (readable('claims', claimStem(prefix), kv)?.node !== node) return
      // If it is another by now, it is not ours.
      await this.#client.txn({ compare: [isStill(key, kv)], success: [{ remove: key }] })
    })
  }

  async #get(key: string): Promise<KeyValue | undefined> {
    return (await this.#client.range({ key })).kvs[0]
  }

  watch(onEvent: (event: StoreEvent) => void, signal: AbortSignal): void {
    void follow({ client: this.#client, layout: this.#layout, onEvent, signal })
  }

  async close(): Promise<void> {
    this.#client.close()
  }

  #noNetwork(what: string): Error {
    const reason = `there is no key ${this.#layout.network}: no network was set up here`
    return podwireError('ERR_PODWIRE_STORE', { store: this.address, what, reason })
  }

  async #try<T>(what: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error
      throw podwireError('ERR_PODWIRE_STORE', { store: this.address, what, reason: error.message }, error)
    }
  }
}

function isAbsent(key: string): Compare {
  return { key, target: 'create', is: 'equal', revision: 0 }
}

function isPresent(key: string): Compare {
  return { key, target: 'create', is: 'not equal', revision: 0 }
}

/** As it was read, or still not there. */
function isStill(key: string, kv: KeyValue | undefined): Compare {
  return { key, target: 'mod', is: 'equal', revision: kv?.modRevision ?? 0 }
}

/** Undefined if it is not there, or cannot be read. */
function readable<S extends Section>(section: S, stem: string, kv: KeyValue | undefined): Stored[S] | undefined {
  try {
    return kv && parseStored(section, stem, kv)
  } catch {
    return undefined
  }
}
