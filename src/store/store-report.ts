// Turns what a store holds, listed whole each time, into the events of a watch: the one who remembers what was said.

import { formatNetworkConfig, type NetworkConfig } from '../model/network-config.ts'
import { type Claim, formatClaim, formatNodeRecord, type NodeRecord, type Removal } from '../model/node-record.ts'
import type { Change, StoreEvent } from './store.ts'

/**
 * What vanishes is believed only after this long, with the store still whole: someone who removes the store removes its
 * files one after the other, and that must not look like nodes that leave. A store that was lost and comes back with less
 * has forgotten nodes that are still there, and each needs time to find it and say so: more than its wait between tries.
 */
const settleMs = { whole: 500, lost: 5_000 }

/** All that a store holds at one time. */
export interface Contents {
  readonly network: NetworkConfig
  /** By name. */
  readonly nodes: ReadonlyMap<string, NodeRecord>
  /** By any name that stays the same. */
  readonly claims: ReadonlyMap<string, Claim>
  /** By any name that stays the same. */
  readonly removals: ReadonlyMap<string, Removal>
  readonly problems: readonly string[]
  /** What is missing was said to be gone, so that there is nothing to wait for. */
  readonly isSure?: boolean
}

export class StoreReport {
  readonly #onEvent: (event: StoreEvent) => void
  #network = ''
  readonly #nodes = new Map<string, NodeRecord>()
  readonly #claims = new Map<string, Claim>()
  readonly #removals = new Map<string, Removal>()
  #problems: readonly string[] = []
  #state: 'starting' | 'inSync' | 'back' | `lost ${string}` = 'starting'
  /** What was last found missing, and since when, on performance.now(). */
  #missing = { keys: '', sinceMs: 0 }

  constructor(onEvent: (event: StoreEvent) => void) {
    this.#onEvent = onEvent
  }

  /** Says what differs. Returns after how many ms to list again, if something vanished that is not believed yet. */
  say({ network, nodes, claims, removals, problems, isSure = false }: Contents): number | undefined {
    if (this.#state.startsWith('lost')) {
      this.#state = 'back'
      this.#onEvent({ kind: 'back' })
    }
    const networkText = formatNetworkConfig(network)
    if (networkText !== this.#network) {
      this.#network = networkText
      this.#onEvent({ kind: 'network', network })
    }
    for (const [key, removal] of removals) {
      if (this.#removals.has(key)) continue
      this.#removals.set(key, removal)
      this.#onEvent({ kind: 'removal', removal })
    }
    // Claims first: a record counts only with its claims behind it.
    for (const [key, claim] of claims) {
      const said = this.#claims.get(key)
      if (said && formatClaim(said) === formatClaim(claim)) continue
      this.#claims.set(key, claim)
      this.#onEvent({ kind: 'claim', claim })
    }
    for (const [name, record] of nodes) {
      const said = this.#nodes.get(name)
      if (said && formatNodeRecord(said) === formatNodeRecord(record)) continue
      this.#nodes.set(name, record)
      this.#onEvent({ kind: 'node', record })
    }
    for (const reason of problems) if (!this.#problems.includes(reason)) this.#onEvent({ kind: 'problem', reason })
    this.#problems = problems

    const againMs = this.#sayGone(nodes, claims, isSure)
    if (againMs === undefined && this.#state !== 'inSync') {
      this.#state = 'inSync'
      this.#onEvent({ kind: 'inSync' })
    }
    return againMs
  }

  #sayGone(
    nodes: ReadonlyMap<string, unknown>,
    claims: ReadonlyMap<string, unknown>,
    isSure: boolean,
  ): number | undefined {
    const goneNodes = [...this.#nodes.keys()].filter(name => !nodes.has(name))
    const goneClaims = [...this.#claims].filter(([key]) => !claims.has(key))
    const keys = [...goneNodes, ...goneClaims.map(([key]) => key)].join()
    if (keys !== this.#missing.keys) this.#missing = { keys, sinceMs: performance.now() }
    const settle = this.#state === 'back' ? settleMs.lost : settleMs.whole
    const leftMs = this.#missing.sinceMs + settle - performance.now()
    if (keys !== '' && leftMs > 0 && !isSure) return leftMs
    for (const name of goneNodes) {
      this.#nodes.delete(name)
      this.#onEvent({ kind: 'nodeGone', name })
    }
    for (const [key, { prefix }] of goneClaims) {
      this.#claims.delete(key)
      this.#onEvent({ kind: 'claimGone', prefix })
    }
    return undefined
  }

  /** Says one change of a store that is in sync, at the cost of that one; for those who name claims by prefix and removals by key. */
  change(event: Change): void {
    if (event.kind === 'network') this.#network = formatNetworkConfig(event.network)
    else if (event.kind === 'node') this.#nodes.set(event.record.name, event.record)
    else if (event.kind === 'nodeGone') this.#nodes.delete(event.name)
    else if (event.kind === 'claim') this.#claims.set(event.claim.prefix, event.claim)
    else if (event.kind === 'claimGone') this.#claims.delete(event.prefix)
    else this.#removals.set(event.removal.publicKey, event.removal)
    this.#onEvent(event)
  }

  lost(reason: string): void {
    this.#missing = { keys: '', sinceMs: 0 }
    if (this.#state === `lost ${reason}`) return
    this.#state = `lost ${reason}`
    this.#onEvent({ kind: 'lost', reason })
  }
}
