// Which records hold. Every record is judged on its own and the bad ones are left out with a reason, so that one hostile
// or careless node costs nobody else anything. A prefix counts if a claim is behind it; of two records that want the
// same, the one with the older claim has it.

import { type Cidr, containsCidr, overlapsCidr, parsePrefix } from '../base/cidr.ts'
import { parseEndpoint } from '../base/endpoint.ts'
import type { Claim, NetworkView, NodeRecord } from '../model/node-record.ts'

/** A record, or a claim, that was left out. */
export interface RecordProblem {
  readonly node: string
  readonly reason: string
}

/** The claims that hold: inside the range, and older than all they overlap. */
export function admitClaims(view: Pick<NetworkView, 'network' | 'claims'>): Claim[] {
  const range = view.network.range.map(text => parsePrefix(text, 'range'))
  const held: { claim: Claim; prefix: Cidr }[] = []
  for (const claim of [...view.claims.values()].sort(olderClaim)) {
    const prefix = parsePrefix(claim.prefix, claim.node)
    if (!range.some(outer => containsCidr(outer, prefix))) continue
    if (!held.some(other => overlapsCidr(other.prefix, prefix))) held.push({ claim, prefix })
  }
  return held.map(({ claim }) => claim)
}

/** Orders claims by age, for `sort`. */
export function olderClaim(a: Claim, b: Claim): number {
  return a.sinceMs - b.sinceMs || (a.prefix < b.prefix ? -1 : 1)
}

/** The records that hold, sorted by name, and why the others do not. */
export function admitNodes(view: NetworkView): { nodes: NodeRecord[]; problems: RecordProblem[] } {
  const range = view.network.range.map(text => parsePrefix(text, 'range'))
  const claims = admitClaims(view)
  const owner = new Map(claims.map(({ prefix, node }) => [prefix, node]))
  const age = new Map<string, number>()
  for (const { node, sinceMs } of claims) age.set(node, Math.min(sinceMs, age.get(node) ?? Number.POSITIVE_INFINITY))
  const ageOf = ({ name }: NodeRecord) => age.get(name) ?? Number.POSITIVE_INFINITY

  const keyOwner = new Map<string, string>()
  const nodes: NodeRecord[] = []
  const problems: RecordProblem[] = []
  const byAge = [...view.nodes.values()].sort((a, b) => compare(ageOf(a), ageOf(b)) || compare(a.name, b.name))
  for (const node of byAge) {
    const twin = keyOwner.get(node.publicKey)
    const reason =
      (view.removals.has(node.publicKey) ? 'its public key was removed from the network' : undefined) ??
      (twin && `its public key is that of node ${twin}`) ??
      firstReason(node.prefixes, text => prefixReason(text, { node, range, owner })) ??
      firstReason(node.endpoints, text => endpointReason(text, range))
    if (reason !== undefined) {
      problems.push({ node: node.name, reason })
      continue
    }
    keyOwner.set(node.publicKey, node.name)
    nodes.push(node)
  }
  return { nodes: nodes.sort((a, b) => compare(a.name, b.name)), problems }
}

function compare<T extends number | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function firstReason(texts: readonly string[], reasonFor: (text: string) => string | undefined): string | undefined {
  for (const text of texts) {
    const reason = reasonFor(text)
    if (reason !== undefined) return reason
  }
  return undefined
}

function prefixReason(
  text: string,
  { node, range, owner }: { node: NodeRecord; range: readonly Cidr[]; owner: ReadonlyMap<string, string> },
): string | undefined {
  const prefix = parsePrefix(text, node.name)
  if (!range.some(outer => containsCidr(outer, prefix))) return `its prefix ${text} is outside the network's range`
  if (owner.get(text) === node.name) return undefined
  for (const [claimed, holder] of owner) {
    if (holder !== node.name && overlapsCidr(parsePrefix(claimed, holder), prefix)) {
      return `its prefix ${text} overlaps ${claimed}, which node ${holder} has claimed`
    }
  }
  return `its prefix ${text} is not claimed by it`
}

/** Why an endpoint cannot be: one inside the tunnel would send the tunnel's own packets into the tunnel. */
export function endpointReason(text: string, range: readonly Cidr[]): string | undefined {
  const { address } = parseEndpoint(text, 'endpoint')
  const whole = { ...address, length: address.family === 4 ? 32 : 128 }
  if (!range.some(outer => containsCidr(outer, whole))) return undefined
  return `its endpoint ${text} lies in the network's own range`
}
