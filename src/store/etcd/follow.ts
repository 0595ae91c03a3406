// Follows a network in an etcd: says what it holds, then each change, as etcd tells it.
//
//   sync: network, then what changed since the revision that is known (at first: all), then what is gone ──> revision
//   watch from revision + 1: inSync, changes … until it breaks ──> sync …
//
// A sync asks for the keys that changed since, and how many there are: if fewer than are known, it asks for their names. So
// it is exact without etcd's history, which may be compacted, and after a break in which nothing changed it is one key.

import { setTimeout as delay } from 'node:timers/promises'
import { reasonOf } from '../../base/errors.ts'
import type { StoreEvent } from '../store.ts'
import type { EtcdClient } from './client.ts'
import { Contents } from './contents.ts'
import { type Layout, type Section, sections } from './layout.ts'
import { listPages } from './list-pages.ts'
import type { Header, KeyValue, WatchEvent } from './messages.ts'

/** Between tries, doubled each time. The first is soon: it was one member only, most likely. */
const retryMs = { least: 50, most: 5_000 }
/** A store that forgot what it held: nodes that are still there need time to find it and say so. */
const settleMs = 5_000

interface Following {
  readonly client: EtcdClient
  readonly layout: Layout
  readonly onEvent: (event: StoreEvent) => void
  readonly signal: AbortSignal
}

export async function follow(following: Following): Promise<void> {
  const { onEvent, signal } = following
  const follower = new Follower(following)
  let lost: string | undefined
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      await follower.sync(() => {
        if (lost !== undefined) onEvent({ kind: 'back' })
        lost = undefined
      })
      await follower.watch(() => {
        failures = 0
        onEvent({ kind: 'inSync' })
      })
    } catch (error) {
      if (signal.aborted) return
      const reason = reasonOf(error)
      if (failures > 0 && reason !== lost) {
        lost = reason
        onEvent({ kind: 'lost', reason })
      }
      const waitMs = Math.min(retryMs.most, retryMs.least * 2 ** failures) * (0.5 + Math.random())
      await delay(waitMs, undefined, { signal }).catch(() => {})
    }
  }
}

class Follower {
  readonly #following: Following
  readonly #contents: Contents
  /** Up to this one all is known; 0: nothing is. */
  #revision = 0
  /** Another one: a store that was made anew, whatever its revisions. */
  #generation = ''

  constructor(following: Following) {
    this.#following = following
    this.#contents = new Contents(following.layout, following.onEvent)
  }

  /** Says what changed since the last revision that is known; `onReached` is told first. */
  async sync(onReached: () => void): Promise<void> {
    let head = await this.#readHead()
    onReached()
    const isNew = head.generation !== this.#generation || head.revision < this.#revision
    const forgot = this.#revision > 0 && isNew
    if (!isNew && head.revision === this.#revision) return
    let gone = await this.#sayChanges(head, isNew ? 0 : this.#revision)
    if (forgot && gone.length > 0) {
      await delay(settleMs, undefined, { signal: this.#following.signal })
      head = await this.#readHead()
      gone = await this.#sayChanges(head, 0)
    }
    for (const key of gone) this.#contents.delete(key)
    this.#revision = head.revision
    this.#generation = head.generation
  }

  async #readHead(): Promise<{ revision: number; generation: string; network: KeyValue }> {
    const { client, layout } = this.#following
    const { header, kvs } = await client.range({ key: layout.network })
    const [network] = kvs
    if (network === undefined) throw noNetwork(layout)
    return { revision: header.revision, generation: `${header.clusterId} ${network.createRevision}`, network }
  }

  /** Returns the keys that are known and gone. */
  async #sayChanges({ revision, network }: { revision: number; network: KeyValue }, since: number): Promise<string[]> {
    this.#contents.putNetwork(network)
    const gone: string[] = []
    for (const section of sections) {
      const range = { ...this.#following.layout.rangeOf(section), revision }
      let count = 0
      for await (const page of listPages(this.#following.client, { ...range, minModRevision: since && since + 1 })) {
        for (const kv of page.kvs) this.#contents.put(kv)
        count = page.count
      }
      if (count !== this.#contents.size(section)) gone.push(...(await this.#findGone(section, range)))
    }
    return gone
  }

  async #findGone(section: Section, range: { key: string; end: string; revision: number }): Promise<string[]> {
    const keys = new Set<string>()
    for await (const { kvs } of listPages(this.#following.client, { ...range, keysOnly: true })) {
      for (const { key } of kvs) keys.add(key)
    }
    return this.#contents.missingFrom(section, keys)
  }

  /** Says changes until the watch breaks. */
  async watch(onCreated: () => void): Promise<never> {
    const { client, layout, signal } = this.#following
    const onEvents = (events: readonly WatchEvent[], header: Header) => this.#take(events, header)
    return client.watch({ ...layout.rangeOf(), revision: this.#revision + 1, onCreated, onEvents, signal })
  }

  #take(events: readonly WatchEvent[], header: Header): void {
    const { layout } = this.#following
    // Who deletes the network with all that is in it does so by mistake, or it is gone as a whole: no node left it.
    if (events.some(({ kind, kv }) => kind === 'delete' && kv.key === layout.network)) throw noNetwork(layout)
    for (const { kind, kv } of events) {
      if (kind === 'put') this.#contents.put(kv)
      else this.#contents.delete(kv.key)
      this.#revision = kv.modRevision
    }
    // From time to time etcd says how far it is, without events.
    if (events.length === 0) this.#revision = Math.max(this.#revision, header.revision)
  }
}

function noNetwork({ network }: Layout): Error {
  return new Error(`it holds no network: there is no key ${network}`)
}
