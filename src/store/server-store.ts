// A store behind `podwire server`, on another host or on this one. The server judges; this asks, and reads its answers as it reads
// any document.

import { type Field, listItems } from '../model/document.ts'
import { type NetworkConfig, readNetworkConfig } from '../model/network-config.ts'
import { type Claim, type NodeRecord, readClaim, readNodeRecord } from '../model/node-record.ts'
import type { StoreAccess } from './access.ts'
import { readIdentity, ServerClient } from './server-client.ts'
import { watchServer } from './server-watch.ts'
import type { Store, StoreEvent } from './store.ts'

/** Errors: ERR_PODWIRE_STORE_ADDRESS, and those of the identity's file. */
export async function openServerStore(address: string, { pin, identityFile }: StoreAccess): Promise<Store> {
  if (pin === undefined || identityFile === undefined) return new ServerStore(new ServerClient(address))
  return new ServerStore(new ServerClient(address, { pin, identity: await readIdentity(identityFile) }))
}

class ServerStore implements Store {
  readonly address: string
  readonly #client: ServerClient

  constructor(client: ServerClient) {
    this.address = client.address
    this.#client = client
  }

  async readNetwork(): Promise<NetworkConfig> {
    return readNetworkConfig(await this.#read('reading the network', 'network'))
  }

  async createNetwork(network: NetworkConfig): Promise<boolean> {
    return (await this.#client.ask('writing the network', { method: 'PUT', path: 'network', body: network })) === true
  }

  async readNode(name: string): Promise<NodeRecord | undefined> {
    const answer = await this.#read('reading a record', `nodes/${encodeURIComponent(name)}`)
    return answer.value === null ? undefined : readNodeRecord(answer)
  }

  async listNodes(): Promise<NodeRecord[]> {
    return listItems(await this.#read('reading the nodes', 'nodes')).map(readNodeRecord)
  }

  async listClaims(): Promise<Claim[]> {
    return listItems(await this.#read('reading the claims', 'claims')).map(readClaim)
  }

  async writeNode(record: NodeRecord): Promise<void> {
    await this.#client.ask('writing a record', { method: 'PUT', path: `nodes/${record.name}`, body: record })
  }

  async removeNode(name: string): Promise<boolean> {
    const path = `nodes/${encodeURIComponent(name)}`
    return (await this.#client.ask('removing a node', { method: 'DELETE', path })) === true
  }

  async claim(claim: Claim): Promise<boolean> {
    return (await this.#client.ask('claiming a prefix', { method: 'POST', path: 'claims', body: claim })) === true
  }

  async release(claim: Claim): Promise<void> {
    await this.#client.ask('releasing a prefix', { method: 'POST', path: 'release', body: claim })
  }

  watch(onEvent: (event: StoreEvent) => void, signal: AbortSignal): void {
    void watchServer(this.#client, onEvent, signal)
  }

  async close(): Promise<void> {}

  async #read(what: string, path: string): Promise<Field> {
    const value = await this.#client.ask(what, { method: 'GET', path })
    return { file: `${this.address}: ${path}`, path: '', value }
  }
}
