// What one node of a network document is: its addresses, its peers and what is routed to each, and what it lets in. Pure.
//
// Each node sends towards any other through one peer, its next hop, and every way leads back over the same nodes: WireGuard
// takes a packet only from the peer to which it would send the answer. A peer's AllowedIPs are the prefixes of all nodes
// behind it, so no two peers have the same.

import { type Family, familyBits, formatAddress, parsePrefix } from '../base/cidr.ts'
import type { NetworkDocument, NetworkNode } from '../config/network-document.ts'
import { overlayAddress } from './plan.ts'

export interface NodePlan {
  readonly node: NetworkNode
  /** On the device: whole addresses as CIDRs. What else is reached is a route by AllowedIPs. */
  readonly addresses: readonly string[]
  /** The network's: what of it nobody has leads nowhere. */
  readonly range: readonly string[]
  readonly peers: readonly NodePeer[]
  /** Families in which it passes on what is not for itself. */
  readonly forwards: readonly Family[]
}

export interface NodePeer {
  readonly node: NetworkNode
  /** In the order of the document; routes are these too. */
  readonly allowedIps: readonly string[]
  /** 0: off. */
  readonly keepaliveSeconds: number
}

/** Often enough for NATs, which forget an idle UDP flow after 30 s. */
const keepaliveSeconds = 25

/** The plan of a node of the document. */
export function planNode(document: NetworkDocument, node: NetworkNode): NodePlan {
  const own = new Set(node.shares.map(({ prefix }) => prefix))
  const behind = new Map<string, string[]>()
  for (const other of document.nodes) {
    if (other.name === node.name) continue
    const hop = nextHop(document, node, other)
    const prefixes = [...other.prefixes, ...carriedShares(document, other)]
    // A node that stands in for another reaches their LAN by itself.
    behind.set(hop, [...(behind.get(hop) ?? []), ...prefixes.filter(prefix => !own.has(prefix))])
  }
  const callsOthers = node.behindNat || node.endpoint === undefined
  return {
    node,
    addresses: node.prefixes.flatMap(addressOnDevice),
    range: document.range,
    peers: document.nodes.flatMap(peer => {
      const allowedIps = behind.get(peer.name)
      return allowedIps ? [{ node: peer, allowedIps, keepaliveSeconds: callsOthers ? keepaliveSeconds : 0 }] : []
    }),
    forwards: forwardedFamilies(document, node, behind.size),
  }
}

/** The node's own address: that of its first prefix of each family. */
function addressOnDevice(text: string, i: number, all: readonly string[]): string[] {
  const prefix = parsePrefix(text, 'prefix')
  const isFirst = all.findIndex(other => parsePrefix(other, 'prefix').family === prefix.family) === i
  return isFirst ? [`${formatAddress(overlayAddress(prefix))}/${familyBits(prefix.family)}`] : []
}

/** The peer through which a node reaches another. */
function nextHop({ topology }: NetworkDocument, from: NetworkNode, to: NetworkNode): string {
  if (topology.kind === 'mesh') return to.name
  if (topology.kind === 'star') return from.name === topology.hub ? to.name : topology.hub
  if (from.zone !== undefined && from.zone === to.zone) return to.name
  const [near, far] = [from, to].map(({ zone }) => topology.gateways.get(zone ?? ''))
  return near !== undefined && near !== from.name ? near : (far ?? to.name)
}

/** What it shares and nobody with a better priority does. */
function carriedShares({ nodes }: NetworkDocument, node: NetworkNode): string[] {
  return node.shares
    .filter(({ prefix, priority = 0 }) =>
      nodes.every(({ shares }) => shares.every(other => other.prefix !== prefix || (other.priority ?? 0) >= priority)),
    )
    .map(({ prefix }) => prefix)
}

function forwardedFamilies(
  { topology, nodes, range }: NetworkDocument,
  node: NetworkNode,
  peerCount: number,
): Family[] {
  const passesOn =
    topology.kind === 'star'
      ? topology.hub === node.name && peerCount > 1
      : topology.kind === 'zones' && [...topology.gateways.values()].includes(node.name) && nodes.length > 2
  const isWide = (text: string) => parsePrefix(text, 'prefix').length < familyBits(parsePrefix(text, 'prefix').family)
  const prefixes = [
    ...(passesOn ? [...range, ...nodes.flatMap(({ shares }) => shares.map(({ prefix }) => prefix))] : []),
    ...node.prefixes.filter(isWide),
    ...node.shares.map(({ prefix }) => prefix),
  ]
  const families = new Set(prefixes.map(text => parsePrefix(text, 'prefix').family))
  return [...families].sort()
}

/** Peers that can never meet, since none of the two has an endpoint that the other could call. */
export function unreachablePairs(document: NetworkDocument): [string, string][] {
  const callers = document.nodes.filter(({ endpoint }) => endpoint === undefined)
  return callers.flatMap((a, i) =>
    callers
      .slice(i + 1)
      .filter(b => nextHop(document, a, b) === b.name && nextHop(document, b, a) === a.name)
      .map((b): [string, string] => [a.name, b.name]),
  )
}
