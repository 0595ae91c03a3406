// The network, the records of its nodes, their claims and removals: what the server keeps for others. Reading is from memory;
// each change is on disk before it is told. Whoever calls sees to it that one change is made at a time.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { overlapsCidr, parsePrefix } from '../base/cidr.ts'
import { podwireError } from '../base/errors.ts'
import { formatNetworkConfig, type NetworkConfig, parseNetworkConfig } from '../model/network-config.ts'
import {
  type Claim,
  formatClaim,
  formatNodeRecord,
  formatRemoval,
  type NodeRecord,
  parseClaim,
  parseNodeRecord,
  parseRemoval,
  type Removal,
} from '../model/node-record.ts'
import { replaceFile } from '../store/atomic-file.ts'
import { claimStem, keyStem } from '../store/stem.ts'
import type { Change } from '../store/store.ts'
import { ChangeLog } from './change-log.ts'
import { DurableTable } from './durable-table.ts'

/** One for each family is what a node needs; the rest is for those it is about to give up. */
const maxClaims = 64

export class Records {
  readonly log = new ChangeLog()
  readonly #networkFile: string
  #network: NetworkConfig | undefined
  readonly #nodes: DurableTable<NodeRecord>
  readonly #claims: DurableTable<Claim>
  readonly #removals: DurableTable<Removal>

  private constructor(
    networkFile: string,
    network: NetworkConfig | undefined,
    tables: [DurableTable<NodeRecord>, DurableTable<Claim>, DurableTable<Removal>],
  ) {
    this.#networkFile = networkFile
    this.#network = network
    ;[this.#nodes, this.#claims, this.#removals] = tables
  }

  /** Errors: those of a file that cannot be read, and of the file system. */
  static async open(folder: string): Promise<Records> {
    const networkFile = join(folder, 'network.json')
    const text = await readFile(networkFile, 'utf8').catch(error => {
      if (error.code !== 'ENOENT') throw error
    })
    const network = text === undefined ? undefined : parseNetworkConfig(text, networkFile)
    return new Records(networkFile, network, [
      await DurableTable.open(join(folder, 'nodes'), {
        key: ({ name }) => name,
        parse: parseNodeRecord,
        format: formatNodeRecord,
      }),
      await DurableTable.open(join(folder, 'claims'), {
        key: ({ prefix }) => claimStem(prefix),
        parse: parseClaim,
        format: formatClaim,
      }),
      await DurableTable.open(join(folder, 'removals'), {
        key: ({ publicKey }) => keyStem(publicKey),
        parse: parseRemoval,
        format: formatRemoval,
      }),
    ])
  }

  get network(): NetworkConfig | undefined {
    return this.#network
  }

  node(name: string): NodeRecord | undefined {
    return this.#nodes.get(name)
  }

  nodes(): NodeRecord[] {
    return [...this.#nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  claims(): Claim[] {
    return [...this.#claims.values()]
  }

  /** All there is, in the order of a store's watch. */
  list(): Change[] {
    return [
      ...(this.#network ? [{ kind: 'network', network: this.#network } as const] : []),
      ...[...this.#removals.values()].map(removal => ({ kind: 'removal', removal }) as const),
      ...this.claims().map(claim => ({ kind: 'claim', claim }) as const),
      ...this.nodes().map(record => ({ kind: 'node', record }) as const),
    ]
  }

  async createNetwork(network: NetworkConfig): Promise<boolean> {
    if (this.#network !== undefined) return false
    await replaceFile(this.#networkFile, formatNetworkConfig(network), { mode: 0o600 })
    this.#network = network
    this.log.append({ kind: 'network', network })
    return true
  }

  /** Errors: ERR_PODWIRE_NODE_REMOVED, ERR_PODWIRE_NODE_NAME_TAKEN. */
  async writeNode(record: NodeRecord): Promise<void> {
    const { name, publicKey: ours } = record
    if (this.#removals.get(keyStem(ours)) !== undefined) {
      throw podwireError('ERR_PODWIRE_NODE_REMOVED', { name, key: ours })
    }
    const held = this.#nodes.get(name)
    if (held !== undefined && held.publicKey !== ours) {
      const found = { name, theirs: held.publicKey, ours, record: `(podwire node remove ${name})` }
      throw podwireError('ERR_PODWIRE_NODE_NAME_TAKEN', found)
    }
    if (held !== undefined && formatNodeRecord(held) === formatNodeRecord(record)) return
    await this.#nodes.put(record)
    this.log.append({ kind: 'node', record })
  }

  /** As Store.removeNode. */
  async removeNode(name: string): Promise<boolean> {
    const record = this.#nodes.get(name)
    if (record !== undefined) {
      const removal = { node: name, publicKey: record.publicKey, sinceMs: Date.now() }
      await this.#removals.put(removal)
      this.log.append({ kind: 'removal', removal })
      await this.#nodes.delete(name)
      this.log.append({ kind: 'nodeGone', name })
    }
    for (const claim of this.claims()) if (claim.node === name) await this.release(claim)
    return record !== undefined
  }

  /**
   * As Store.claim. A node's own word on since when it claims decides between claims that overlap, so that one is refused
   * which would take a prefix from another; `trusted` may do that too.
   */
  async claim(claim: Claim, trusted: boolean): Promise<boolean> {
    const held = this.#claims.get(claimStem(claim.prefix))
    if (held !== undefined) return held.node === claim.node
    if (!trusted && (this.#displaces(claim) || this.#isGreedy(claim))) return false
    await this.#claims.put(claim)
    this.log.append({ kind: 'claim', claim })
    return true
  }

  #displaces(claim: Claim): boolean {
    const prefix = parsePrefix(claim.prefix, 'claim')
    return this.claims().some(
      other =>
        other.node !== claim.node &&
        other.sinceMs >= claim.sinceMs &&
        overlapsCidr(parsePrefix(other.prefix, 'claim'), prefix),
    )
  }

  #isGreedy({ node }: Claim): boolean {
    return this.claims().filter(other => other.node === node).length >= maxClaims
  }

  async release({ prefix, node }: Claim): Promise<void> {
    const stem = claimStem(prefix)
    if (this.#claims.get(stem)?.node !== node) return
    await this.#claims.delete(stem)
    this.log.append({ kind: 'claimGone', prefix })
  }
}
