// Which records hold. Every record is judged on its own and the bad ones are left out with a reason, so that one hostile
// or careless node costs nobody else anything. A prefix counts if a claim is behind it; of two records that want the
// same, the one with the older claim has it.
//
//   record, claim, removal, range --set, delete--> in doubt: the keys that it concerns --settle--> names whose verdict changed
//
// The whole network is judged the same way, as the first of all changes.

import { type Cidr, containsCidr, parsePrefix } from '../base/cidr.ts'
import { parseEndpoint } from '../base/endpoint.ts'
import type { PublicKey } from '../base/key.ts'
import { PrefixMap } from '../base/prefix-map.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import { type Claim, formatNodeRecord, type NetworkView, type NodeRecord, type Removal } from '../model/node-record.ts'
import { HeldClaims } from './held-claims.ts'

/** A record that was left out. */
export interface RecordProblem {
  readonly node: string
  readonly reason: string
}

interface Entry {
  readonly record: NodeRecord
  readonly prefixes: readonly Cidr[]
  /** Why it is left out; absent if it holds, or was not judged yet. */
  reason?: string | undefined
}

export class Admission {
  #network: NetworkConfig
  #range: readonly Cidr[]
  readonly #claims = new HeldClaims()
  readonly #removals = new Map<PublicKey, Removal>()
  readonly #entries = new Map<string, Entry>()
  /** The names that carry a key. */
  readonly #byKey = new Map<PublicKey, string[]>()
  /** The names whose records have a prefix. */
  readonly #byPrefix = new PrefixMap<string[]>()
  /** Keys whose records are to be judged at the next `settle`. */
  readonly #doubtful = new Set<PublicKey>()
  /** Names whose verdict changed since the last `settle`. */
  #changed = new Set<string>()

  constructor(network: NetworkConfig) {
    this.#network = network
    this.#range = network.range.map(text => parsePrefix(text, 'range'))
    this.#claims.setRange(this.#range)
  }

  get network(): NetworkConfig {
    return this.#network
  }

  setNetwork(network: NetworkConfig): void {
    this.#network = network
    this.#range = network.range.map(text => parsePrefix(text, 'range'))
    this.#claims.setRange(this.#range)
    for (const key of this.#byKey.keys()) this.#doubtful.add(key)
  }

  setNode(record: NodeRecord): void {
    const known = this.#entries.get(record.name)
    if (known !== undefined && formatNodeRecord(known.record) === formatNodeRecord(record)) return
    this.#changed.add(record.name)
    this.#doubtful.add(record.publicKey)
    // Most changes are of endpoints: what is indexed stays.
    if (known?.record.publicKey === record.publicKey && known.record.prefixes.join() === record.prefixes.join()) {
      this.#entries.set(record.name, { record, prefixes: known.prefixes })
      return
    }
    this.deleteNode(record.name)
    const prefixes = record.prefixes.map(text => parsePrefix(text, record.name))
    this.#entries.set(record.name, { record, prefixes })
    this.#byKey.set(record.publicKey, [...(this.#byKey.get(record.publicKey) ?? []), record.name])
    for (const prefix of prefixes) this.#byPrefix.set(prefix, [...(this.#byPrefix.get(prefix) ?? []), record.name])
  }

  deleteNode(name: string): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    const { publicKey } = entry.record
    this.#entries.delete(name)
    const twins = without(this.#byKey.get(publicKey), name)
    if (twins.length > 0) this.#byKey.set(publicKey, twins)
    else this.#byKey.delete(publicKey)
    for (const prefix of entry.prefixes) {
      const names = without(this.#byPrefix.get(prefix), name)
      if (names.length > 0) this.#byPrefix.set(prefix, names)
      else this.#byPrefix.delete(prefix)
    }
    this.#doubtful.add(publicKey)
    this.#changed.add(name)
  }

  setClaim(claim: Claim): void {
    const known = this.#claims.get(claim.prefix)
    if (known?.node !== claim.node || known.sinceMs !== claim.sinceMs) this.#claims.set(claim)
  }

  deleteClaim(prefix: string): void {
    this.#claims.delete(prefix)
  }

  addRemoval(removal: Removal): void {
    this.#removals.set(removal.publicKey, removal)
    this.#doubtful.add(removal.publicKey)
  }

  /** Judges what is in doubt: the names whose record or verdict is another than the last time. */
  settle(): Set<string> {
    for (const { node, prefix } of this.#claims.settle()) {
      this.#doubt(node)
      for (const names of this.#byPrefix.allOverlapping(prefix)) for (const name of names) this.#doubt(name)
    }
    for (const key of this.#doubtful) this.#judge(key)
    this.#doubtful.clear()
    const changed = this.#changed
    this.#changed = new Set()
    return changed
  }

  /** The record of that name, if it holds. */
  admitted(name: string): NodeRecord | undefined {
    const entry = this.#entries.get(name)
    return entry?.reason === undefined ? entry?.record : undefined
  }

  /** Why the record of that name is left out; undefined if it holds, or there is none. */
  reason(name: string): string | undefined {
    return this.#entries.get(name)?.reason
  }

  /** The record of that name, whether it holds or not. */
  record(name: string): NodeRecord | undefined {
    return this.#entries.get(name)?.record
  }

  get size(): number {
    return this.#entries.size
  }

  names(): IterableIterator<string> {
    return this.#entries.keys()
  }

  /** The node's claims that hold. */
  heldBy(node: string): Claim[] {
    return this.#claims.heldBy(node)
  }

  /** The node whose record has the key and holds. */
  keyOwner(key: PublicKey): string | undefined {
    return this.#byKey.get(key)?.find(name => this.admitted(name) !== undefined)
  }

  isRemoved(key: PublicKey): boolean {
    return this.#removals.has(key)
  }

  /** All that it was told, as it is now. */
  view(): NetworkView {
    return {
      network: this.#network,
      nodes: new Map([...this.#entries].map(([name, { record }]) => [name, record])),
      claims: new Map(this.#claims.all().map(claim => [claim.prefix, claim])),
      removals: new Map(this.#removals),
    }
  }

  #doubt(name: string): void {
    const entry = this.#entries.get(name)
    if (entry !== undefined) this.#doubtful.add(entry.record.publicKey)
  }

  /** Of those with one key, the one with the oldest claim has it, if nothing else is wrong with it. */
  #judge(key: PublicKey): void {
    const names = this.#byKey.get(key) ?? []
    const byAge = names
      .map(name => ({ name, sinceMs: this.#claims.sinceMs(name) }))
      .sort((a, b) => compare(a.sinceMs, b.sinceMs) || compare(a.name, b.name))
    let owner: string | undefined
    for (const { name } of byAge) {
      const entry = this.#entries.get(name)
      if (entry === undefined) continue
      const reason =
        (this.#removals.has(key) ? 'its public key was removed from the network' : undefined) ??
        (owner && `its public key is that of node ${owner}`) ??
        this.#prefixReason(entry) ??
        firstReason(entry.record.endpoints, text => endpointReason(text, this.#range))
      owner ??= reason === undefined ? name : undefined
      if (reason === entry.reason) continue
      entry.reason = reason
      this.#changed.add(name)
    }
  }

  #prefixReason({ record: { name }, prefixes }: Entry): string | undefined {
    return firstReason(prefixes, (prefix, i) => {
      const text = this.#entries.get(name)?.record.prefixes[i]
      if (!this.#range.some(outer => containsCidr(outer, prefix))) {
        return `its prefix ${text} is outside the network's range`
      }
      if (this.#claims.holder(prefix)?.node === name) return undefined
      const rival = this.#claims.rival(prefix, name)
      if (rival === undefined) return `its prefix ${text} is not claimed by it`
      return `its prefix ${text} overlaps ${rival.prefix}, which node ${rival.node} has claimed`
    })
  }
}

/** An admission of all that a view says. */
export function admitView({ network, nodes, claims, removals }: NetworkView): Admission {
  const admission = new Admission(network)
  for (const removal of removals.values()) admission.addRemoval(removal)
  for (const claim of claims.values()) admission.setClaim(claim)
  for (const record of nodes.values()) admission.setNode(record)
  return admission
}

function without(names: readonly string[] = [], name: string): string[] {
  return names.filter(other => other !== name)
}

function compare<T extends number | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function firstReason<T>(
  items: readonly T[],
  reasonFor: (item: T, i: number) => string | undefined,
): string | undefined {
  for (const [i, item] of items.entries()) {
    const reason = reasonFor(item, i)
    if (reason !== undefined) return reason
  }
  return undefined
}

/** Why an endpoint cannot be: one inside the tunnel would send the tunnel's own packets into the tunnel. */
export function endpointReason(text: string, range: readonly Cidr[]): string | undefined {
  const { address } = parseEndpoint(text, 'endpoint')
  const whole = { ...address, length: address.family === 4 ? 32 : 128 }
  if (!range.some(outer => containsCidr(outer, whole))) return undefined
  return `its endpoint ${text} lies in the network's own range`
}
