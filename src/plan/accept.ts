// What a node of a network document lets in, from the document's accept rules: only what concerns this node, as prefixes.
//
// A destination that any entry names is closed; what any of the entries that name it lets in passes. A selector of nodes means
// the nodes themselves and their containers; a LAN behind a node is named by its prefix.

import { containsCidr, familyBits, parsePrefix } from '../base/cidr.ts'
import type { NetworkDocument, NetworkNode, Selector } from '../config/network-document.ts'
import type { AcceptRules } from '../policy/accept-rules.ts'
import { outermostPrefixes } from '../policy/base-chains.ts'

/** The rules of a node. One that no entry names lets in everything of the network, and nothing else. */
export function planAccept(document: NetworkDocument, node: NetworkNode): AcceptRules {
  const entries = document.accept.flatMap(({ to, from, ports }) => {
    const target = targetAt(to, node)
    if (!target.self && target.prefixes.length === 0 && target.shares.length === 0) return []
    const sources = outermostPrefixes(from.flatMap(selector => sourcesOf(document, selector)))
    return [{ ...target, sources, ...(ports && { ports }) }]
  })
  const shares = document.nodes.flatMap(other => other.shares.map(({ prefix }) => prefix))
  return {
    network: outermostPrefixes([...document.range, ...shares]),
    prefixes: outermostPrefixes(node.prefixes),
    shares: outermostPrefixes(node.shares.map(({ prefix }) => prefix)),
    entries,
    closesSelf: entries.some(({ self }) => self),
    closed: outermostPrefixes(entries.flatMap(({ prefixes, shares }) => [...prefixes, ...shares])),
  }
}

/** What of a node an entry is about: the node itself, and prefixes of its containers and shares. */
function targetAt(to: Selector, node: NetworkNode): { self: boolean; prefixes: string[]; shares: string[] } {
  if (to.kind !== 'prefix') {
    const self = selectsNode(to, node)
    return { self, prefixes: self ? node.prefixes.filter(isWide) : [], shares: [] }
  }
  const outer = parsePrefix(to.prefix, 'accept')
  const within = (carried: readonly string[]) =>
    carried.flatMap(text => {
      const prefix = parsePrefix(text, node.name)
      return containsCidr(outer, prefix) ? [text] : containsCidr(prefix, outer) ? [to.prefix] : []
    })
  return { self: false, prefixes: within(node.prefixes), shares: within(node.shares.map(({ prefix }) => prefix)) }
}

/** Whether a selector of nodes means this one. */
export function selectsNode(selector: Exclude<Selector, { kind: 'prefix' }>, node: NetworkNode): boolean {
  if (selector.kind === 'node') return selector.name === node.name
  return selector.kind === 'zone' ? selector.name === node.zone : node.tags.includes(selector.name)
}

function sourcesOf({ nodes }: NetworkDocument, selector: Selector): readonly string[] {
  if (selector.kind === 'prefix') return [selector.prefix]
  return nodes.filter(node => selectsNode(selector, node)).flatMap(({ prefixes }) => prefixes)
}

/** More than one address: there are containers in it. */
function isWide(text: string): boolean {
  const { family, length } = parsePrefix(text, 'prefix')
  return length < familyBits(family)
}
