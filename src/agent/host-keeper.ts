// Keeps the host as the plan has it. Knows what it last observed and what it has applied since, so that a change of one record
// is a change of its peer and its routes, and nothing else is looked at.
//
//   touched keys --> part of the plan, part of what is known --> differenceOf --> apply --> known
//
// All of the host is observed at the start, when others changed something of it, after a failure, and once a minute, since a
// device tells nobody when its peers are changed by hand.

import type { PublicKey } from '../base/key.ts'
import type { Log } from '../base/log.ts'
import type { Secret } from '../base/secret.ts'
import type { Change } from '../model/host-change.ts'
import type { HostNews } from '../native/link.ts'
import { describeChange } from '../plan/describe-change.ts'
import { differenceOf } from '../plan/difference.ts'
import type { HostPlanner, Touched } from '../plan/host-planner.ts'
import { KnownHost } from '../plan/known-host.ts'
import type { SelfState } from '../plan/plan.ts'
import { applyChanges } from '../system/apply.ts'
import { observeHost, observePeers } from '../system/observe.ts'
import { prepareForwarding } from '../system/sysctl.ts'
import { type DeviceHost, ensureDevice } from './own-device.ts'

/** Between two observations of all. */
export const auditMs = 60_000
/** A log line of thousands of changes helps nobody. */
const describedChanges = 20

interface Parts {
  readonly host: DeviceHost
  readonly planner: HostPlanner
  readonly privateKey: Secret
  /** As AgentOptions has it. */
  readonly deviceCommand: readonly [string, ...string[]]
  readonly log: Log
}

interface Keeping {
  /** Peers whose route may have another MTU by now. */
  readonly resized: readonly PublicKey[]
  readonly keepsStrangers: boolean
}

export interface Kept {
  readonly touched: Touched
  readonly changes: readonly Change[]
}

export class HostKeeper {
  readonly #parts: Parts
  /** Absent: it must be observed. */
  #known: KnownHost | undefined
  /** Others changed something of podwire's since it was observed. */
  #isStale = false
  #observedMs = Number.NEGATIVE_INFINITY
  /** Others changed something that may be our device or an address of it. */
  #isDoubted = false
  #keptStrangers = false

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Hears that others changed something. */
  take({ ours, others }: HostNews): void {
    if (ours) this.#isStale = true
    if (others) this.#isDoubted = true
  }

  /**
   * Makes the host what the plan says. Peers and routes that nobody planned stay while `keepsStrangers`: who they are is not known
   * before the store was in sync. Errors: those of the device and of the host; all is observed again the next time.
   */
  async keep(self: SelfState, { resized, keepsStrangers }: Keeping): Promise<Kept> {
    const touched = this.#parts.planner.advance(self, resized)
    try {
      const known = await this.#knownFor(self, touched)
      const changes =
        known === undefined ? await this.#keepAll(self, keepsStrangers) : await this.#keepPart(self, touched, known)
      return { touched, changes }
    } catch (error) {
      this.#known = undefined
      throw error
    }
  }

  /** What is known, if it is good for the touched parts. */
  async #knownFor(self: SelfState, touched: Touched): Promise<KnownHost | undefined> {
    const known = this.#known
    if (known === undefined || this.#isStale || this.#keptStrangers) return undefined
    if (performance.now() - this.#observedMs >= auditMs) return undefined
    if (this.#isDoubted && !this.#deviceIsAs(known)) return undefined
    this.#isDoubted = false
    // Only the device knows whether an endpoint works by now, which one that is declared must not replace.
    const { planner, host } = this.#parts
    const moved: PublicKey[] = []
    for (const { publicKey, endpoint } of planner.host(self, touched).device.peers) {
      const before = known.peer(publicKey)
      if (before !== undefined && endpoint !== undefined && endpoint !== before.endpoint) moved.push(publicKey)
    }
    if (moved.length === 0) return known
    const peers = await observePeers(host, moved)
    for (const peer of peers) known.takePeer(peer)
    return peers.length === moved.length ? known : undefined
  }

  /** Whether our link and its addresses are as they were: two short listings. */
  #deviceIsAs(known: KnownHost): boolean {
    const { links, deviceName } = this.#parts.host
    const { device, addresses } = known.part({ peers: new Set(), routes: new Set() })
    const link = links.links().find(({ name }) => name === deviceName)
    if (link === undefined || link.up !== device.up || link.mtuBytes !== device.mtuBytes) return false
    const now = links
      .addresses()
      .flatMap(({ link, cidr, scope }) => (link === deviceName && scope !== 'link' ? cidr : []))
    return [...now].sort().join() === [...addresses].sort().join()
  }

  async #keepAll(self: SelfState, keepsStrangers: boolean): Promise<Change[]> {
    const { host, planner, log, privateKey, deviceCommand: command } = this.#parts
    // What others change from here on is news.
    this.#isStale = false
    this.#isDoubted = false
    const state = await ensureDevice(host, { command, privateKey, listenPort: self.listenPort, log })
    const settings = await prepareForwarding(host.deviceName)
    if (settings.length > 0) log.info({ settings }, 'kernel settings changed, so that this host forwards')
    const observed = await observeHost(host, state)
    const known = new KnownHost(observed)
    const changes = differenceOf(planner.host(self), observed).filter(change => !keepsStrangers || !isTaking(change))
    await this.#apply(changes, known)
    this.#keptStrangers = keepsStrangers
    this.#observedMs = performance.now()
    this.#known = known
    return changes
  }

  async #keepPart(self: SelfState, touched: Touched, known: KnownHost): Promise<Change[]> {
    const changes = differenceOf(this.#parts.planner.host(self, touched), known.part(touched))
    await this.#apply(changes, known)
    return changes
  }

  async #apply(changes: readonly Change[], known: KnownHost): Promise<void> {
    if (changes.length === 0) return
    const startMs = performance.now()
    await applyChanges(this.#parts.host, changes, change => known.take(change))
    const tookMs = Math.round(performance.now() - startMs)
    const described = changes.slice(0, describedChanges).map(describeChange)
    if (changes.length > describedChanges) described.push(`and ${changes.length - describedChanges} more`)
    this.#parts.log.info({ tookMs, changes: described }, 'applied')
  }
}

/** Whether a change takes away what nobody planned. */
function isTaking(change: Change): boolean {
  if (change.kind === 'peer') return change.change.remove === true || change.change.removeAllowedIps !== undefined
  return change.kind === 'removeRoute' || change.kind === 'removeAddress'
}
