// What an agent says of itself to `podwire status` and to whoever watches its health: what the store said, what came of its rounds,
// and what its device and its view show at that moment. It is put together when asked, and costs nothing before.

import { reasonOf } from '../base/errors.ts'
import type { Device } from '../model/device.ts'
import type { NetworkView } from '../model/node-record.ts'
import type { Links } from '../native/link.ts'
import type { RecordProblem } from '../plan/admit.ts'
import { recordProblems } from './record-problems.ts'

/** How it stands with the store; times as ISO 8601. */
export interface SyncState {
  readonly state: 'starting' | 'inSync' | 'lost'
  readonly since: string
  /** Of a store that is lost: why. */
  readonly reason?: string
}

export interface AgentStatus {
  readonly network: string
  readonly node: string
  readonly pid: number
  readonly startedAt: string
  readonly store: SyncState & { readonly address: string }
  /** Those of its containers. */
  readonly prefixes: readonly string[]
  readonly device: {
    readonly name: string
    readonly mtuBytes?: number
    readonly up?: boolean
    readonly problem?: string
  }
  /** Other nodes that hold; peers of the device, and those that made a handshake in the last three minutes. */
  readonly peers: { readonly nodes: number; readonly count: number; readonly withSession: number }
  /** The last round: when it ended, and why it failed, if it did. */
  readonly round: { readonly at?: string; readonly failure?: string }
  /** Records that were left out. */
  readonly problems: readonly RecordProblem[]
  /** What could not be read in the store. */
  readonly unreadable: readonly string[]
}

/** What is behind a report. */
interface Reported {
  readonly node: string
  readonly deviceName: string
  readonly store: {
    readonly address: string
    readonly view: NetworkView | undefined
    readonly sync: SyncState
    readonly unreadable: readonly string[]
  }
  /** Opens what is asked: the device, and the links. */
  readonly open: () => { device: Pick<Device, 'get'>; links: Pick<Links, 'links' | 'close'> }
  readonly nowMs?: () => number
}

/** A session ends that long after its handshake (WireGuard paper, section 6.1: Reject-After-Time). */
const sessionMs = 180_000
/** Far longer than a round of thousands of peers takes: one that is not over by then hangs. */
const hangsAfterMs = 120_000

const isoTime = (ms: number): string => new Date(ms).toISOString()

export class AgentReport {
  readonly #reported: Reported
  readonly #nowMs: () => number
  readonly #startedAt: string
  #roundSinceMs: number | undefined
  #round: AgentStatus['round'] = {}

  constructor(reported: Reported) {
    this.#reported = reported
    this.#nowMs = reported.nowMs ?? Date.now
    this.#startedAt = isoTime(this.#nowMs())
  }

  /** Watches over a round of the agent. */
  async aroundRound(round: () => Promise<void>): Promise<void> {
    this.#roundSinceMs = performance.now()
    try {
      await round()
      this.#round = { at: isoTime(this.#nowMs()) }
    } catch (error) {
      this.#round = { at: isoTime(this.#nowMs()), failure: reasonOf(error) }
      throw error
    } finally {
      this.#roundSinceMs = undefined
    }
  }

  /** Why the agent does not work; undefined if it does. */
  whyNotHealthy(nowMs = performance.now()): string | undefined {
    if (this.#roundSinceMs === undefined || nowMs - this.#roundSinceMs < hangsAfterMs) return undefined
    return `a round is not over after ${Math.round((nowMs - this.#roundSinceMs) / 1000)} s`
  }

  /** Why this node is not in its place; undefined if all that the agent knows is applied, closed host and device. */
  whyNotReady(): string | undefined {
    const { at, failure } = this.#round
    if (at === undefined) return 'nothing is applied yet'
    return failure === undefined ? undefined : `the last round failed: ${failure}`
  }

  async status(): Promise<AgentStatus> {
    const { node, deviceName, store } = this.#reported
    const { view } = store
    const problems = view === undefined ? [] : recordProblems(view)
    const { device, peers } = await this.#observe()
    return {
      network: view?.network.name ?? '',
      node,
      pid: process.pid,
      startedAt: this.#startedAt,
      store: { address: store.address, ...store.sync },
      prefixes: view?.nodes.get(node)?.prefixes ?? [],
      device: { name: deviceName, ...device },
      peers: { nodes: countOthers(view, node, problems), ...peers },
      round: this.#round,
      problems,
      unreadable: store.unreadable,
    }
  }

  async #observe() {
    const { deviceName, open } = this.#reported
    const { device, links } = open()
    try {
      const link = links.links().find(({ name }) => name === deviceName)
      const { peers } = await device.get()
      const oldestMs = this.#nowMs() - sessionMs
      const withSession = peers.filter(({ lastHandshakeMs = 0 }) => lastHandshakeMs > oldestMs).length
      return {
        device: { ...(link && { mtuBytes: link.mtuBytes, up: link.up }) },
        peers: { count: peers.length, withSession },
      }
    } catch (error) {
      return { device: { problem: reasonOf(error) }, peers: { count: 0, withSession: 0 } }
    } finally {
      links.close()
    }
  }
}

function countOthers(view: NetworkView | undefined, node: string, problems: readonly RecordProblem[]): number {
  const bad = new Set(problems.map(problem => problem.node))
  return [...(view?.nodes.keys() ?? [])].filter(name => name !== node && !bad.has(name)).length
}
