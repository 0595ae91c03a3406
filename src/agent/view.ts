// The view of the network as the store's events make it. What the agent plans with changes only while the store is in sync: one
// that is lost, or halfway through its list, is no reason to remove anybody. What it says meanwhile waits, the last of each thing.

import type { NetworkConfig } from '../model/network-config.ts'
import type { NetworkView } from '../model/node-record.ts'
import { Admission } from '../plan/admit.ts'
import type { StoreEvent } from '../store/store.ts'

export class View {
  readonly admission: Admission
  /** By what it is about. */
  readonly #waiting = new Map<string, StoreEvent>()
  #inSync = false
  #isKnown = false
  #seen: NetworkView | undefined

  constructor(network: NetworkConfig) {
    this.admission = new Admission(network)
  }

  get inSync(): boolean {
    return this.#inSync
  }

  /** Whether there is anything to plan with: it was in sync. */
  get isKnown(): boolean {
    return this.#isKnown
  }

  /** As of the last time in sync; undefined before the first. What it was asked for before does not change. */
  get seen(): NetworkView | undefined {
    if (this.#isKnown) this.#seen ??= this.admission.view()
    return this.#seen
  }

  take(event: StoreEvent): void {
    switch (event.kind) {
      case 'inSync':
        this.#sync()
        return
      case 'lost':
        this.#inSync = false
        return
      case 'back':
      case 'problem':
        return
      default:
        if (this.#inSync) this.#admit(event)
        else this.#waiting.set(subjectOf(event), event)
    }
  }

  #sync(): void {
    for (const event of this.#waiting.values()) this.#admit(event)
    this.#waiting.clear()
    this.#inSync = true
    this.#isKnown = true
    this.#seen = undefined
  }

  #admit(event: StoreEvent): void {
    this.#seen = undefined
    const { admission } = this
    if (event.kind === 'network') admission.setNetwork(event.network)
    if (event.kind === 'removal') admission.addRemoval(event.removal)
    if (event.kind === 'claim') admission.setClaim(event.claim)
    if (event.kind === 'claimGone') admission.deleteClaim(event.prefix)
    if (event.kind === 'node') admission.setNode(event.record)
    if (event.kind === 'nodeGone') admission.deleteNode(event.name)
  }
}

function subjectOf(event: StoreEvent): string {
  switch (event.kind) {
    case 'node':
      return `node ${event.record.name}`
    case 'nodeGone':
      return `node ${event.name}`
    case 'claim':
      return `claim ${event.claim.prefix}`
    case 'claimGone':
      return `claim ${event.prefix}`
    case 'removal':
      return `removal ${event.removal.publicKey}`
    default:
      return event.kind
  }
}
