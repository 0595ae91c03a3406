// Who may open what to whom, by a network document: for each pair of places "everything", ports, or nothing. A place is a node
// with its containers, a share, or a part of one of them that accept rules name.

import { type Cidr, containsCidr, type Family, parsePrefix } from '../base/cidr.ts'
import { formatAcceptPort } from '../config/accept-ports.ts'
import type { AcceptEntry, NetworkDocument, Selector } from '../config/network-document.ts'
import { selectsNode } from './accept.ts'

export interface Access {
  /** A node's name, or a prefix. */
  readonly from: string
  readonly to: string
  readonly family: Family
  /** "everything", or ports as the document writes them. */
  readonly what: string
}

interface Place {
  readonly name: string
  readonly family: Family
  /** Nodes that carry it. */
  readonly nodes: ReadonlySet<string>
  readonly selectedBy: (selector: Selector) => boolean
}

/** Every access that there is; pairs without any are left out. `others`: prefixes to look at as well. */
export function networkAccess(document: NetworkDocument, others: readonly string[] = []): Access[] {
  const places = placesOf(document, [...namedPrefixes(document), ...others])
  const entriesTo = places.map(place => document.accept.filter(({ to }) => place.selectedBy(to)))
  // Asked once for each pair of place and entry, not once for each pair of places.
  const opens = places.map(
    place => new Set(document.accept.filter(({ from }) => from.some(selector => place.selectedBy(selector)))),
  )
  return places.flatMap((from, i) =>
    places.flatMap((to, j) => {
      const isSameHost = [...from.nodes].some(node => to.nodes.has(node))
      if (from.family !== to.family || isSameHost) return []
      const entries = entriesTo[j] ?? []
      const what = entries.length === 0 ? everything : describeEntries(entries.filter(entry => opens[i]?.has(entry)))
      return what === undefined ? [] : [{ from: from.name, to: to.name, family: from.family, what }]
    }),
  )
}

const everything = 'everything'

function describeEntries(entries: readonly AcceptEntry[]): string | undefined {
  if (entries.length === 0) return undefined
  if (entries.some(({ ports }) => ports === undefined)) return everything
  const ports = new Set(entries.flatMap(({ ports = [] }) => ports.map(formatAcceptPort)))
  return [...ports].sort().join(', ')
}

/** The prefixes that a document speaks of: shares, and those in accept rules. */
export function namedPrefixes({ nodes, accept }: NetworkDocument): string[] {
  const selectors = accept.flatMap(({ to, from }) => [to, ...from])
  return [
    ...nodes.flatMap(({ shares }) => shares.map(({ prefix }) => prefix)),
    ...selectors.flatMap(selector => (selector.kind === 'prefix' ? selector.prefix : [])),
  ]
}

function placesOf({ nodes }: NetworkDocument, named: readonly string[]): Place[] {
  const carriers = new Map<string, { prefix: Cidr; nodes: Set<string>; isShare: boolean }>()
  for (const { name, prefixes, shares } of nodes) {
    for (const text of prefixes)
      carriers.set(text, { prefix: parsePrefix(text, name), nodes: new Set([name]), isShare: false })
    for (const { prefix: text } of shares) {
      const known = carriers.get(text) ?? { prefix: parsePrefix(text, name), nodes: new Set(), isShare: true }
      known.nodes.add(name)
      carriers.set(text, known)
    }
  }
  const nodePlaces = nodes.flatMap(node =>
    node.prefixes.map((text): Place => {
      const prefix = parsePrefix(text, node.name)
      const selectedBy = (selector: Selector) =>
        selector.kind === 'prefix' ? contains(selector.prefix, prefix) : selectsNode(selector, node)
      return { name: node.name, family: prefix.family, nodes: new Set([node.name]), selectedBy }
    }),
  )
  const prefixPlaces = [...new Set(named)].flatMap((text): Place[] => {
    const prefix = parsePrefix(text, 'accept')
    const carrier = [...carriers.values()].find(({ prefix: outer }) => containsCidr(outer, prefix))
    // One that is wider is several places, and one that is all of a node's is the node.
    if (carrier === undefined || (!carrier.isShare && carriers.has(text))) return []
    const owners = carrier.isShare ? [] : nodes.filter(({ name }) => carrier.nodes.has(name))
    const selectedBy = (selector: Selector) =>
      selector.kind === 'prefix' ? contains(selector.prefix, prefix) : owners.some(node => selectsNode(selector, node))
    return [{ name: text, family: prefix.family, nodes: carrier.nodes, selectedBy }]
  })
  return [...nodePlaces, ...prefixPlaces]
}

function contains(outer: string, inner: Cidr): boolean {
  return containsCidr(parsePrefix(outer, 'accept'), inner)
}
