// What a watch has said of an etcd so far: takes keys as they are put and deleted, one by one, and says what that changes.
// Each costs the same, however many there are.

import { reasonOf } from '../../base/errors.ts'
import { formatNetworkConfig, type NetworkConfig, parseNetworkConfig } from '../../model/network-config.ts'
import type { StoreEvent } from '../store.ts'
import { type Layout, parseStored, type Section, type Stored, textOf } from './layout.ts'
import type { KeyValue } from './messages.ts'

/** Of a key that is there: what was said of it, or why it cannot be read. */
type Entry = { readonly value: Stored[Section] } | { readonly problem: string }

export class Contents {
  readonly #layout: Layout
  readonly #onEvent: (event: StoreEvent) => void
  #network: NetworkConfig | undefined
  #networkProblem = ''
  readonly #entries: Record<Section, Map<string, Entry>> = { removals: new Map(), claims: new Map(), nodes: new Map() }

  constructor(layout: Layout, onEvent: (event: StoreEvent) => void) {
    this.#layout = layout
    this.#onEvent = onEvent
  }

  /** How many keys of a section are known to be there. */
  size(section: Section): number {
    return this.#entries[section].size
  }

  /** Those that are known and not among `keys`. */
  missingFrom(section: Section, keys: ReadonlySet<string>): string[] {
    const known = [...this.#entries[section].keys()]
    return known.map(stem => this.#layout.keyOf(section, stem)).filter(key => !keys.has(key))
  }

  /** The last good one holds; throws if there was none yet. */
  putNetwork(kv: KeyValue): void {
    let network: NetworkConfig
    try {
      network = parseNetworkConfig(textOf(kv), kv.key)
    } catch (error) {
      const reason = reasonOf(error)
      if (this.#network === undefined) throw error
      if (reason !== this.#networkProblem) this.#onEvent({ kind: 'problem', reason })
      this.#networkProblem = reason
      return
    }
    this.#networkProblem = ''
    if (this.#network && formatNetworkConfig(this.#network) === formatNetworkConfig(network)) return
    this.#network = network
    this.#onEvent({ kind: 'network', network })
  }

  put(kv: KeyValue): void {
    if (kv.key === this.#layout.network) this.putNetwork(kv)
    const place = this.#layout.placeOf(kv.key)
    if (place === undefined) return
    const { section, stem } = place
    const before = this.#entries[section].get(stem)
    const entry = read(section, stem, kv)
    this.#entries[section].set(stem, entry)
    if ('problem' in entry) {
      if (before && 'problem' in before && before.problem === entry.problem) return
      this.#sayGone(section, before)
      this.#onEvent({ kind: 'problem', reason: entry.problem })
    } else if (!before || 'problem' in before || JSON.stringify(before.value) !== JSON.stringify(entry.value)) {
      this.#onEvent(changeOf(section, entry.value))
    }
  }

  delete(key: string): void {
    const place = this.#layout.placeOf(key)
    if (place === undefined) return
    const { section, stem } = place
    const before = this.#entries[section].get(stem)
    this.#entries[section].delete(stem)
    this.#sayGone(section, before)
  }

  /** A removal is for good, also if somebody deletes it. */
  #sayGone(section: Section, entry: Entry | undefined): void {
    if (entry === undefined || 'problem' in entry) return
    const { value } = entry
    if (section === 'nodes') this.#onEvent({ kind: 'nodeGone', name: (value as Stored['nodes']).name })
    if (section === 'claims') this.#onEvent({ kind: 'claimGone', prefix: (value as Stored['claims']).prefix })
  }
}

function read(section: Section, stem: string, kv: KeyValue): Entry {
  try {
    return { value: parseStored(section, stem, kv) }
  } catch (error) {
    return { problem: reasonOf(error) }
  }
}

function changeOf(section: Section, value: Stored[Section]): StoreEvent {
  if (section === 'nodes') return { kind: 'node', record: value as Stored['nodes'] }
  if (section === 'claims') return { kind: 'claim', claim: value as Stored['claims'] }
  return { kind: 'removal', removal: value as Stored['removals'] }
}
