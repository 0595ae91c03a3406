// A store in memory with simulated nodes, for one agent in the same process: what it costs is the agent's own.

import { formatPublicKey } from '../../src/base/key.ts'
import type { NetworkConfig } from '../../src/model/network-config.ts'
import type { Claim, NodeRecord, Removal } from '../../src/model/node-record.ts'
import type { Store, StoreEvent } from '../../src/store/store.ts'

const network: NetworkConfig = {
  name: 'bench',
  range: ['10.0.0.0/8', 'fd99::/48'],
  nodePrefixLength: { ipv4: 24, ipv6: 64 },
}

export class MemoryStore implements Store {
  readonly address = 'memory:'
  readonly nodes = new Map<string, NodeRecord>()
  readonly claims = new Map<string, Claim>()
  writes = 0
  #onEvent: (event: StoreEvent) => void = () => {}

  /** With so many nodes; each has a prefix of each family and an endpoint. */
  constructor(count: number) {
    for (let i = 1; i <= count; i++) {
      const record = simulatedNode(i)
      this.nodes.set(record.name, record)
      for (const prefix of record.prefixes) this.claims.set(prefix, { prefix, node: record.name, sinceMs: i })
    }
  }

  async readNetwork(): Promise<NetworkConfig> {
    return network
  }

  async createNetwork(): Promise<boolean> {
    return false
  }

  async readNode(name: string): Promise<NodeRecord | undefined> {
    return this.nodes.get(name)
  }

  async listNodes(): Promise<NodeRecord[]> {
    return [...this.nodes.values()]
  }

  async listClaims(): Promise<Claim[]> {
    return [...this.claims.values()]
  }

  async writeNode(record: NodeRecord): Promise<void> {
    this.writes += 1
    this.change(record)
  }

  async removeNode(name: string): Promise<boolean> {
    this.#onEvent({ kind: 'nodeGone', name })
    return this.nodes.delete(name)
  }

  async claim(claim: Claim): Promise<boolean> {
    this.writes += 1
    const holder = this.claims.get(claim.prefix)
    if (holder !== undefined) return holder.node === claim.node
    this.claims.set(claim.prefix, claim)
    this.#onEvent({ kind: 'claim', claim })
    return true
  }

  async release(): Promise<void> {}

  watch(onEvent: (event: StoreEvent) => void): void {
    this.#onEvent = onEvent
    setImmediate(() => {
      for (const claim of this.claims.values()) onEvent({ kind: 'claim', claim })
      for (const record of this.nodes.values()) onEvent({ kind: 'node', record })
      onEvent({ kind: 'inSync' })
    })
  }

  async close(): Promise<void> {}

  /** A record as it is from now on. */
  change(record: NodeRecord): void {
    this.nodes.set(record.name, record)
    this.#onEvent({ kind: 'node', record })
  }

  remove(removal: Removal): void {
    this.#onEvent({ kind: 'removal', removal })
  }
}

export function simulatedNode(i: number, endpointPort = 51820): NodeRecord {
  const key = Buffer.alloc(32, 1)
  key.writeUInt32BE(i, 4)
  return {
    name: `n${i}`,
    publicKey: formatPublicKey(key),
    endpoints: [`192.0.2.${2 + (i % 250)}:${endpointPort}`],
    prefixes: [`10.${1 + (i >> 8)}.${i & 255}.0/24`, `fd99:0:0:${i.toString(16)}::/64`],
  }
}
