// Follows all objects of one kind: all there are, then every change, until the signal.
//
//   begin: onWhole, onObject …, onCurrent --> watch from there: onObject, onGone … --> the server ends it: watch again from there
//   a break: watch again from there; not possible: onLost, tried until it is: onConnected, what changed meanwhile, onCurrent
//   the server has forgotten what changed (410): begin again
//
// Whether all that changed during a break has been said, only a bookmark tells: the server sends one 2 s before a watch
// ends, so the first watch after a break is a short one.

import { setTimeout as delay } from 'node:timers/promises'
import { reasonOf } from '../base/errors.ts'
import { ApiError } from './client.ts'
import type { KubeObject, Resource } from './resource.ts'

export interface Following {
  /** What comes until onCurrent is all there is. */
  readonly onWhole: () => void
  /** There is this object, new or changed. */
  readonly onObject: (object: KubeObject) => void
  readonly onGone: (name: string) => void
  /** All that there was a moment ago has been said. After the start and after each onLost, if not sooner. */
  readonly onCurrent: () => void
  readonly onLost: (reason: string) => void
  /** After onLost: it answers again. */
  readonly onConnected: () => void
}

/** Servers are not asked by all agents at the same time. */
const watchSeconds = { least: 300, most: 600 }
const resumeSeconds = 3
/** Below the time for which what vanished is waited for (settleMs of the store): all are back by then. */
const retryMs = { least: 100, most: 2_000 }

const beginnings = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion='
const endOfBeginning = 'k8s.io/initial-events-end'

interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: KubeObject & { readonly code?: number; readonly message?: string }
}

export async function follow(resource: Resource, following: Following, signal: AbortSignal): Promise<void> {
  await new Follower(resource, following, signal).run()
}

class Follower {
  readonly #resource: Resource
  readonly #following: Following
  readonly #signal: AbortSignal
  /** All up to this version has been said; undefined: begin. */
  #version: string | undefined
  #state: 'current' | 'catchingUp' | 'lost' = 'catchingUp'
  /** Whether the server can begin a watch with all there is (WatchList), which spares both sides the list in one piece. */
  #streamsLists = true
  #waitMs = retryMs.least

  constructor(resource: Resource, following: Following, signal: AbortSignal) {
    this.#resource = resource
    this.#following = following
    this.#signal = signal
  }

  async run(): Promise<void> {
    while (!this.#signal.aborted) {
      try {
        await this.#once()
      } catch (error) {
        if (!this.#signal.aborted) await this.#failed(error)
      }
    }
  }

  /** One watch, to its end. */
  async #once(): Promise<void> {
    if (this.#version === undefined && !this.#streamsLists) await this.#list()
    const version = this.#version
    if (version === undefined) return this.#watch(`${beginnings}&timeoutSeconds=${randomSeconds()}`)
    const seconds = this.#state === 'current' ? randomSeconds() : resumeSeconds
    await this.#watch(`resourceVersion=${version}&timeoutSeconds=${seconds}`)
    // A server without bookmarks: it had the time to say all.
    this.#current()
  }

  async #failed(error: unknown): Promise<void> {
    const status = error instanceof ApiError ? error.status : undefined
    const begins = this.#version === undefined
    // A server without WatchList refuses it, one with an old etcd (500) begins and gives up.
    if (begins && this.#streamsLists && [400, 422, 500].includes(status ?? 0)) {
      this.#streamsLists = false
      return
    }
    // Compacted (410), or newer than all the server has (504): either way it is not to be had from there.
    if (!begins && (status === 410 || status === 504)) {
      this.#version = undefined
      if (this.#state === 'current') this.#state = 'catchingUp'
      return
    }
    // A break that is over at once is nobody's concern.
    if (this.#state === 'current') {
      this.#state = 'catchingUp'
    } else {
      this.#state = 'lost'
      this.#following.onLost(reasonOf(error))
      await delay(this.#waitMs * (0.5 + Math.random() / 2), undefined, { signal: this.#signal }).catch(() => {})
      this.#waitMs = Math.min(retryMs.most, this.#waitMs * 2)
    }
  }

  async #list(): Promise<void> {
    this.#following.onWhole()
    for await (const { items, metadata } of this.#resource.pages()) {
      this.#connected()
      for (const object of items) this.#following.onObject(object)
      this.#version = metadata.continue ? undefined : metadata.resourceVersion
    }
    this.#current()
  }

  #watch(query: string): Promise<void> {
    return this.#resource.client.stream(`${this.#resource.path}?watch=1&allowWatchBookmarks=true&${query}`, {
      onOpen: () => {
        this.#connected()
        if (this.#version === undefined) this.#following.onWhole()
      },
      onLine: line => this.#take(line as WatchEvent),
      signal: this.#signal,
    })
  }

  #take({ type, object }: WatchEvent): void {
    if (type === 'ERROR') throw new ApiError(object.code ?? 500, object.message ?? 'the watch failed')
    const { name, resourceVersion = '', annotations } = object.metadata
    const begins = this.#version === undefined
    if (type === 'BOOKMARK') {
      // A server that was restored from a backup counts from there: it would stay silent until it has caught up.
      if (!begins && BigInt(resourceVersion) < BigInt(this.#version ?? 0)) throw new ApiError(410, 'versions went back')
      if (begins && annotations?.[endOfBeginning] !== 'true') return
      this.#version = resourceVersion
      this.#current()
      return
    }
    if (!begins) this.#version = resourceVersion
    if (type === 'DELETED') this.#following.onGone(name)
    else this.#following.onObject(object)
  }

  #connected(): void {
    if (this.#state !== 'lost') return
    this.#state = 'catchingUp'
    this.#following.onConnected()
  }

  #current(): void {
    this.#waitMs = retryMs.least
    if (this.#state === 'current') return
    this.#state = 'current'
    this.#following.onCurrent()
  }
}

function randomSeconds(): number {
  return Math.round(watchSeconds.least + Math.random() * (watchSeconds.most - watchSeconds.least))
}
