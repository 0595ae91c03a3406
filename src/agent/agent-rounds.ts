// The agent's rounds: what the store and the host say is taken as it comes, and a round brings both in step again.
//
//   store, host, time --ask--> own claims --> own record --> plan and host (host-keeper.ts)
//
// A store that fails does not keep a round from the host, and a device that fails does not keep it from closing the host.

import { PodwireError, podwireError } from '../base/errors.ts'
import type { PublicKey } from '../base/key.ts'
import type { Secret } from '../base/secret.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import { type HostNews, watchHost } from '../native/link.ts'
import { HostPlanner } from '../plan/host-planner.ts'
import { observedMtus } from '../plan/path-mtu.ts'
import type { SelfState } from '../plan/plan.ts'
import type { StoreEvent } from '../store/store.ts'
import { observeRoutes } from '../system/observe.ts'
import { publicKeyOf } from '../wireguard/keys.ts'
import type { AgentOptions } from './agent.ts'
import { closeHost } from './bare-host.ts'
import { claimPrefixes, heldPrefixes } from './claim.ts'
import { watchForwarding } from './forwarding.ts'
import { greetNewPeers } from './greet.ts'
import { HostFiles } from './host-files.ts'
import { auditMs, HostKeeper } from './host-keeper.ts'
import { HostTrafficKeeper } from './host-traffic.ts'
import type { DeviceHost } from './own-device.ts'
import { OwnRecord } from './own-record.ts'
import { PathProbe } from './path-probe.ts'
import { Reconciler } from './reconciler.ts'
import { openUnderlay, requireApart, requireOutside, selfState } from './self.ts'
import type { Underlay } from './underlay.ts'
import type { View } from './view.ts'

/** Claims that were just made are in the view this much later at most. */
const claimSeenMs = 2_000
/** Where other programs change links and routes all the time, they are looked at this often. */
const refreshMs = 1_000

interface Parts extends AgentOptions {
  readonly host: DeviceHost
  readonly privateKey: Secret
  readonly view: View
  /** Prefixes that the device's addresses say are ours. */
  readonly inUse: readonly string[]
}

export class AgentRounds {
  readonly #parts: Parts
  readonly #publicKey: PublicKey
  readonly #reconciler = new Reconciler()
  readonly #planner: HostPlanner
  readonly #keeper: HostKeeper
  readonly #underlay: Underlay
  readonly #ownRecord: OwnRecord
  readonly #files: HostFiles
  readonly #hostTraffic: HostTrafficKeeper
  /** None yet, or none asked for. */
  #paths: PathProbe | undefined
  /** Peers whose route may have another MTU by now. */
  readonly #resized = new Set<PublicKey>()
  /** The store itself was in sync: a peer or route of no record is a stranger's. Before, what the disk remembers may lack it. */
  #isConfirmed = false
  #prefixes: readonly string[]
  #claimedMs = Number.NEGATIVE_INFINITY
  /** What is wrong with records, by name: each is logged once. */
  readonly #problems = new Map<string, string>()
  #synced = () => {}
  #isSyncLogged = false
  /** Others changed links, addresses or routes since all paths were looked up, at that time. */
  #isUnderlayOld = false
  #refreshedMs = performance.now()
  #refreshTimer: NodeJS.Timeout | undefined
  /** The last that this host is known to lie outside of. */
  #network: NetworkConfig | undefined

  constructor(parts: Parts) {
    const { store, name, log, host, privateKey, view, deviceCommand, device } = parts
    this.#parts = parts
    this.#prefixes = parts.inUse
    this.#files = new HostFiles(parts.stateFolder)
    this.#hostTraffic = new HostTrafficKeeper(parts)
    this.#publicKey = publicKeyOf(privateKey)
    this.#underlay = openUnderlay(host.links, device)
    this.#ownRecord = new OwnRecord({ store, name, publicKey: this.#publicKey, log })
    this.#planner = new HostPlanner(view.admission)
    this.#keeper = new HostKeeper({ host, planner: this.#planner, privateKey, deviceCommand, log })
  }

  /** Errors: those of the first round, and ERR_PODWIRE_NODE_REMOVED whenever it comes. */
  async run(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const { store, log, host, name, device, acceptForward = false, aroundRound = run => run() } = this.#parts
    const firstSync = new Promise<void>(resolve => {
      this.#synced = resolve
      signal.addEventListener('abort', () => resolve())
    })
    // Ends the store's watch too when the first round fails, or the node was removed.
    const ending = new AbortController()
    signal.addEventListener('abort', () => ending.abort())
    const work = async () => {
      await aroundRound(() => this.#round())
      if (this.#isRemoved()) ending.abort()
    }
    watchForwarding({ device, accept: acceptForward, log }, ending.signal)
    const unwatch = watchHost(news => this.#hear(news), { own: host.links })
    try {
      store.watch(event => this.#take(event), ending.signal)
      await firstSync
      if (!signal.aborted) await this.#probePaths()
      if (!signal.aborted) await work()
      await this.#reconciler.run({ work, log, signal: ending.signal, atLeastEveryMs: auditMs })
    } finally {
      unwatch()
      clearTimeout(this.#refreshTimer)
      ending.abort()
      this.#paths?.close()
    }
    if (this.#isRemoved()) throw podwireError('ERR_PODWIRE_NODE_REMOVED', { name, key: this.#publicKey })
  }

  /** What routes say stays until more is found: traffic does not feel that an agent starts again. */
  async #probePaths(): Promise<void> {
    const { host, privateKey, listenPort, mtuBytes, probeTimes, view, log } = this.#parts
    if (mtuBytes !== undefined) return
    this.#paths = new PathProbe({
      ...host,
      privateKey,
      publicKey: this.#publicKey,
      listenPort,
      adopted: observedMtus(view.admission.view().nodes.values(), observeRoutes(host.links)),
      onChange: peer => {
        this.#resized.add(peer)
        this.#reconciler.ask()
      },
      log,
      ...(probeTimes && { times: probeTimes }),
    })
    await this.#paths.start()
  }

  #isRemoved(): boolean {
    return this.#parts.view.admission.isRemoved(this.#publicKey)
  }

  #hear(news: HostNews): void {
    this.#keeper.take(news)
    this.#isUnderlayOld = true
    const waitMs = this.#refreshedMs + refreshMs - performance.now()
    const ask = () => {
      this.#refreshTimer = undefined
      this.#reconciler.ask()
    }
    if (news.ours || waitMs <= 0) ask()
    else this.#refreshTimer ??= setTimeout(ask, waitMs)
  }

  #take(event: StoreEvent): void {
    const { view, log, store } = this.#parts
    const wasInSync = view.inSync
    view.take(event)
    this.#ownRecord.take(event)
    switch (event.kind) {
      case 'inSync':
        if (this.#isSyncLogged) this.#logSync()
        this.#synced()
        break
      case 'lost':
        log.warn({ store: store.address, reason: event.reason }, 'the store is lost; all stays as it was last seen')
        return
      case 'problem':
        log.warn({ reason: event.reason }, 'left out, as it cannot be read')
        return
      case 'node':
        if (wasInSync) log.info({ node: event.record.name, prefixes: event.record.prefixes }, 'record changed')
        break
      case 'nodeGone':
        log.info({ node: event.name }, 'record gone')
        break
      default:
    }
    this.#reconciler.ask()
  }

  #logSync(): void {
    const { store, name, view, log } = this.#parts
    const nodes = view.admission.size
    log.info({ store: store.address, node: name, prefixes: this.#prefixes, nodes }, 'in sync with the store')
    this.#isSyncLogged = true
  }

  async #round(): Promise<void> {
    const { view, endpoints } = this.#parts
    if (!view.isKnown) return
    this.#isConfirmed ||= view.inSync
    const { network } = view.admission
    if (network !== this.#network) await this.#takeNetwork(network)

    let failure: unknown
    const tellStore = async (work: () => Promise<void>): Promise<void> => {
      if (failure !== undefined || this.#isRemoved()) return
      await work().catch((error: unknown) => {
        failure = error
      })
    }
    await tellStore(() => this.#claim())
    if (failure !== undefined && this.#prefixes.length === 0) throw failure // a node without prefixes has nothing to keep
    if (!this.#isSyncLogged && failure === undefined) this.#logSync()
    // With an endpoint, whoever reads our record may send at once: it is written when all is ready. Without one nobody can
    // send before we do, and what we send to those who have not read it is lost for 5 s: it is written first.
    const speaksFirst = endpoints.length === 0
    if (speaksFirst) await tellStore(() => this.#publish())
    await this.#keepHost()
    if (!speaksFirst) await tellStore(() => this.#publish())
    if (failure !== undefined) throw failure
  }

  /** Errors: those of requireOutside and requireApart. */
  async #takeNetwork(network: NetworkConfig): Promise<void> {
    const { host } = this.#parts
    requireOutside(network, this.#parts, host.links)
    await requireApart(network, host)
    this.#network = network
  }

  async #keepHost(): Promise<void> {
    const { host, log, view, name, device } = this.#parts
    try {
      const { admission } = view
      const hostTraffic = await this.#hostTraffic.keep(admission, this.#prefixes)
      const { network } = admission
      await this.#files.keep({ device, prefixes: this.#prefixes, network, hostTraffic }, log)
      const resized = [...this.#resized]
      this.#resized.clear()
      const { changes, touched } = await this.#keeper.keep(this.#observeSelf(), {
        resized,
        keepsStrangers: !this.#isConfirmed,
      })
      this.#logProblems(touched.names)
      // In passing. Those who do not know us yet greet us when they do.
      if (view.admission.record(name)?.publicKey === this.#publicKey) {
        void greetNewPeers(host.device, this.#publicKey, changes)
      }
    } catch (error) {
      // What is wrong may stay wrong, and meanwhile someone may have opened the host.
      if (await closeHost(host, view.admission.network)) {
        log.warn({}, 'closed again: the range never leaves in clear')
      }
      throw error
    }
  }

  #observeSelf(): SelfState {
    const { view, name } = this.#parts
    for (const node of this.#planner.changed()) {
      if (node !== name) this.#underlay.setNode(node, view.admission.admitted(node)?.endpoints ?? [])
    }
    if (this.#isUnderlayOld) {
      this.#isUnderlayOld = false
      this.#refreshedMs = performance.now()
      this.#underlay.refresh()
    }
    const underlay = this.#underlay.observe()
    const routeMtus = this.#paths?.mtus ?? new Map()
    return selfState(this.#parts, { publicKey: this.#publicKey, prefixes: this.#prefixes, underlay, routeMtus })
  }

  #logProblems(names: ReadonlySet<string>): void {
    const { view, log } = this.#parts
    for (const node of names) {
      const reason = view.admission.reason(node)
      if (reason === this.#problems.get(node)) continue
      if (reason === undefined) this.#problems.delete(node)
      else this.#problems.set(node, reason)
      if (reason !== undefined) log.warn({ node, reason }, 'record refused')
    }
  }

  /** Claims our prefixes, if we have none yet or the store has lost them. */
  async #claim(): Promise<void> {
    const { store, name, log, view } = this.#parts
    const before = this.#prefixes
    this.#planner.changed() // so that the claims are judged
    const held = heldPrefixes(view.admission.network, view.admission.heldBy(name), before)
    const isNew = performance.now() - this.#claimedMs < claimSeenMs
    if (held !== undefined && !this.#ownRecord.mayBeForgotten) {
      if (held.join() !== before.join()) this.#prefixes = held
    } else if (this.#ownRecord.mayBeForgotten || (view.inSync && !isNew)) {
      this.#prefixes = await claimPrefixes({ store, network: view.admission.network, node: name, inUse: before })
      this.#claimedMs = performance.now()
    }
    if (before.length > 0 && this.#prefixes.join() !== before.join()) {
      log.warn({ before, prefixes: this.#prefixes }, 'our prefixes changed')
    }
  }

  async #publish(): Promise<void> {
    const { name, endpoints, view } = this.#parts
    const record = { name, publicKey: this.#publicKey, endpoints, prefixes: this.#prefixes }
    try {
      await this.#ownRecord.publish(record, view.admission.record(name), view.inSync)
    } catch (error) {
      // Told sooner than the watch tells it.
      if (!(error instanceof PodwireError) || error.code !== 'ERR_PODWIRE_NODE_REMOVED') throw error
      view.admission.addRemoval({ node: name, publicKey: this.#publicKey, sinceMs: Date.now() })
      this.#reconciler.ask()
    }
  }
}
