// An agent of the crowd: all of a real one but its host. It claims its prefixes, writes its record, follows the store and plans record
// by record; what it would give to a device and to the kernel, it keeps in a map.

import { setTimeout as delay } from 'node:timers/promises'
import { claimPrefixes } from '../../src/agent/claim.ts'
import { Reconciler } from '../../src/agent/reconciler.ts'
import { PodwireError } from '../../src/base/errors.ts'
import type { PublicKey } from '../../src/base/key.ts'
import type { HostPeer } from '../../src/model/host-state.ts'
import { formatNodeRecord } from '../../src/model/node-record.ts'
import { Admission } from '../../src/plan/admit.ts'
import { HostPlanner } from '../../src/plan/host-planner.ts'
import type { Store, StoreEvent } from '../../src/store/store.ts'

export interface CrowdNode {
  readonly name: string
  readonly publicKey: PublicKey
}

interface Parts extends CrowdNode {
  readonly store: Store
  readonly admission: Admission
  readonly prefixes: readonly string[]
  /** Told after each round that changed a peer. */
  readonly onPeers: () => void
}

const againMs = 500
const patienceMs = 300_000

const silent = { debug() {}, info() {}, warn() {}, error() {} }

export class CrowdAgent {
  readonly peers = new Map<PublicKey, HostPeer>()
  readonly prefixes: readonly string[]
  readonly #parts: Parts
  readonly #planner: HostPlanner
  readonly #reconciler = new Reconciler()
  readonly #ending = new AbortController()
  #running: Promise<void> | undefined
  #inSync = false

  private constructor(parts: Parts) {
    this.#parts = parts
    this.prefixes = parts.prefixes
    this.#planner = new HostPlanner(parts.admission)
  }

  static async start(store: Store, { name, publicKey }: CrowdNode, onPeers: () => void): Promise<CrowdAgent> {
    const { network, prefixes } = await asOften(async () => {
      const network = await store.readNetwork()
      return { network, prefixes: await claimPrefixes({ store, network, node: name }) }
    })
    const agent = new CrowdAgent({ store, name, publicKey, prefixes, onPeers, admission: new Admission(network) })
    store.watch(event => agent.#take(event), agent.#ending.signal)
    agent.#running = agent.#reconciler.run({ work: () => agent.#round(), log: silent, signal: agent.#ending.signal })
    return agent
  }

  get inSync(): boolean {
    return this.#inSync
  }

  /** As when its process ends: the store hears nothing of it. */
  async stop(): Promise<void> {
    this.#ending.abort()
    await this.#running
    await this.#parts.store.close()
  }

  #take(event: StoreEvent): void {
    const { admission } = this.#parts
    if (event.kind === 'network') admission.setNetwork(event.network)
    else if (event.kind === 'node') admission.setNode(event.record)
    else if (event.kind === 'nodeGone') admission.deleteNode(event.name)
    else if (event.kind === 'claim') admission.setClaim(event.claim)
    else if (event.kind === 'claimGone') admission.deleteClaim(event.prefix)
    else if (event.kind === 'removal') admission.addRemoval(event.removal)
    else if (event.kind === 'inSync') this.#inSync = true
    else if (event.kind === 'lost') this.#inSync = false
    if (this.#inSync) this.#reconciler.ask()
  }

  async #round(): Promise<void> {
    if (!this.#inSync) return
    const { store, name, publicKey, prefixes, admission, onPeers } = this.#parts
    const record = { name, publicKey, endpoints: ['192.0.2.9:51820'], prefixes }
    const self = { ...record, device: 'podwire0', listenPort: 51820, underlayMtuBytes: 1500, families: [4, 6] as const }
    const touched = this.#planner.advance(self)
    const wanted = new Map(this.#planner.host(self, touched).device.peers.map(peer => [peer.publicKey, peer]))
    for (const key of touched.peers) {
      const peer = wanted.get(key)
      if (peer === undefined) this.peers.delete(key)
      else this.peers.set(key, peer)
    }
    if (touched.peers.size > 0) onPeers()
    const known = admission.record(name)
    if (known === undefined || formatNodeRecord(known) !== formatNodeRecord(record)) await store.writeNode(record)
  }
}

/** Tries again while the store does not answer, as whatever keeps an agent running does. Gives up after a while. */
async function asOften<T>(attempt: () => Promise<T>): Promise<T> {
  for (const deadlineMs = performance.now() + patienceMs; ; ) {
    try {
      return await attempt()
    } catch (error) {
      const isAway = error instanceof PodwireError && error.code === 'ERR_PODWIRE_STORE'
      if (!isAway || performance.now() > deadlineMs) throw error
      await delay(againMs * (0.5 + Math.random()))
    }
  }
}
