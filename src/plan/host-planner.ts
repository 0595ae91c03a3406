// The plan of a host, kept record by record: a change of one record, claim or removal plans again what depends on it, and says
// which peers and routes it touched. A whole plan is the same, with everything changed.
//
//   view events --> Admission --settle--> names --planNode--> peers, routes --touched--> part() --> differenceOf

import type { PublicKey } from '../base/key.ts'
import { type HostPeer, type HostState, type Route, routeKey } from '../model/host-state.ts'
import type { NetworkView } from '../model/node-record.ts'
import { type Admission, admitView, type RecordProblem } from './admit.ts'
import { type NodePlan, planNode, planOwn, type SelfState } from './plan.ts'

/** What a change of the plan may concern, by key. */
export interface Touched {
  readonly peers: ReadonlySet<PublicKey>
  readonly routes: ReadonlySet<string>
  /** Nodes whose record or verdict changed. */
  readonly names: ReadonlySet<string>
}

export interface HostPlan {
  readonly host: HostState
  /** Records that were left out, and why. */
  readonly problems: readonly RecordProblem[]
}

/** The whole plan of a view. */
export function planHost(view: NetworkView, self: SelfState): HostPlan {
  const planner = new HostPlanner(admitView(view))
  planner.advance(self)
  return { host: planner.host(self), problems: planner.problems() }
}

export class HostPlanner {
  readonly #admission: Admission
  readonly #nodes = new Map<string, NodePlan>()
  readonly #peers = new Map<PublicKey, HostPeer>()
  readonly #routes = new Map<string, Route>()
  /** Names that changed since the last plan. */
  readonly #changed = new Set<string>()
  /** What the plans were last made with. */
  #basis = ''

  constructor(admission: Admission) {
    this.#admission = admission
  }

  /** The nodes whose record or verdict changed since the last plan. */
  changed(): ReadonlySet<string> {
    for (const name of this.#admission.settle()) this.#changed.add(name)
    return this.#changed
  }

  /** Plans what changed since the last time: all of it, if `self` did; and peers whose route MTU may have. */
  advance(self: SelfState, resized: Iterable<PublicKey> = []): Touched {
    const names = new Set(this.changed())
    this.#changed.clear()
    const owners = [...resized].flatMap(key => this.#admission.keyOwner(key) ?? [])
    const silent = this.#isSilent(self)
    const basis = JSON.stringify([silent, { ...self, routeMtus: undefined }])
    const isNew = basis !== this.#basis
    this.#basis = basis
    const replanned = new Set([...names, ...(isNew ? this.#admission.names() : owners)])
    const touched = { peers: new Set<PublicKey>(), routes: new Set<string>(), names }
    // First all that goes: what one node had, another may get.
    for (const name of replanned) this.#drop(name, touched)
    for (const name of replanned) if (!silent) this.#plan(name, self, touched)
    return touched
  }

  /** The state wanted; only the touched peers and routes of it, if they are given. */
  host(self: SelfState, touched?: Pick<Touched, 'peers' | 'routes'>): HostState {
    const { device, routes, ...own } = planOwn(this.#admission.network, self)
    const some = <K, V>(all: ReadonlyMap<K, V>, keys: Iterable<K> = all.keys()): V[] =>
      [...keys].flatMap(key => all.get(key) ?? [])
    const peers = some(this.#peers, touched?.peers)
    return {
      ...own,
      device: { ...device, peers: peers.sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1)) },
      routes: [...routes, ...some(this.#routes, touched?.routes)],
    }
  }

  /** In the order of their names. */
  problems(): RecordProblem[] {
    const problems = [...this.#admission.names()].flatMap(node => {
      const reason = this.#admission.reason(node)
      return reason === undefined ? [] : { node, reason }
    })
    return problems.sort((a, b) => (a.node < b.node ? -1 : 1))
  }

  /**
   * Whether this host may speak to nobody: its key was removed, or is another's by an older claim. Two who speak with one key
   * take each other's sessions away.
   */
  #isSilent({ name, publicKey }: SelfState): boolean {
    const owner = this.#admission.keyOwner(publicKey)
    return this.#admission.isRemoved(publicKey) || (owner !== undefined && owner !== name)
  }

  #drop(name: string, touched: { peers: Set<PublicKey>; routes: Set<string> }): void {
    const before = this.#nodes.get(name)
    if (before === undefined) return
    this.#nodes.delete(name)
    this.#peers.delete(before.peer.publicKey)
    touched.peers.add(before.peer.publicKey)
    for (const route of before.routes) {
      this.#routes.delete(routeKey(route))
      touched.routes.add(routeKey(route))
    }
  }

  /** Our own record is not a peer, and neither is one that carries our key under another name. */
  #plan(name: string, self: SelfState, touched: { peers: Set<PublicKey>; routes: Set<string> }): void {
    const record = this.#admission.admitted(name)
    if (record === undefined || name === self.name || record.publicKey === self.publicKey) return
    const plan = planNode(record, self)
    this.#nodes.set(name, plan)
    this.#peers.set(record.publicKey, plan.peer)
    touched.peers.add(record.publicKey)
    for (const route of plan.routes) {
      this.#routes.set(routeKey(route), route)
      touched.routes.add(routeKey(route))
    }
  }
}
