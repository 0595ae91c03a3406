// What the network knows of one node, and of all of them: plain data, as it lies in a store.

import type { PublicKey } from '../base/key.ts'

/** One node's record. Only the node itself writes it. */
export interface NodeRecord {
  readonly name: string
  readonly publicKey: PublicKey
  /** Where its device can be reached from outside, best first: "ip:port". Empty behind a NAT. */
  readonly endpoints: readonly string[]
  /** The prefixes of its containers, both families, canonical. */
  readonly prefixes: readonly string[]
}

/** What the whole network agreed on, written once by whoever sets it up. */
export interface NetworkConfig {
  readonly name: string
  /** Every prefix of the network lies in one of these: at most one of each family. */
  readonly range: readonly string[]
  /** Length of the prefix that a node gets from the range, by family. */
  readonly nodePrefixLength: { readonly ipv4?: number; readonly ipv6?: number }
}

/** Everything that a store says: input of the plan. */
export interface NetworkView {
  readonly network: NetworkConfig
  readonly nodes: ReadonlyMap<string, NodeRecord>
}
