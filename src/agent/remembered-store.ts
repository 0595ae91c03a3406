// A store with a memory on this node's disk. While it answers it is the store itself, and what it says is kept. An agent that starts
// while it does not answer gets the network as it was last seen, as a store that was in sync and is now lost; what the store has
// forgotten meanwhile goes when it is back, as after any other outage.
//
//   store:  (does not answer)                                    network, claims, nodes …               inSync
//   agent:  network, claims, nodes: of the disk, inSync, lost    back, network, claims, nodes …  gones, inSync

import { PodwireError, reasonOf } from '../base/errors.ts'
import type { PublicKey } from '../base/key.ts'
import type { Log } from '../base/log.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import type { Claim, NetworkView, NodeRecord, Removal } from '../model/node-record.ts'
import type { Store, StoreEvent } from '../store/store.ts'
import type { SyncState } from './agent-report.ts'
import { readSnapshot, writeSnapshot } from './view-snapshot.ts'

interface Remembering {
  /** Where the last view is. */
  readonly file: string
  readonly log: Log
  /** How long after a change the view is written: one write for many changes. */
  readonly writeAfterMs?: number
  /** A store that comes back with less has forgotten nodes, and each needs time to find it and say so. */
  readonly settleMs?: number
}

/** As many as people read. */
const maxReasons = 50

const now = (): string => new Date().toISOString()

export class RememberedStore implements Store {
  readonly address: string
  readonly #inner: Store
  readonly #remembering: Required<Remembering>
  #network: NetworkConfig | undefined
  readonly #nodes = new Map<string, NodeRecord>()
  readonly #claims = new Map<string, Claim>()
  readonly #removals = new Map<PublicKey, Removal>()
  /** Names and prefixes that are known from the disk alone; absent when the store itself has been in sync. */
  #recalled: { readonly nodes: Set<string>; readonly claims: Set<string>; isBack: boolean } | undefined
  #sync: SyncState = { state: 'starting', since: now() }
  /** The last reasons: one that is no more is not told. */
  #unreadable: readonly string[] = []
  /** The last write, or that which goes on: one at a time. */
  #written = Promise.resolve()
  #waiting: NodeJS.Timeout | undefined
  #isClosed = false
  #settling: NodeJS.Timeout | undefined

  constructor(inner: Store, { writeAfterMs = 30_000, settleMs = 5_000, ...remembering }: Remembering) {
    this.address = inner.address
    this.#inner = inner
    this.#remembering = { ...remembering, writeAfterMs, settleMs }
  }

  /** As it was last seen; undefined before anything was. */
  get view(): NetworkView | undefined {
    const [network, nodes, claims, removals] = [this.#network, this.#nodes, this.#claims, this.#removals]
    return network && { network, nodes, claims, removals }
  }

  get sync(): SyncState {
    return this.#sync
  }

  /** What was last said to be unreadable. */
  get unreadable(): readonly string[] {
    return this.#unreadable
  }

  async readNetwork(): Promise<NetworkConfig> {
    try {
      return await this.#inner.readNetwork()
    } catch (error) {
      const isAway = error instanceof PodwireError && /^ERR_PODWIRE_STORE(?!_ADDRESS)/.test(error.code)
      const view = isAway ? await this.#recall(reasonOf(error)) : undefined
      if (view === undefined) throw error
      return view.network
    }
  }

  /** Takes over what is on the disk, once. */
  async #recall(reason: string): Promise<NetworkView | undefined> {
    const { file, log } = this.#remembering
    const view = await readSnapshot(file, this.address).catch((error: unknown) => {
      log.warn({ file, reason: reasonOf(error) }, 'the last view on the disk is damaged, and is not used')
      return undefined
    })
    if (view === undefined) return undefined
    const { network, nodes, claims, removals } = view
    log.warn(
      { store: this.address, reason, nodes: nodes.size },
      'the store does not answer: the last view on the disk is used',
    )
    this.#network = network
    for (const node of nodes.values()) this.#nodes.set(node.name, node)
    for (const claim of claims.values()) this.#claims.set(claim.prefix, claim)
    for (const removal of removals.values()) this.#removals.set(removal.publicKey, removal)
    this.#recalled = { nodes: new Set(nodes.keys()), claims: new Set(claims.keys()), isBack: false }
    return view
  }

  createNetwork(network: NetworkConfig): Promise<boolean> {
    return this.#inner.createNetwork(network)
  }

  async readNode(name: string): Promise<NodeRecord | undefined> {
    return this.#isAway ? this.#nodes.get(name) : this.#inner.readNode(name)
  }

  async listNodes(): Promise<NodeRecord[]> {
    return this.#isAway ? [...this.#nodes.values()] : this.#inner.listNodes()
  }

  async listClaims(): Promise<Claim[]> {
    return this.#isAway ? [...this.#claims.values()] : this.#inner.listClaims()
  }

  get #isAway(): boolean {
    return this.#recalled?.isBack === false
  }

  writeNode(record: NodeRecord): Promise<void> {
    return this.#inner.writeNode(record)
  }

  removeNode(name: string): Promise<boolean> {
    return this.#inner.removeNode(name)
  }

  claim(claim: Claim): Promise<boolean> {
    return this.#inner.claim(claim)
  }

  release(claim: Claim): Promise<void> {
    return this.#inner.release(claim)
  }

  watch(onEvent: (event: StoreEvent) => void, signal: AbortSignal): void {
    const say = (event: StoreEvent): void => {
      this.#remember(event)
      onEvent(event)
    }
    signal.addEventListener('abort', () => clearTimeout(this.#settling))
    if (this.#isAway) this.#sayRecalled(say)
    this.#inner.watch(event => this.#pass(event, say), signal)
  }

  #sayRecalled(say: (event: StoreEvent) => void): void {
    const { view } = this
    if (view === undefined) return
    say({ kind: 'network', network: view.network })
    for (const removal of view.removals.values()) say({ kind: 'removal', removal })
    for (const claim of view.claims.values()) say({ kind: 'claim', claim })
    for (const record of view.nodes.values()) say({ kind: 'node', record })
    say({ kind: 'inSync' })
    say({ kind: 'lost', reason: 'it has not answered since the agent was started' })
  }

  #pass(event: StoreEvent, say: (event: StoreEvent) => void): void {
    if (this.#isAway && event.kind === 'lost') return // which was said
    if (this.#recalled?.isBack === false) {
      this.#recalled.isBack = true
      if (event.kind !== 'back') say({ kind: 'back' })
    }
    if (this.#recalled !== undefined && event.kind === 'node') this.#recalled.nodes.delete(event.record.name)
    if (this.#recalled !== undefined && event.kind === 'claim') this.#recalled.claims.delete(event.claim.prefix)
    if (event.kind === 'lost') clearTimeout(this.#settling)
    if (event.kind === 'inSync' && this.#recalled !== undefined) {
      this.#forget(say)
      return
    }
    say(event)
    if (this.#sync.state === 'inSync') this.#writeSoon()
  }

  /** The store has said all it has: what only the disk knew is gone, if it stays so. */
  #forget(say: (event: StoreEvent) => void): void {
    const finish = () => {
      const { nodes = [], claims = [] } = this.#recalled ?? {}
      this.#recalled = undefined
      for (const name of nodes) say({ kind: 'nodeGone', name })
      for (const prefix of claims) say({ kind: 'claimGone', prefix })
      say({ kind: 'inSync' })
      this.#writeSoon()
    }
    const nothingMissing = this.#recalled?.nodes.size === 0 && this.#recalled.claims.size === 0
    clearTimeout(this.#settling)
    if (nothingMissing) finish()
    else this.#settling = setTimeout(finish, this.#remembering.settleMs)
  }

  #remember(event: StoreEvent): void {
    switch (event.kind) {
      case 'network':
        this.#network = event.network
        return
      case 'node':
        this.#nodes.set(event.record.name, event.record)
        return
      case 'nodeGone':
        this.#nodes.delete(event.name)
        return
      case 'claim':
        this.#claims.set(event.claim.prefix, event.claim)
        return
      case 'claimGone':
        this.#claims.delete(event.prefix)
        return
      case 'removal':
        this.#removals.set(event.removal.publicKey, event.removal)
        return
      case 'problem':
        this.#unreadable = [...this.#unreadable.filter(reason => reason !== event.reason), event.reason].slice(
          -maxReasons,
        )
        return
      case 'inSync':
        this.#sync = { state: 'inSync', since: now() }
        return
      case 'lost':
        this.#sync = {
          state: 'lost',
          since: this.#sync.state === 'lost' ? this.#sync.since : now(),
          reason: event.reason,
        }
        return
      default:
    }
  }

  #writeSoon(): void {
    this.#waiting ??= setTimeout(() => {
      this.#waiting = undefined
      this.#written = this.#written.then(() => this.#write())
    }, this.#remembering.writeAfterMs).unref()
  }

  async #write(): Promise<void> {
    const { file, log } = this.#remembering
    const { view } = this
    if (view === undefined || this.#recalled !== undefined) return
    try {
      await writeSnapshot(file, this.address, view)
    } catch (error) {
      log.warn({ file, reason: reasonOf(error) }, 'the last view cannot be kept on the disk; it is tried again')
      if (!this.#isClosed) this.#writeSoon()
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#settling)
    if (this.#waiting !== undefined) this.#written = this.#written.then(() => this.#write())
    clearTimeout(this.#waiting)
    await this.#written
    await this.#inner.close()
  }
}
