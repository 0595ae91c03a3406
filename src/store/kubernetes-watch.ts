// The watch of a store in a cluster: four kinds of objects, each followed by itself, said as one. Nothing is said before all
// four are there; then each change costs what it is, however many nodes there are.

import { type Following, follow } from '../kubernetes/follow.ts'
import type { KubeObject, Resource } from '../kubernetes/resource.ts'
import { type Kind, KubernetesPart, kinds } from './kubernetes-part.ts'
import type { StoreEvent } from './store.ts'

/** What vanished from a store that was lost may be what it forgot: those who are there still say so meanwhile. */
const settleMs = 5_000

export function watchKubernetes(
  resources: Readonly<Record<Kind, Resource>>,
  onEvent: (event: StoreEvent) => void,
  signal: AbortSignal,
): void {
  const watch = new Watch(event => {
    if (!signal.aborted) onEvent(event)
  })
  for (const kind of kinds) void follow(resources[kind], watch.following(kind), signal)
  signal.addEventListener('abort', () => watch.end())
}

class Watch {
  readonly #onEvent: (event: StoreEvent) => void
  #state: 'starting' | 'inSync' | 'lost' | 'back' = 'starting'
  /** Why, each said once a loss. */
  readonly #reasons = new Set<string>()
  /** Whether all that there was has been said once. */
  #hasSaid = false
  /** Those kinds that are as the server has them. */
  readonly #current = new Set<Kind>()
  readonly #parts: Readonly<Record<Kind, KubernetesPart>>

  constructor(onEvent: (event: StoreEvent) => void) {
    this.#onEvent = onEvent
    const part = (kind: Kind) => new KubernetesPart(kind, event => this.#hasSaid && onEvent(event))
    this.#parts = { network: part('network'), removal: part('removal'), claim: part('claim'), node: part('node') }
  }

  following(kind: Kind): Following {
    const part = this.#parts[kind]
    return {
      onWhole: () => part.begin(),
      onObject: (object: KubeObject) => {
        part.take(object)
        if (kind === 'network' && part.isWhole && !this.#current.has(kind)) this.#arrived(kind)
      },
      onGone: name => part.gone(name),
      onCurrent: () => part.finish(this.#state === 'back' ? settleMs : 0, () => this.#arrived(kind)),
      onConnected: () => this.#back(),
      onLost: reason => {
        part.pause()
        this.#current.delete(kind)
        this.#lost(reason)
      },
    }
  }

  end(): void {
    for (const kind of kinds) this.#parts[kind].pause()
  }

  #lost(reason: string): void {
    this.#state = 'lost'
    if (this.#reasons.has(reason)) return
    this.#reasons.add(reason)
    this.#onEvent({ kind: 'lost', reason })
  }

  #back(): void {
    if (this.#state !== 'lost') return
    this.#state = 'back'
    this.#reasons.clear()
    this.#onEvent({ kind: 'back' })
  }

  #arrived(kind: Kind): void {
    if (kind === 'network' && this.#parts.network.isEmpty) {
      this.#lost('it holds no network that can be read')
      return
    }
    this.#current.add(kind)
    if (this.#current.size < kinds.length || this.#state === 'inSync') return
    this.#back()
    const isFirst = !this.#hasSaid
    this.#hasSaid = true
    if (isFirst) for (const each of kinds) this.#parts[each].sayAll()
    this.#state = 'inSync'
    this.#onEvent({ kind: 'inSync' })
  }
}
