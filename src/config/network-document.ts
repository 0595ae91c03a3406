// The network document, parsed: what it leaves out is filled in, and all that it says fits together. Later stages (src/plan)
// take it as it is and find nothing to refuse.
//
//   text --JSON, schema--> values --+-- nodes with their prefixes (node-prefixes.ts)
//                                   +-- who carries which prefix: no two the same (check-network.ts)
//                                   +-- accept: names that exist, prefixes that somebody has

import { formatCidr, parsePrefix } from '../base/cidr.ts'
import type { PublicKey } from '../base/key.ts'
import { type AcceptPort, parseAcceptPort } from './accept-ports.ts'
import { checkNetwork } from './check-network.ts'
import { documentKind, refuseOtherKind } from './document-kind.ts'
import { checkJsonc, documentError, refusal } from './document-schema.ts'
import { parseJsonc } from './jsonc.ts'
import { type NetworkInput, networkSchema, type SelectorInput } from './network-schema.ts'
import { assignPrefixes } from './node-prefixes.ts'

export interface NetworkDocument {
  readonly name: string
  readonly range: readonly string[]
  readonly topology: Topology
  /** In the order of the document. */
  readonly nodes: readonly NetworkNode[]
  readonly accept: readonly AcceptEntry[]
}

export type Topology =
  | { readonly kind: 'mesh' }
  | { readonly kind: 'star'; readonly hub: string }
  /** By zone, the node through which it is reached from other zones; a zone that is not here is reached directly. */
  | { readonly kind: 'zones'; readonly gateways: ReadonlyMap<string, string> }

export interface NetworkNode {
  readonly name: string
  readonly publicKey?: PublicKey
  /** "host:port"; absent: nobody can call it, it calls the others. */
  readonly endpoint?: string
  readonly listenPort?: number
  readonly behindNat: boolean
  readonly zone?: string
  readonly tags: readonly string[]
  /** Of the range, both families of it, canonical. Its own address is the first of each. */
  readonly prefixes: readonly string[]
  readonly shares: readonly Share[]
}

export interface Share {
  readonly prefix: string
  readonly group?: string
  /** The lowest in the group carries the prefix. */
  readonly priority?: number
}

export type Selector =
  | { readonly kind: 'node' | 'tag' | 'zone'; readonly name: string }
  | { readonly kind: 'prefix'; readonly prefix: string }

export interface AcceptEntry {
  readonly to: Selector
  readonly from: readonly Selector[]
  /** Absent: all. */
  readonly ports?: readonly AcceptPort[]
}

/** Makes the error for the value at a path of a document. */
export type FailAt = (path: readonly PropertyKey[], reason: string) => Error

/** Parses a network document; `file` names it in the errors: ERR_PODWIRE_DOCUMENT, with path, line and column. */
export function parseNetworkDocument(text: string, file: string): NetworkDocument {
  const { input, failAt } = readNetworkText(text, file)
  const prefixesOf = assignPrefixes(input, failAt)
  const document: NetworkDocument = {
    name: input.network.name,
    range: input.network.range.map(canonical),
    topology: parseTopology(input, failAt),
    nodes: Object.entries(input.nodes).map(([name, node]): NetworkNode => {
      const { publicKey, endpoint, zone, behindNat = false, tags = [], share = [] } = node
      return {
        name,
        ...(publicKey !== undefined && { publicKey: publicKey as PublicKey }),
        ...(endpoint !== undefined && { endpoint, listenPort: Number(endpoint.split(':').at(-1)) }),
        behindNat,
        ...(zone !== undefined && { zone }),
        tags,
        prefixes: prefixesOf.get(name) ?? [],
        shares: share.map(given => (typeof given === 'string' ? { prefix: canonical(given) } : parseShare(given))),
      }
    }),
    accept: (input.accept ?? []).map(({ to, from, ports }) => ({
      to: parseSelector(to),
      from: from.map(parseSelector),
      ...(ports && { ports: ports.map(port => parseAcceptPort(port, file)) }),
    })),
  }
  checkNetwork(document, failAt)
  return document
}

function readNetworkText(text: string, file: string): { input: NetworkInput; failAt: FailAt } {
  if (/^\s*\[(interface|peer)\]/im.test(text) && documentKind(text) === 'interface-ini') {
    const reason = 'this is the INI of one interface, which `podwire quick` takes; expected a network document, in JSON'
    throw documentError(file, 'line 1, column 1', reason)
  }
  const document = parseJsonc(text, file)
  refuseOtherKind(document, 'network', file)
  return {
    input: checkJsonc(networkSchema, document, file),
    failAt: (path, reason) => refusal(document, file, path, reason),
  }
}

function canonical(prefix: string): string {
  return formatCidr(parsePrefix(prefix, 'prefix'))
}

function parseShare({
  prefix,
  group,
  priority,
}: {
  prefix: string
  group?: string | undefined
  priority?: number | undefined
}): Share {
  return {
    prefix: canonical(prefix),
    ...(group !== undefined && { group }),
    ...(priority !== undefined && { priority }),
  }
}

function parseSelector({ node, tag, zone, prefix }: SelectorInput): Selector {
  if (node !== undefined) return { kind: 'node', name: node }
  if (tag !== undefined) return { kind: 'tag', name: tag }
  if (zone !== undefined) return { kind: 'zone', name: zone }
  return { kind: 'prefix', prefix: canonical(prefix ?? '') }
}

function parseTopology({ network, zones = {}, nodes }: NetworkInput, failAt: FailAt): Topology {
  const { topology: kind = 'mesh', hub } = network
  if (kind !== 'star' && hub !== undefined) throw failAt(['network', 'hub'], `a ${kind} has no hub; a star has`)
  if (kind !== 'zones' && Object.keys(zones).length > 0) {
    throw failAt(['zones'], `gateways are for the topology "zones", and this is a ${kind}`)
  }
  if (kind === 'mesh') return { kind }
  if (kind === 'star') {
    if (hub === undefined) throw failAt(['network'], 'a star has a hub: name a node as `hub`')
    if (!Object.hasOwn(nodes, hub)) throw failAt(['network', 'hub'], `there is no node "${hub}"`)
    return { kind, hub }
  }
  const gateways = Object.entries(zones).map(([zone, { gateways }]): [string, string] => {
    for (const [i, gateway] of gateways.entries()) {
      const path = ['zones', zone, 'gateways', i]
      if (!Object.hasOwn(nodes, gateway)) throw failAt(path, `there is no node "${gateway}"`)
      if (nodes[gateway]?.zone !== zone) throw failAt(path, `the node "${gateway}" is not in the zone "${zone}"`)
    }
    return [zone, gateways[0] ?? '']
  })
  return { kind, gateways: new Map(gateways) }
}
