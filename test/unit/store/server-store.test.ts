// The store of `podwire server`, over TLS, as nodes with identities of their own.

import type { NetworkConfig } from '../../../src/model/network-config.ts'
import type { Claim, NodeRecord } from '../../../src/model/node-record.ts'
import type { StoreAccess } from '../../../src/store/access.ts'
import { openStore, type Store, type StoreEvent } from '../../../src/store/store.ts'
import { TestServer, type Way } from '../server/harness.ts'
import { testStore } from './conformance.ts'

/** Who joined, for all stores of one test. */
class Members {
  readonly server: TestServer
  /** Before, there is nothing to join. */
  hasNetwork = false
  /** Keys of nodes that were taken out, by name. */
  readonly removed = new Map<string, string>()
  readonly #access = new Map<string, Promise<StoreAccess>>()

  constructor(server: TestServer) {
    this.server = server
  }

  of(name: string): Promise<StoreAccess> {
    const known = this.#access.get(name)
    if (known !== undefined) return known
    const joined = this.server.join(name)
    this.#access.set(name, joined)
    return joined
  }

  forget(name: string): void {
    this.#access.delete(name)
  }
}

/** What the suite asks of one store, done by the node whose right it is; a new network, and removals, by root. */
class AsNodes implements Store {
  readonly #members: Members
  readonly #way: Way

  constructor(members: Members, way: Way) {
    this.#members = members
    this.#way = way
  }

  get address(): string {
    return `server:https://127.0.0.1:${this.#way.port}`
  }

  async #as(name: string): Promise<Store> {
    return openStore(this.address, await this.#members.of(name))
  }

  #reader(): Promise<Store> {
    return this.#members.hasNetwork ? this.#as('reader') : this.#members.server.admin()
  }

  async readNetwork(): Promise<NetworkConfig> {
    return (await this.#reader()).readNetwork()
  }

  async createNetwork(network: NetworkConfig): Promise<boolean> {
    const isMade = await (await this.#members.server.admin()).createNetwork(network)
    this.#members.hasNetwork = true
    return isMade
  }

  async readNode(name: string): Promise<NodeRecord | undefined> {
    return (await this.#reader()).readNode(name)
  }

  async listNodes(): Promise<NodeRecord[]> {
    return (await this.#reader()).listNodes()
  }

  async listClaims(): Promise<Claim[]> {
    return (await this.#reader()).listClaims()
  }

  async writeNode(record: NodeRecord): Promise<void> {
    const { name, publicKey } = record
    // A node that was taken out comes back with a new key, and joins anew.
    const { removed } = this.#members
    if (removed.has(name) && removed.get(name) !== publicKey) {
      removed.delete(name)
      this.#members.forget(name)
    }
    return (await this.#as(name)).writeNode(record)
  }

  async removeNode(name: string): Promise<boolean> {
    const admin = await this.#members.server.admin()
    const record = await admin.readNode(name)
    if (record !== undefined) this.#members.removed.set(name, record.publicKey)
    return admin.removeNode(name)
  }

  async claim(claim: Claim): Promise<boolean> {
    const { server } = this.#members
    return (await (await this.#as(claim.node)).claim(claim)) || (await server.admin()).claim(claim)
  }

  async release(claim: Claim): Promise<void> {
    return (await this.#as(claim.node)).release(claim)
  }

  watch(onEvent: (event: StoreEvent) => void, signal: AbortSignal): void {
    void this.#reader().then(store => store.watch(onEvent, signal))
  }

  async close(): Promise<void> {}
}

testStore('server', {
  async open() {
    const server = await TestServer.start()
    const members = new Members(server)
    const [first, second] = [await server.way(), await server.way()]
    return {
      store: new AsNodes(members, first),
      reopen: async () => new AsNodes(members, second),
      async outage() {
        first.cut()
        return { end: async () => first.mend() }
      },
      forgetHistory: () => server.restart(),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  },
})
