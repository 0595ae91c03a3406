// A store in a folder, for one machine: the lab, the demo, tests.
//
//   DIR/network.json              written by whoever sets the network up
//   DIR/nodes/NAME.json           one record a node, replaced by rename
//   DIR/claims/10.99.1.0_24.json  one claim a prefix, made by link: of many who want it, one gets it
//   DIR/removals/HEXADECIMAL.json one removal a public key, kept for good
//
// A claim is written before the record that rests on it, and a scan reads records before claims, so that no record is
// ever seen without its claim.

import { mkdir, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { podwireError, reasonOf } from '../base/errors.ts'
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
import { createFile, replaceFile, sweepFolder, syncFolder } from './atomic-file.ts'
import { DocumentFolder } from './document-folder.ts'
import { scanOnChange } from './folder-watch.ts'
import { claimStem, keyStem } from './stem.ts'
import type { Store, StoreEvent } from './store.ts'
import { StoreReport } from './store-report.ts'

export class FileStore implements Store {
  readonly address: string
  readonly #folder: string
  readonly #networkFile: string
  readonly #nodesFolder: string
  readonly #claimsFolder: string
  readonly #removalsFolder: string

  constructor(folder: string) {
    this.address = `file:${folder}`
    this.#folder = folder
    this.#networkFile = join(folder, 'network.json')
    this.#nodesFolder = join(folder, 'nodes')
    this.#claimsFolder = join(folder, 'claims')
    this.#removalsFolder = join(folder, 'removals')
  }

  async readNetwork(): Promise<NetworkConfig> {
    const text = await this.#try('reading network.json', () => readFile(this.#networkFile, 'utf8'))
    return parseNetworkConfig(text, this.#networkFile)
  }

  createNetwork(network: NetworkConfig): Promise<boolean> {
    return this.#try('writing network.json', async () => {
      await mkdir(this.#folder, { recursive: true, mode: 0o755 })
      return createFile(this.#networkFile, formatNetworkConfig(network))
    })
  }

  async readNode(name: string): Promise<NodeRecord | undefined> {
    return (await this.#scan(this.#nodes(), 'nodes')).get(name)
  }

  async listNodes(): Promise<NodeRecord[]> {
    const nodes = [...(await this.#scan(this.#nodes(), 'nodes')).values()]
    return nodes.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async listClaims(): Promise<Claim[]> {
    return [...(await this.#scan(this.#claims(), 'claims')).values()]
  }

  async #scan<T>(folder: DocumentFolder<T>, what: string): Promise<Map<string, T>> {
    await this.#try(`reading the ${what}`, async () => {
      await stat(this.#networkFile) // a store that is away is not an empty one
      await folder.scan()
    })
    return folder.values()
  }

  writeNode(record: NodeRecord): Promise<void> {
    const file = this.#nodes().fileOf(record.name)
    return this.#try('writing a record', async () => {
      const { name, publicKey: ours } = record
      await this.#makeFolders()
      if ((await this.#scan(this.#removals(), 'removals')).has(keyStem(ours))) {
        throw podwireError('ERR_PODWIRE_NODE_REMOVED', { name, key: ours })
      }
      if (await createFile(file, formatNodeRecord(record))) return
      const holder = await this.readNode(name)
      if (holder !== undefined && holder.publicKey !== ours) {
        throw podwireError('ERR_PODWIRE_NODE_NAME_TAKEN', { name, theirs: holder.publicKey, ours, record: file })
      }
      await replaceFile(file, formatNodeRecord(record))
    })
  }

  removeNode(name: string): Promise<boolean> {
    return this.#try('removing a node', async () => {
      const record = await this.readNode(name)
      if (record !== undefined) {
        await this.#makeFolders()
        const { publicKey } = record
        const removal = formatRemoval({ node: name, publicKey, sinceMs: Date.now() })
        await createFile(this.#removals().fileOf(keyStem(publicKey)), removal)
        await unlink(this.#nodes().fileOf(name)).catch(ignoreMissing)
        await syncFolder(this.#nodesFolder)
      }
      for (const claim of await this.listClaims()) if (claim.node === name) await this.release(claim)
      return record !== undefined
    })
  }

  claim(claim: Claim): Promise<boolean> {
    return this.#try('claiming a prefix', async () => {
      await this.#makeFolders()
      if (await createFile(this.#claims().fileOf(claimStem(claim.prefix)), formatClaim(claim))) return true
      return (await this.#holder(claim.prefix)) === claim.node
    })
  }

  release({ prefix, node }: Claim): Promise<void> {
    return this.#try('releasing a prefix', async () => {
      // Nobody else can take it between the two: there is no taking what is claimed.
      if ((await this.#holder(prefix)) !== node) return
      await unlink(this.#claims().fileOf(claimStem(prefix))).catch(ignoreMissing)
      await syncFolder(this.#claimsFolder)
    })
  }

  async #holder(prefix: string): Promise<string | undefined> {
    return (await this.listClaims()).find(claim => claim.prefix === prefix)?.node
  }

  watch(onEvent: (event: StoreEvent) => void, signal: AbortSignal): void {
    const report = new StoreReport(onEvent)
    const nodes = this.#nodes()
    const claims = this.#claims()
    const removals = this.#removals()
    let network: NetworkConfig | undefined
    const scan = async (unwatched: string | undefined) => {
      const problems: string[] = []
      if (unwatched !== undefined) problems.push(`changes are seen late, as no watch can be had: ${unwatched}`)
      try {
        network = await this.readNetwork()
      } catch (error) {
        // A file that is gone takes the store with it; one that was edited badly is told, and the last good one holds.
        await stat(this.#networkFile)
        if (network === undefined) throw error
        problems.push(reasonOf(error))
      }
      await nodes.scan()
      await claims.scan()
      await removals.scan()
      problems.push(...nodes.problems(), ...claims.problems(), ...removals.problems())
      const [records, held, removed] = [nodes.values(), claims.values(), removals.values()]
      return report.say({ network, nodes: records, claims: held, removals: removed, problems })
    }
    void scanOnChange([this.#folder, this.#nodesFolder, this.#claimsFolder, this.#removalsFolder], {
      scan,
      onLost: reason => report.lost(reason),
      mend: () => this.#makeFolders(),
      signal,
    })
  }

  async close(): Promise<void> {}

  #nodes(): DocumentFolder<NodeRecord> {
    return new DocumentFolder(this.#nodesFolder, (text, file, stem) => {
      const record = parseNodeRecord(text, file)
      if (record.name === stem) return record
      throw podwireError('ERR_PODWIRE_DOCUMENT', { file, path: 'name', reason: `the file's name says "${stem}"` })
    })
  }

  #claims(): DocumentFolder<Claim> {
    return new DocumentFolder(this.#claimsFolder, (text, file, stem) => {
      const claim = parseClaim(text, file)
      if (claimStem(claim.prefix) === stem) return claim
      throw podwireError('ERR_PODWIRE_DOCUMENT', { file, path: 'prefix', reason: `the file's name says "${stem}"` })
    })
  }

  #removals(): DocumentFolder<Removal> {
    return new DocumentFolder(this.#removalsFolder, (text, file, stem) => {
      const removal = parseRemoval(text, file)
      if (keyStem(removal.publicKey) === stem) return removal
      throw podwireError('ERR_PODWIRE_DOCUMENT', { file, path: 'publicKey', reason: `the file's name says "${stem}"` })
    })
  }

  /** The store's own folder is not made here: one that is missing is a mistake in the address, or was removed. */
  async #makeFolders(): Promise<void> {
    await stat(this.#networkFile)
    for (const folder of [this.#nodesFolder, this.#claimsFolder, this.#removalsFolder]) {
      await mkdir(folder, { mode: 0o755 }).catch(error => {
        if (error.code !== 'EEXIST') throw error
      })
      await sweepFolder(folder)
    }
  }

  async #try<T>(what: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      if (!(error instanceof Error) || !('syscall' in error)) throw error
      throw podwireError('ERR_PODWIRE_STORE', { store: this.address, what, reason: error.message }, error)
    }
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
