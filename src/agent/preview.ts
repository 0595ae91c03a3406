// What the agent would do on this host, with nothing done: the same view, plan and difference, and no apply.

import { parsePrefix } from '../base/cidr.ts'
import type { PublicKey } from '../base/key.ts'
import type { Change } from '../model/host-change.ts'
import type { HostState } from '../model/host-state.ts'
import type { NetworkView } from '../model/node-record.ts'
import { admitClaims, type RecordProblem } from '../plan/admit.ts'
import { choosePrefix } from '../plan/choose-prefix.ts'
import { differenceOf } from '../plan/difference.ts'
import { planHost } from '../plan/plan.ts'
import type { Store } from '../store/store.ts'
import { observeHost } from '../system/observe.ts'
import { readKey } from '../system/secrets.ts'
import { generatePrivateKey, publicKeyOf } from '../wireguard/keys.ts'
import { type AgentOptions, keyFile, openHost } from './agent.ts'
import { observeBareHost } from './bare-host.ts'
import { observeSelf } from './self.ts'
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

/** Errors: those of the agent's first round. */
export async function previewHost(options: Omit<AgentOptions, 'log' | 'deviceCommand'>): Promise<Preview> {
  const { store, name, device, stateFolder } = options
  const { view, unreadable } = await readView(store)
  const host = openHost(device)
  try {
    const first: string[] = []
    const key = await readKey(keyFile(stateFolder))
    if (key === undefined) first.push(`key: make one in ${keyFile(stateFolder)}`)
    const publicKey: PublicKey = publicKeyOf(key ?? generatePrivateKey())
    const prefixes = view.network.range.flatMap(range => prefixOf(range, name, view, first))
    const state = await host.device.get().catch(() => undefined)
    if (state === undefined) first.push(`device: start ${device}`)
    else if (state.privateKey === undefined || publicKeyOf(state.privateKey) !== publicKey)
      first.push('device: set our key')
    const observed = state === undefined ? await observeBareHost(host) : await observeHost(host)
    const self = observeSelf(options, { publicKey, prefixes, view, links: host.links })
    const { host: desired, problems } = planHost(view, self)
    return { desired, first, changes: differenceOf(desired, observed), problems, unreadable }
  } finally {
    host.links.close()
  }
}

/** Reads the store once. Errors: those of readNetwork. */
async function readView(store: Store): Promise<{ view: NetworkView; unreadable: string[] }> {
  const view = new View(await store.readNetwork())
  const unreadable: string[] = []
  const ending = new AbortController()
  await new Promise<void>(resolve => {
    store.watch(event => {
      view.take(event)
      if (event.kind === 'problem') unreadable.push(event.reason)
      if (event.kind === 'inSync') resolve()
    }, ending.signal)
  })
  ending.abort()
  return { view: view.seen ?? { network: await store.readNetwork(), nodes: new Map(), claims: new Map() }, unreadable }
}

/** The prefix that this node has in a range, or would claim. */
function prefixOf(rangeText: string, name: string, view: NetworkView, first: string[]): string[] {
  const range = parsePrefix(rangeText, 'range')
  const { family } = range
  const ofFamily = (text: string) => parsePrefix(text, 'claim').family === family
  const mine = admitClaims(view).find(({ node, prefix }) => node === name && ofFamily(prefix))
  if (mine !== undefined) return [mine.prefix]
  const { ipv4, ipv6 } = view.network.nodePrefixLength
  const chosen = choosePrefix(range, (family === 4 ? ipv4 : ipv6) ?? range.length, [...view.claims.keys()])
  if (chosen === undefined) return []
  first.push(`claim: ${chosen}`)
  return [chosen]
}
