// What a change of the network document does, in words: who may open more or less, and which sessions it touches. A session is
// between two peers and lives on with any change but of their keys: what is routed and let in changes beside it.

import type { NetworkDocument, NetworkNode } from '../config/network-document.ts'
import { planNode } from './network.ts'
import { namedPrefixes, networkAccess } from './network-access.ts'

export interface NetworkDiff {
  readonly access: readonly AccessChange[]
  /** Nodes whose own addresses change. */
  readonly addresses: readonly { readonly node: string; readonly before: string[]; readonly after: string[] }[]
  readonly sessions: { readonly ended: readonly SessionChange[]; readonly started: readonly SessionChange[] }
}

interface AccessChange {
  readonly from: string
  readonly to: string
  /** Both, unless it is about one only. */
  readonly family: 'both' | 4 | 6
  /** "everything", ports, or "nothing". */
  readonly before: string
  readonly after: string
}

interface SessionChange {
  readonly between: readonly [string, string]
  readonly reason: string
}

export function diffNetworks(before: NetworkDocument, after: NetworkDocument): NetworkDiff {
  return {
    access: diffAccess(before, after),
    addresses: diffAddresses(before, after),
    sessions: diffSessions(before, after),
  }
}

/** A line each; "No change." if there is none. */
export function describeNetworkDiff({ access, addresses, sessions }: NetworkDiff): string[] {
  const families = { both: '', 4: ' (IPv4 only)', 6: ' (IPv6 only)' }
  const lines = [
    ...access.map(({ from, to, family, before, after }) => {
      const change =
        before === 'nothing'
          ? `gains ${after}`
          : after === 'nothing'
            ? `loses ${before}`
            : `has ${after} instead of ${before}`
      return `access: ${from} to ${to}: ${change}${families[family]}`
    }),
    ...addresses.map(
      ({ node, before, after }) => `addresses: ${node} has ${after.join(', ')} instead of ${before.join(', ')}`,
    ),
    ...sessions.ended.map(({ between, reason }) => `session ends: ${between.join(' and ')}: ${reason}`),
    ...sessions.started.map(({ between, reason }) => `new session: ${between.join(' and ')}: ${reason}`),
  ]
  if (lines.length === 0) return ['No change of access, addresses or sessions.']
  return sessions.ended.length === 0 ? [...lines, 'No session that lives is touched.'] : lines
}

const nothing = 'nothing'

function diffAccess(before: NetworkDocument, after: NetworkDocument): AccessChange[] {
  const [old, now] = [accessByPair(before, namedPrefixes(after)), accessByPair(after, namedPrefixes(before))]
  const changes = new Map<string, AccessChange>()
  for (const key of new Set([...old.keys(), ...now.keys()])) {
    const [was, is] = [old.get(key), now.get(key)]
    const some = is ?? was
    if (some === undefined || was?.what === is?.what) continue
    const { from, to, family } = some
    const change = { from, to, before: was?.what ?? nothing, after: is?.what ?? nothing }
    const pair = JSON.stringify(change)
    changes.set(pair, { ...change, family: changes.has(pair) ? 'both' : family })
  }
  return [...changes.values()]
}

type Pair = { from: string; to: string; family: 4 | 6; what: string }

/** Several prefixes of one family at a node are one place here. */
function accessByPair(document: NetworkDocument, others: readonly string[]): Map<string, Pair> {
  const pairs = new Map<string, Pair>()
  for (const access of networkAccess(document, others)) {
    const key = `${access.from} ${access.to} ${access.family}`
    const known = pairs.get(key)?.what ?? access.what
    const what = known.split('; ').includes(access.what) ? known : `${known}; ${access.what}`
    pairs.set(key, { ...access, what })
  }
  return pairs
}

function diffAddresses(before: NetworkDocument, after: NetworkDocument): NetworkDiff['addresses'] {
  const old = nodesByName(before)
  return after.nodes.flatMap(node => {
    const known = old.get(node.name)
    if (known === undefined) return []
    const [was, is] = [[...planNode(before, known).addresses], [...planNode(after, node).addresses]]
    return was.join() === is.join() ? [] : [{ node: node.name, before: was, after: is }]
  })
}

interface Words {
  readonly node: 'leaves' | 'joins'
  readonly session: string
}

function diffSessions(before: NetworkDocument, after: NetworkDocument): NetworkDiff['sessions'] {
  const [oldNodes, newNodes] = [nodesByName(before), nodesByName(after)]
  const [old, now] = [sessionsOf(before), sessionsOf(after)]
  const keyChanged = (name: string) => oldNodes.get(name)?.publicKey !== newNodes.get(name)?.publicKey
  /** Those of one document that are not in the other, or not with the same keys. */
  const changes = (sessions: typeof old, other: { nodes: typeof oldNodes; sessions: typeof old }, words: Words) =>
    [...sessions].flatMap(([key, between]): SessionChange[] => {
      const lacking = between.find(name => !other.nodes.has(name))
      const rekeyed = between.find(keyChanged)
      if (lacking !== undefined) return [{ between, reason: `${lacking} ${words.node} the network` }]
      if (!other.sessions.has(key)) return [{ between, reason: words.session }]
      return rekeyed === undefined ? [] : [{ between, reason: `${rekeyed} has another key` }]
    })
  return {
    ended: changes(old, { nodes: newNodes, sessions: now }, { node: 'leaves', session: 'they are no longer peers' }),
    started: changes(now, { nodes: oldNodes, sessions: old }, { node: 'joins', session: 'they become peers' }),
  }
}

/** Each pair of peers once. */
function sessionsOf(document: NetworkDocument): Map<string, [string, string]> {
  const pairs = document.nodes.flatMap(node =>
    planNode(document, node).peers.map(({ node: peer }) => [node.name, peer.name].sort() as [string, string]),
  )
  return new Map(pairs.map(pair => [pair.join(' '), pair]))
}

function nodesByName({ nodes }: NetworkDocument): Map<string, NetworkNode> {
  return new Map(nodes.map(node => [node.name, node]))
}
