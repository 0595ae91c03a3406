// The store under a fleet: a real one of some form, into which the simulated nodes are written as fast as it takes them, which can
// be taken away for a time, and which says how often it was written to.

import type { Lab } from '../../src/lab/lab.ts'
import type { Claim, NodeRecord } from '../../src/model/node-record.ts'
import { startFileStore } from './file-store.ts'

export interface BenchStore extends AsyncDisposable {
  /** What it is, with its version: "etcd 3.4.23". */
  readonly title: string
  /** Of the command line: --store, and what gives access. */
  readonly flags: readonly string[]
  /** Writes claims, then records; the node's own record is replaced. */
  put(records: readonly NodeRecord[], claims: readonly Claim[]): Promise<void>
  /** Takes nodes out for good, as `podwire leave` does. */
  remove(names: readonly string[]): Promise<void>
  /** Writes since it was made, whoever's. */
  countWrites(): Promise<number>
  /** Nobody reaches it, until `comeBack`. */
  goAway(): Promise<void>
  comeBack(): Promise<void>
}

/** Starts a store with the network of the bench in it. Its host of the lab is `storeHost`. */
export type StartStore = (lab: Lab) => Promise<BenchStore>

export const stores: Readonly<Record<string, StartStore>> = { file: startFileStore }
