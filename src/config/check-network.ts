// What the parts of a network document say of one another: no two nodes carry the same prefix, unless they stand in for each
// other; an endpoint is outside the tunnel; what accept rules name is there. An error names both sides.

import {
  type Cidr,
  containsCidr,
  familyBits,
  formatCidr,
  overlapsCidr,
  parseAddress,
  parsePrefix,
} from '../base/cidr.ts'
import { PrefixMap } from '../base/prefix-map.ts'
import type { FailAt, NetworkDocument, NetworkNode, Selector, Share } from './network-document.ts'

interface Owned {
  readonly node: string
  readonly share: Share
  readonly where: string
}

/** Who shares each prefix: one node, or those of a group. */
type Owners = PrefixMap<Owned[]>

/** Errors: those that `failAt` makes. */
export function checkNetwork(document: NetworkDocument, failAt: FailAt): void {
  const range = document.range.map(text => parsePrefix(text, 'range'))
  const owners = checkShares(document, range, failAt)
  checkKeys(document.nodes, failAt)
  for (const node of document.nodes) checkEndpoint(node, { range, owners }, failAt)
  checkTransit(document, failAt)
  const words = {
    node: new Set(document.nodes.map(({ name }) => name)),
    tag: new Set(document.nodes.flatMap(({ tags }) => tags)),
    zone: new Set(document.nodes.flatMap(({ zone }) => zone ?? [])),
  }
  const check = (selector: Selector, path: readonly PropertyKey[]) => {
    if (selector.kind === 'prefix') {
      const prefix = parsePrefix(selector.prefix, 'prefix')
      if (range.some(outer => overlapsCidr(outer, prefix)) || owners.overlapping(prefix) !== undefined) return
      throw failAt(
        [...path, 'prefix'],
        `nobody has ${selector.prefix}: it is outside the network's range, and no node shares it`,
      )
    }
    const known = words[selector.kind]
    if (known.has(selector.name)) return
    const there =
      known.size === 0 ? `no node has a ${selector.kind}` : `there are ${[...known].slice(0, 20).join(', ')}`
    throw failAt([...path, selector.kind], `there is no ${selector.kind} "${selector.name}"; ${there}`)
  }
  for (const [i, { to, from }] of document.accept.entries()) {
    check(to, ['accept', i, 'to'])
    for (const [j, selector] of from.entries()) check(selector, ['accept', i, 'from', j])
  }
}

/** Every share, when none is in another's way. */
function checkShares({ nodes }: NetworkDocument, range: readonly Cidr[], failAt: FailAt): Owners {
  const owners: Owners = new PrefixMap()
  for (const { name: node, shares } of nodes) {
    for (const [i, share] of shares.entries()) {
      const path = ['nodes', node, 'share', i]
      const prefix = parsePrefix(share.prefix, 'share')
      if (range.some(outer => overlapsCidr(outer, prefix))) {
        throw failAt(path, `${share.prefix} overlaps the network's range; of the range a node has its "prefixes"`)
      }
      if ((share.group === undefined) !== (share.priority === undefined)) {
        throw failAt(path, 'a group and a priority belong together: one is missing')
      }
      const mine: Owned = { node, share, where: `nodes.${node}.share[${i}]` }
      const others = owners.overlapping(prefix) ?? []
      for (const other of others) {
        const reason = conflict(mine, other)
        if (reason !== undefined) throw failAt(path, reason)
      }
      owners.set(prefix, [...others, mine])
    }
  }
  return owners
}

/** Why two shares that overlap cannot be together; undefined if they can. */
function conflict(mine: Owned, other: Owned): string | undefined {
  const theirs = `which ${other.node} shares (${other.where})`
  if (mine.share.prefix !== other.share.prefix) return `${mine.share.prefix} overlaps ${other.share.prefix}, ${theirs}`
  const inGroup = mine.share.group !== undefined && mine.share.group === other.share.group && mine.node !== other.node
  if (!inGroup) return `${mine.share.prefix} is the prefix ${theirs}; only the nodes of one group share the same`
  if (mine.share.priority !== other.share.priority) return undefined
  return `${mine.share.prefix} has the priority ${mine.share.priority} also at ${other.node} (${other.where}); the lowest carries it, so each has its own`
}

function checkKeys(nodes: readonly NetworkNode[], failAt: FailAt): void {
  const owners = new Map<string, string>()
  for (const { name, publicKey } of nodes) {
    if (publicKey === undefined) continue
    const other = owners.get(publicKey)
    if (other !== undefined)
      throw failAt(['nodes', name, 'publicKey'], `it is the key of ${other} (nodes.${other}.publicKey)`)
    owners.set(publicKey, name)
  }
}

/** An endpoint inside the tunnel, whoever has the prefix, would send the tunnel's own packets into the tunnel. */
function checkEndpoint(
  { name, endpoint }: NetworkNode,
  { range, owners }: { range: readonly Cidr[]; owners: Owners },
  failAt: FailAt,
): void {
  const host = endpoint?.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  const address = host === undefined ? undefined : parseAddress(host)
  if (address === undefined) return
  const whole = { ...address, length: familyBits(address.family) }
  const path = ['nodes', name, 'endpoint']
  const outer = range.find(prefix => containsCidr(prefix, whole))
  if (outer !== undefined) throw failAt(path, `${host} lies in ${formatCidr(outer)}, the network's own range`)
  const [inside] = owners.overlapping(whole) ?? []
  if (inside === undefined) return
  const owner = inside.node === name ? 'the node itself' : inside.node
  throw failAt(path, `${host} lies in ${inside.share.prefix}, which ${owner} shares (${inside.where})`)
}

/** Traffic of a group passes no node that only stands in: what comes back from the LAN would be another's there. */
function checkTransit({ topology, nodes }: NetworkDocument, failAt: FailAt): void {
  if (topology.kind === 'mesh') return
  const transit = topology.kind === 'star' ? [topology.hub] : [...topology.gateways.values()]
  for (const { name, shares } of nodes.filter(({ name }) => transit.includes(name))) {
    for (const [i, { prefix, group, priority = 0 }] of shares.entries()) {
      if (group === undefined) continue
      const before = nodes.find(other =>
        other.shares.some(share => share.prefix === prefix && (share.priority ?? 0) < priority),
      )
      if (before === undefined) continue
      const reason = `${name} carries traffic of other nodes, so of the group "${group}" it must come first, and ${before.name} does`
      throw failAt(['nodes', name, 'share', i, 'priority'], reason)
    }
  }
}
