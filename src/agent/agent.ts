// Keeps one node in step with the store.
//
//   start: lock --> key --> name, interface, port, range --> prefixes, claimed --> close the host --> watch store and host
//   then:  store, host, time --ask--> own claims and record --> device --> plan --> difference --> apply
//
// Nothing here remembers what was applied: each round observes. When the agent ends, all stays as it is. A store that
// fails does not keep a round from the host, and a device that fails does not keep it from closing the host.

import { join } from 'node:path'
import { podwireError } from '../base/errors.ts'
import type { PublicKey } from '../base/key.ts'
import type { Log } from '../base/log.ts'
import type { Secret } from '../base/secret.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import { formatNodeRecord, type NetworkView, type NodeRecord } from '../model/node-record.ts'
import { openLinks, watchHost } from '../native/link.ts'
import { admitView } from '../plan/admit.ts'
import { describeChange } from '../plan/describe-change.ts'
import { differenceOf } from '../plan/difference.ts'
import { planHost } from '../plan/host-planner.ts'
import type { Store, StoreEvent } from '../store/store.ts'
import { applyChanges } from '../system/apply.ts'
import { openNftables } from '../system/nftables.ts'
import { observeHost } from '../system/observe.ts'
import { readOrCreateKey } from '../system/secrets.ts'
import { prepareForwarding } from '../system/sysctl.ts'
import { generatePrivateKey, publicKeyOf } from '../wireguard/keys.ts'
import { type Backend, chooseBackend, openBackend } from './backend.ts'
import { closeHost } from './bare-host.ts'
import { claimPrefixes } from './claim.ts'
import { greetNewPeers } from './greet.ts'
import { HostFiles } from './host-files.ts'
import { lockDevice } from './host-lock.ts'
import { type DeviceHost, ensureDevice, requireRoom } from './own-device.ts'
import { Reconciler } from './reconciler.ts'
import { observePrefixes, observeSelf, requireApart, requireOutside } from './self.ts'
import { View } from './view.ts'

export interface AgentOptions {
  readonly store: Store
  /** Name of this node in the store. */
  readonly name: string
  /** Name of the interface. */
  readonly device: string
  /** "auto": that of the device which is there, else the kernel's, and without one a userspace device. */
  readonly backend: Backend | 'auto'
  readonly listenPort: number
  /** Where others reach this node, "ip:port"; empty behind a NAT. */
  readonly endpoints: readonly string[]
  /** Folder of the private key. */
  readonly stateFolder: string
  /** The command line that starts a device when the interface's name is put behind it; it must outlive the agent. */
  readonly deviceCommand: readonly [string, ...string[]]
  readonly log: Log
  /** Told of each round, which it runs. */
  readonly aroundRound?: (round: () => Promise<void>) => Promise<void>
}

/** The doors to this host, and whose WireGuard its device is. Errors: ERR_PODWIRE_ADDON, _SYSTEM. */
export function openHost(deviceName: string, asked: Backend | 'auto'): DeviceHost {
  const links = openLinks()
  const backend = chooseBackend(asked, deviceName, links)
  return {
    backend,
    deviceName,
    device: openBackend(backend, deviceName),
    links,
    nftables: openNftables(deviceName),
    clock: { wallMs: Date.now },
    publicKeyOf,
  }
}

/** The file of the node's private key. */
export function keyFile(stateFolder: string): string {
  return join(stateFolder, 'private.key')
}

/** Runs until the signal. Errors up to the first round end it; later ones are logged, and the round is tried again. */
export async function runAgent(options: AgentOptions, signal: AbortSignal): Promise<void> {
  const { store, name, device, listenPort, stateFolder, log } = options
  const network = await store.readNetwork()
  const host = openHost(device, options.backend)
  let unlock = () => {}
  try {
    await host.nftables.observe() // no root, no nft: said before anything is made
    unlock = await lockDevice(device)
    const privateKey = await readOrCreateKey(keyFile(stateFolder), generatePrivateKey)
    await requireName(options, publicKeyOf(privateKey))
    await requireRoom(host, listenPort)
    requireOutside(network, options, host.links)
    await requireApart(network, host)
    const inUse = observePrefixes(host.links, device, network)
    const prefixes = await claimPrefixes({ store, network, node: name, inUse })
    if (await closeHost(host, network)) log.info({ prefixes }, 'closed: the range never leaves in clear')
    const agent = new Agent({ ...options, host, privateKey, view: new View(network), prefixes })
    await agent.run(signal)
  } finally {
    host.links.close()
    unlock()
  }
  log.info({}, 'stopped; the device, its routes and rules stay as they are, and traffic goes on')
}

/** Refuses a name that the store holds with another key. Errors: ERR_PODWIRE_NODE_NAME_TAKEN, ERR_PODWIRE_STORE. */
export async function requireName(
  { store, name }: Pick<AgentOptions, 'store' | 'name'>,
  ours: PublicKey,
): Promise<void> {
  const holder = await store.readNode(name)
  if (holder === undefined || holder.publicKey === ours) return
  const record = `of node ${name} in ${store.address}`
  throw podwireError('ERR_PODWIRE_NODE_NAME_TAKEN', { name, theirs: holder.publicKey, ours, record })
}

interface Parts extends AgentOptions {
  readonly host: DeviceHost
  readonly privateKey: Secret
  readonly view: View
  readonly prefixes: readonly string[]
}

class Agent {
  readonly #parts: Parts
  readonly #publicKey: PublicKey
  readonly #reconciler = new Reconciler()
  #prefixes: readonly string[]
  readonly #files: HostFiles
  /** What was wrong with records in the last round: each is logged once. */
  #problems: ReadonlySet<string> = new Set()
  #synced = () => {}
  /** The store came back, and may have forgotten us; the view does not show it yet. */
  #forgotten = false
  /** The last that this host is known to lie outside of. */
  #network: NetworkConfig | undefined

  constructor(parts: Parts) {
    this.#parts = parts
    this.#prefixes = parts.prefixes
    this.#files = new HostFiles(parts.stateFolder)
    this.#publicKey = publicKeyOf(parts.privateKey)
  }

  async run(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const { store, log, aroundRound = run => run() } = this.#parts
    const work = () => aroundRound(() => this.#round())
    const firstSync = new Promise<void>(resolve => {
      this.#synced = resolve
      signal.addEventListener('abort', () => resolve())
    })
    // Ends the store's watch too when the first round fails.
    const ending = new AbortController()
    signal.addEventListener('abort', () => ending.abort())
    const unwatch = watchHost(() => this.#reconciler.ask())
    try {
      store.watch(event => this.#take(event), ending.signal)
      await firstSync
      if (!signal.aborted) await work()
      await this.#reconciler.run({ work, log, signal })
    } finally {
      unwatch()
      ending.abort()
    }
  }

  #take(event: StoreEvent): void {
    const { view, log, name, store } = this.#parts
    const wasInSync = view.inSync
    view.take(event)
    switch (event.kind) {
      case 'inSync': {
        const nodes = view.seen?.nodes.size
        log.info({ store: store.address, node: name, prefixes: this.#prefixes, nodes }, 'in sync with the store')
        this.#synced()
        break
      }
      case 'lost':
        log.warn({ store: store.address, reason: event.reason }, 'the store is lost; all stays as it was last seen')
        return
      case 'back':
        this.#forgotten = true
        break
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

  async #round(): Promise<void> {
    const { view, host, endpoints, device, log } = this.#parts
    const seen = view.seen
    if (seen === undefined) return
    if (seen.network !== this.#network) {
      requireOutside(seen.network, this.#parts, host.links)
      await requireApart(seen.network, host)
    }
    this.#network = seen.network

    let failure: unknown
    const tellStore = async (work: () => Promise<void>): Promise<void> => {
      if (failure !== undefined) return
      await work().catch((error: unknown) => {
        failure = error
      })
    }
    if (this.#forgotten || (view.inSync && !this.#holdsClaims(seen))) await tellStore(() => this.#claim(seen))
    await this.#files.keep({ device, prefixes: this.#prefixes, network: seen.network }, log)
    // With an endpoint, whoever reads our record may send at once: it is written when all is ready. Without one nobody can
    // send before we do, and what we send to those who have not read it is lost for 5 s: it is written first.
    const speaksFirst = endpoints.length === 0
    if (speaksFirst) await tellStore(() => this.#publish())
    await this.#keepHost(seen)
    if (!speaksFirst) await tellStore(() => this.#publish())
    if (failure !== undefined) throw failure
  }

  async #keepHost(seen: NetworkView): Promise<void> {
    const { host, deviceCommand: command, privateKey, listenPort, log, device } = this.#parts
    try {
      await ensureDevice(host, { command, privateKey, listenPort, log })
      const settings = await prepareForwarding(device)
      if (settings.length > 0) log.info({ settings }, 'kernel settings changed, so that this host forwards')
      await this.#apply(seen)
    } catch (error) {
      // What is wrong may stay wrong, and meanwhile someone may have opened the host.
      if (await closeHost(host, seen.network)) log.warn({}, 'closed again: the range never leaves in clear')
      throw error
    }
  }

  #holdsClaims(seen: NetworkView): boolean {
    const { name } = this.#parts
    const admission = admitView(seen)
    admission.settle()
    const mine = new Set(admission.heldBy(name).map(({ prefix }) => prefix))
    return this.#prefixes.every(prefix => mine.has(prefix)) && this.#prefixes.length === seen.network.range.length
  }

  /** Claims again what the store has lost. */
  async #claim({ network }: NetworkView): Promise<void> {
    const { store, name, log } = this.#parts
    const before = this.#prefixes
    this.#prefixes = await claimPrefixes({ store, network, node: name, inUse: before })
    if (this.#prefixes.join() !== before.join()) log.warn({ before, prefixes: this.#prefixes }, 'our prefixes changed')
  }

  async #apply(seen: NetworkView): Promise<void> {
    const { host, log, name } = this.#parts
    const self = observeSelf(this.#parts, {
      publicKey: this.#publicKey,
      prefixes: this.#prefixes,
      view: seen,
      links: host.links,
    })
    const { host: desired, problems } = planHost(seen, self)
    const texts = new Map(problems.map(problem => [`${problem.node}: ${problem.reason}`, problem]))
    for (const [text, problem] of texts) if (!this.#problems.has(text)) log.warn({ ...problem }, 'record refused')
    this.#problems = new Set(texts.keys())

    const changes = differenceOf(desired, await observeHost(host))
    if (changes.length === 0) return
    const startMs = performance.now()
    await applyChanges(host, changes)
    // In passing. Those who do not know us yet greet us when they do.
    if (seen.nodes.get(name)?.publicKey === this.#publicKey) {
      void greetNewPeers(host.device, this.#publicKey, changes)
    }
    const tookMs = Math.round(performance.now() - startMs)
    log.info({ tookMs, changes: changes.map(describeChange) }, 'applied')
  }

  /** Writes our record, unless the store holds it as it is. */
  async #publish(): Promise<void> {
    const { store, name, endpoints, log, view } = this.#parts
    if (!this.#forgotten && !view.inSync) return
    const known = this.#forgotten ? await store.readNode(name) : view.seen?.nodes.get(name)
    const record: NodeRecord = { name, publicKey: this.#publicKey, endpoints, prefixes: this.#prefixes }
    if (!known || formatNodeRecord(known) !== formatNodeRecord(record)) {
      await store.writeNode(record)
      log.info({ ...record }, 'own record written')
    }
    this.#forgotten = false
  }
}
