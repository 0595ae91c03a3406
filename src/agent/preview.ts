// What the agent would do on this host, with nothing done: the same view, plan and difference, and no apply.

import { podwireError } from '../base/errors.ts'
import type { PublicKey } from '../base/key.ts'
import type { Change } from '../model/host-change.ts'
import type { HostState } from '../model/host-state.ts'
import { type Claim, formatNodeRecord, type NetworkView } from '../model/node-record.ts'
import type { RecordProblem } from '../plan/admit.ts'
import { differenceOf } from '../plan/difference.ts'
import { planHost } from '../plan/host-planner.ts'
import { observedMtus } from '../plan/path-mtu.ts'
import type { Store } from '../store/store.ts'
import { observeHost } from '../system/observe.ts'
import { readKey } from '../system/secrets.ts'
import { previewForwarding } from '../system/sysctl.ts'
import { generatePrivateKey, publicKeyOf } from '../wireguard/keys.ts'
import { type AgentOptions, keyFile, openHost, requireName } from './agent.ts'
import { observeBareHost } from './bare-host.ts'
import { type Claiming, claimPrefixes } from './claim.ts'
import { findDevice, requireRoom } from './own-device.ts'
import { observePrefixes, openUnderlay, requireApart, requireOutside, selfState } from './self.ts'
import { View } from './view.ts'

export interface Preview {
  readonly desired: HostState
  /** What comes before the changes of the host, in words. */
  readonly first: readonly string[]
  readonly changes: readonly Change[]
  readonly problems: readonly RecordProblem[]
  /** What could not be read in the store. */
  readonly unreadable: readonly string[]
}

/** Errors: those with which the agent would not start. */
export async function previewHost(options: Omit<AgentOptions, 'log' | 'deviceCommand'>): Promise<Preview> {
  const { store, name, device, listenPort, endpoints, stateFolder } = options
  const { view, unreadable } = await readView(store)
  const { network } = view
  const host = openHost(device, options.backend)
  try {
    const key = await readKey(keyFile(stateFolder))
    const publicKey: PublicKey = publicKeyOf(key ?? generatePrivateKey())
    await requireName(options, publicKey)
    await requireRoom(host, listenPort)
    requireOutside(network, options, host.links)
    await requireApart(network, host)
    const first = key === undefined ? [`key: make one in ${keyFile(stateFolder)}`] : []
    const inUse = observePrefixes(host.links, device, network)
    const prefixes = await claimPrefixes({ store: rehearsed(store, first), network, node: name, inUse })
    const state = await findDevice(host)
    if (state === undefined) first.push(`device: start ${device}`)
    else if (state.privateKey === undefined || publicKeyOf(state.privateKey) !== publicKey)
      first.push('device: set our key')
    first.push(...(await previewForwarding(device)).map(setting => `kernel setting: ${setting}`))
    const record = formatNodeRecord({ name, publicKey, endpoints, prefixes })
    const known = view.nodes.get(name)
    if (known === undefined || formatNodeRecord(known) !== record) first.push(`record: write that of ${name}`)
    const observed = state === undefined ? await observeBareHost(host) : await observeHost(host)
    const underlay = openUnderlay(host.links, device)
    for (const node of view.nodes.values()) if (node.name !== name) underlay.setNode(node.name, node.endpoints)
    const routeMtus = observedMtus(view.nodes.values(), observed.routes)
    const self = selfState(options, { publicKey, prefixes, underlay: underlay.observe(), routeMtus })
    const { host: desired, problems } = planHost(view, self)
    return { desired, first, changes: differenceOf(desired, observed), problems, unreadable }
  } finally {
    host.links.close()
  }
}

/** Reads the store once. Errors: those of readNetwork. */
export async function readView(store: Store): Promise<{ view: NetworkView; unreadable: string[] }> {
  const view = new View(await store.readNetwork())
  const unreadable: string[] = []
  const ending = new AbortController()
  try {
    await new Promise<void>((resolve, reject) => {
      store.watch(event => {
        view.take(event)
        if (event.kind === 'problem') unreadable.push(event.reason)
        if (event.kind === 'inSync') resolve()
        if (event.kind !== 'lost') return
        reject(podwireError('ERR_PODWIRE_STORE', { store: store.address, what: 'reading it', reason: event.reason }))
      }, ending.signal)
    })
  } finally {
    ending.abort()
  }
  return {
    view: view.seen ?? { network: await store.readNetwork(), nodes: new Map(), claims: new Map(), removals: new Map() },
    unreadable,
  }
}

/** The store, but claims are only made and given up here, and said. */
function rehearsed(store: Store, said: string[]): Claiming['store'] {
  let claims: Promise<Claim[]> | undefined
  const list = () => {
    claims ??= store.listClaims()
    return claims
  }
  return {
    listClaims: async () => [...(await list())],
    async claim(claim) {
      said.push(`claim: ${claim.prefix}`)
      return (await list()).push(claim) > 0
    },
    async release({ prefix, node }) {
      said.push(`claim: give up ${prefix}`)
      claims = list().then(all => all.filter(claim => claim.prefix !== prefix || claim.node !== node))
    },
  }
}
