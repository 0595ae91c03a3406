// The view of the network as the store's events make it. The agent plans only with what `seen` gives: all that the store
// held when it was last in sync. A store that is lost, or halfway through its list, is no reason to remove anybody.

import type { PublicKey } from '../base/key.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import type { Claim, NetworkView, NodeRecord, Removal } from '../model/node-record.ts'
import type { StoreEvent } from '../store/store.ts'

export class View {
  #network: NetworkConfig
  readonly #nodes = new Map<string, NodeRecord>()
  readonly #claims = new Map<string, Claim>()
  readonly #removals = new Map<PublicKey, Removal>()
  #inSync = false
  #seen: NetworkView | undefined

  constructor(network: NetworkConfig) {
    this.#network = network
  }

  get inSync(): boolean {
    return this.#inSync
  }

  /** As of the last time in sync; undefined before the first. */
  get seen(): NetworkView | undefined {
    if (this.#inSync) {
      this.#seen ??= {
        network: this.#network,
        nodes: new Map(this.#nodes),
        claims: new Map(this.#claims),
        removals: new Map(this.#removals),
      }
    }
    return this.#seen
  }

  take(event: StoreEvent): void {
    switch (event.kind) {
      case 'network':
        this.#network = event.network
        break
      case 'node':
        this.#nodes.set(event.record.name, event.record)
        break
      case 'nodeGone':
        this.#nodes.delete(event.name)
        break
      case 'claim':
        this.#claims.set(event.claim.prefix, event.claim)
        break
      case 'claimGone':
        this.#claims.delete(event.prefix)
        break
      case 'removal':
        this.#removals.set(event.removal.publicKey, event.removal)
        break
      case 'inSync':
        this.#inSync = true
        break
      case 'lost':
        // Made now, while all of it is still there.
        this.#seen = this.seen
        this.#inSync = false
        return
      case 'back':
      case 'problem':
        return
    }
    if (this.#inSync) this.#seen = undefined
  }
}
