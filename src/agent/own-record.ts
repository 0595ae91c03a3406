// This node's own record in the store: written when it is not as it should be, and never fought for. Who else writes it has our
// key (a copy of this host's disk) or our name; it is written again once, then no more, and the log says who is there.

import type { PublicKey } from '../base/key.ts'
import type { Log } from '../base/log.ts'
import { formatNodeRecord, type NodeRecord } from '../model/node-record.ts'
import type { Store, StoreEvent } from '../store/store.ts'

interface Parts {
  readonly store: Pick<Store, 'readNode' | 'writeNode'>
  readonly name: string
  readonly publicKey: PublicKey
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>
}

/** How often a record that another overwrote is written again: an operator who edits it by hand is put right, a twin is not. */
const rewrites = 1

export class OwnRecord {
  readonly #parts: Parts
  /** All that we wrote, or found as it should be: what the store says of it comes later. */
  readonly #ours = new Set<string>()
  /** What we wrote last, unless the store has said that it is gone. */
  #written: string | undefined
  #overwritten = 0
  #rival: string | undefined
  /** The store came back, and may have forgotten us; the view does not show it yet. */
  #forgotten = false

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Why it is written no more: who else writes it. */
  get rival(): string | undefined {
    return this.#rival
  }

  get mayBeForgotten(): boolean {
    return this.#forgotten
  }

  /** Hears what the store says of it. */
  take(event: StoreEvent): void {
    const { name, publicKey, log } = this.#parts
    if (event.kind === 'back') this.#forgotten = true
    if (event.kind === 'nodeGone' && event.name === name) this.#written = undefined
    if (event.kind !== 'node' || event.record.name !== name) return
    const { record } = event
    if (this.#ours.has(formatNodeRecord(record)) || this.#ours.size === 0) return
    const values = { node: name, publicKey: record.publicKey, endpoints: record.endpoints }
    if (record.publicKey !== publicKey) {
      this.#rival = `another host has joined as ${name}, with the key ${record.publicKey}`
    } else if (++this.#overwritten > rewrites) {
      this.#rival = `another host writes this record with our own key ${publicKey}, and the endpoints ${record.endpoints.join(', ') || 'of none'}`
    } else {
      log.warn(values, 'our record was written by someone else: it is written again, once')
      return
    }
    log.error(values, `our record is left as it is: ${this.#rival}; stop one of the two, and start this agent again`)
  }

  /** Writes the record, unless the store holds it as it is. Errors: those of the store. */
  async publish(record: NodeRecord, shown: NodeRecord | undefined, isInSync: boolean): Promise<void> {
    const { store, name, log } = this.#parts
    if (this.#rival !== undefined || (!this.#forgotten && !isInSync)) return
    const known = this.#forgotten ? await store.readNode(name) : shown
    const text = formatNodeRecord(record)
    // The watch tells what was written a moment later.
    if (known === undefined && this.#written === text && !this.#forgotten) return
    if (known === undefined || formatNodeRecord(known) !== text) {
      this.#ours.add(text)
      await store.writeNode(record)
      this.#written = text
      log.info({ ...record }, 'own record written')
    }
    this.#ours.add(text)
    this.#forgotten = false
  }
}
