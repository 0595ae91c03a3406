// What a watch knows of one kind of object, and what it says when that changes.

import { reasonOf } from '../base/errors.ts'
import type { KubeObject } from '../kubernetes/resource.ts'
import { readClaimObject, readNetworkObject, readNodeObject, readRemovalObject } from './kubernetes-objects.ts'
import type { StoreEvent } from './store.ts'

/** In the order in which they are said: a record counts only with its claims behind it. */
export const kinds = ['network', 'removal', 'claim', 'node'] as const
export type Kind = (typeof kinds)[number]

/** What an object is to those who hear of it; throws if it cannot be read. */
const eventOf: Record<Kind, (object: KubeObject) => StoreEvent> = {
  network: object => ({ kind: 'network', network: readNetworkObject(object) }),
  removal: object => ({ kind: 'removal', removal: readRemovalObject(object) }),
  claim: object => ({ kind: 'claim', claim: readClaimObject(object) }),
  node: object => ({ kind: 'node', record: readNodeObject(object) }),
}

interface Known {
  /** Another object, or another spec, has another stamp. */
  readonly stamp: string
  readonly event: StoreEvent
}

export class KubernetesPart {
  readonly #kind: Kind
  readonly #say: (event: StoreEvent) => void
  readonly #known = new Map<string, Known>()
  readonly #problems = new Map<string, string>()
  /** While all is listed anew: those that have not come yet. */
  #unseen = new Set<string>()
  #isWhole = false
  #timer: NodeJS.Timeout | undefined

  constructor(kind: Kind, say: (event: StoreEvent) => void) {
    this.#kind = kind
    this.#say = say
  }

  get isEmpty(): boolean {
    return this.#known.size === 0
  }

  /** Whether all that there is has come. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  /** What comes until `finish` is all there is. */
  begin(): void {
    this.pause()
    this.#unseen = new Set([...this.#known.keys(), ...this.#problems.keys()])
  }

  take(object: KubeObject): void {
    const { name, uid, generation } = object.metadata
    this.#unseen.delete(name)
    const stamp = `${uid} ${generation}`
    if (this.#known.get(name)?.stamp === stamp) return
    try {
      const event = eventOf[this.#kind](object)
      this.#problems.delete(name)
      this.#known.set(name, { stamp, event })
      this.#say(event)
    } catch (error) {
      const reason = reasonOf(error)
      if (this.#problems.get(name) !== reason) this.#say({ kind: 'problem', reason })
      this.#forget(name)
      this.#problems.set(name, reason)
    }
  }

  gone(name: string): void {
    this.#unseen.delete(name)
    this.#problems.delete(name)
    this.#forget(name)
  }

  /** All has come. What has not is gone after this long, if it does not come until then. */
  finish(waitMs: number, done: () => void): void {
    const end = () => {
      for (const name of this.#unseen) this.gone(name)
      this.#isWhole = true
      done()
    }
    this.pause()
    if (this.#unseen.size === 0 || waitMs === 0) end()
    else this.#timer = setTimeout(end, waitMs)
  }

  /** Nothing more is believed to be gone until `finish`. */
  pause(): void {
    clearTimeout(this.#timer)
    this.#isWhole = false
  }

  sayAll(): void {
    for (const { event } of this.#known.values()) this.#say(event)
    for (const reason of this.#problems.values()) this.#say({ kind: 'problem', reason })
  }

  #forget(name: string): void {
    const event = this.#known.get(name)?.event
    // A network that is gone, or was edited badly, holds as it last was; a removal is for good.
    if (event?.kind === 'node') this.#say({ kind: 'nodeGone', name })
    else if (event?.kind === 'claim') this.#say({ kind: 'claimGone', prefix: event.claim.prefix })
    else return
    this.#known.delete(name)
  }
}
