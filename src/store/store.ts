// Where node records live, as the agent sees it. A store holds the network's configuration, a record for each node, and
// the claims on prefixes; it knows nothing of what they mean. Each form (file, server, etcd, kubernetes) says the same
// things in the same order:
//
//   watch: network, removals, claims, nodes: the full list --> inSync --> changes … (lost --> back, changes, gones --> inSync) …

import { podwireError } from '../base/errors.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import type { Claim, NodeRecord, Removal } from '../model/node-record.ts'
import type { StoreAccess } from './access.ts'

export type StoreEvent =
  | { readonly kind: 'network'; readonly network: NetworkConfig }
  | { readonly kind: 'node'; readonly record: NodeRecord }
  | { readonly kind: 'nodeGone'; readonly name: string }
  | { readonly kind: 'claim'; readonly claim: Claim }
  | { readonly kind: 'claimGone'; readonly prefix: string }
  /** A node was taken out. Its record and claims go as well; until that is heard, its key counts no more. */
  | { readonly kind: 'removal'; readonly removal: Removal }
  /** Something in the store cannot be read, and was left out: what, where, and why. */
  | { readonly kind: 'problem'; readonly reason: string }
  /** All that the store holds has been said. */
  | { readonly kind: 'inSync' }
  /** The store cannot be reached; what was said stays the last that is known, until `inSync` comes again. */
  | { readonly kind: 'lost'; readonly reason: string }
  /**
   * It can be reached again, after `lost`. If it has forgotten us, now is the time to say so: what is missing is believed
   * to be gone only seconds later, at `inSync`.
   */
  | { readonly kind: 'back' }

/** What happens to what a store holds. */
export type Change = Exclude<StoreEvent, { readonly kind: 'problem' | 'inSync' | 'lost' | 'back' }>

export interface Store {
  /** How people name it: "file:/var/lib/podwire-store". */
  readonly address: string
  /** Errors: ERR_PODWIRE_STORE, and those of parseNetworkConfig. */
  readNetwork(): Promise<NetworkConfig>
  /** Sets an empty store up; false, and nothing is changed, if it holds a network already. ERR_PODWIRE_STORE. */
  createNetwork(network: NetworkConfig): Promise<boolean>
  /** Undefined if there is none, or none that can be read. Error: ERR_PODWIRE_STORE. */
  readNode(name: string): Promise<NodeRecord | undefined>
  /** Those that can be read, in the order of their names. Error: ERR_PODWIRE_STORE. */
  listNodes(): Promise<NodeRecord[]>
  /** Those that can be read. Error: ERR_PODWIRE_STORE. */
  listClaims(): Promise<Claim[]>
  /**
   * Writes a node's own record whole. A record of that name with another key stays, and this is refused, as is a key
   * that was removed: ERR_PODWIRE_NODE_NAME_TAKEN, ERR_PODWIRE_NODE_REMOVED; ERR_PODWIRE_STORE.
   */
  writeNode(record: NodeRecord): Promise<void>
  /**
   * Takes a node out for good: its removal is written first, then its record and its claims go. A node may come back under
   * its name with a new key. False if there is no record of that name; again after a crash finishes it. ERR_PODWIRE_STORE.
   */
  removeNode(name: string): Promise<boolean>
  /**
   * Claims a prefix if nobody has claimed it; whether it is this node's now. Of many who want one prefix at the same
   * time, one gets it. ERR_PODWIRE_STORE.
   */
  claim(claim: Claim): Promise<boolean>
  /** Gives up a claim of one's own; nothing happens if it is another's by now. ERR_PODWIRE_STORE. */
  release(claim: Claim): Promise<void>
  /** Says all there is and then every change, until the signal. Never throws: a store that breaks is `lost`. */
  watch(onEvent: (event: StoreEvent) => void, signal: AbortSignal): void
  /** Lets connections go, so that the process can end. Watches are ended by their signals. */
  close(): Promise<void>
}

/** Opens a store by its address, `file:/path` or `server:https://HOST:PORT`; loads only the form that is named. Error: ERR_PODWIRE_STORE_ADDRESS. */
export async function openStore(address: string, access: StoreAccess = {}): Promise<Store> {
  const [, form, rest = ''] = /^([a-z]+):(.*)$/s.exec(address) ?? []
  const fail = (reason: string) => podwireError('ERR_PODWIRE_STORE_ADDRESS', { address, reason })
  if (form === undefined) throw fail('it does not begin with a form and a colon')
  if (form === 'server') {
    const { openServerStore } = await import('./server-store.ts')
    return openServerStore(address, access)
  }
  if (form !== 'file') throw fail(`there is no form "${form}"; there are file and server`)
  if (!rest.startsWith('/')) throw fail('the path of the folder begins with /')
  const { FileStore } = await import('./file-store.ts')
  return new FileStore(rest)
}
