// Events of a store at random, among few names, keys and prefixes, so that much is contested; and the view that they come to.

import fc from 'fast-check'
import { formatPublicKey, type PublicKey } from '../../../src/base/key.ts'
import type { Claim, NetworkView, NodeRecord, Removal } from '../../../src/model/node-record.ts'
import type { Admission } from '../../../src/plan/admit.ts'

export type ViewEvent =
  | { readonly kind: 'node'; readonly record: NodeRecord }
  | { readonly kind: 'nodeGone'; readonly name: string }
  | { readonly kind: 'claim'; readonly claim: Claim }
  | { readonly kind: 'claimGone'; readonly prefix: string }
  | { readonly kind: 'removal'; readonly removal: Removal }
  | { readonly kind: 'range'; readonly range: readonly string[] }

export const key = (name: string): PublicKey => formatPublicKey(Buffer.alloc(32, name))

const names = fc.constantFrom('a', 'b', 'c', 'd')
const keys = fc.constantFrom('a', 'b', 'c', 'c').map(key)
const prefixes = fc.constantFrom(
  '10.99.1.0/24',
  '10.99.2.0/24',
  '10.99.2.128/25',
  '10.99.2.192/26',
  '10.99.0.0/16',
  '10.99.0.0/22',
  '10.0.0.0/8',
  '192.0.2.0/24',
  'fd99::/64',
  'fd99:0:0:1::/64',
  'fd99::/62',
)

const endpoints = fc.oneof(
  { arbitrary: fc.subarray(['198.51.100.1:1', '[2001:db8::1]:1']), weight: 9 },
  { arbitrary: fc.constant(['10.99.1.1:1']), weight: 1 },
)

/** Objects as others make them, that deepEqual takes for the same. */
const plainly = { noNullPrototype: true }

/** Removals are rare, as they are for good: of many events most must hold. */
export const anyEvent: fc.Arbitrary<ViewEvent> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .record(
        { name: names, publicKey: keys, endpoints, prefixes: fc.uniqueArray(prefixes, { maxLength: 2 }) },
        plainly,
      )
      .map(record => ({ kind: 'node' as const, record })),
  },
  { weight: 3, arbitrary: names.map(name => ({ kind: 'nodeGone' as const, name })) },
  {
    weight: 12,
    arbitrary: fc
      .record({ prefix: prefixes, node: names, sinceMs: fc.integer({ min: 0, max: 3 }) }, plainly)
      .map(claim => ({ kind: 'claim' as const, claim })),
  },
  { weight: 3, arbitrary: prefixes.map(prefix => ({ kind: 'claimGone' as const, prefix })) },
  { weight: 1, arbitrary: keys.map(publicKey => removalOf(publicKey)) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(['10.99.0.0/16', 'fd99::/48'], ['10.99.0.0/22'])
      .map(range => ({ kind: 'range' as const, range })),
  },
)

function removalOf(publicKey: PublicKey): ViewEvent {
  return { kind: 'removal', removal: { node: 'a', publicKey, sinceMs: 0 } }
}

export const emptyView: NetworkView = {
  network: { name: 'test', range: ['10.99.0.0/16', 'fd99::/48'], nodePrefixLength: { ipv4: 24, ipv6: 64 } },
  nodes: new Map(),
  claims: new Map(),
  removals: new Map(),
}

export function tell(admission: Admission, event: ViewEvent): void {
  if (event.kind === 'node') admission.setNode(event.record)
  if (event.kind === 'nodeGone') admission.deleteNode(event.name)
  if (event.kind === 'claim') admission.setClaim(event.claim)
  if (event.kind === 'claimGone') admission.deleteClaim(event.prefix)
  if (event.kind === 'removal') admission.addRemoval(event.removal)
  if (event.kind === 'range') admission.setNetwork({ ...emptyView.network, range: event.range })
}

/** The view that events come to. */
export function viewOf(events: readonly ViewEvent[]): NetworkView {
  const nodes = new Map<string, NodeRecord>()
  const claims = new Map<string, Claim>()
  const removals = new Map<PublicKey, Removal>()
  let { network } = emptyView
  for (const event of events) {
    if (event.kind === 'node') nodes.set(event.record.name, event.record)
    if (event.kind === 'nodeGone') nodes.delete(event.name)
    if (event.kind === 'claim') claims.set(event.claim.prefix, event.claim)
    if (event.kind === 'claimGone') claims.delete(event.prefix)
    if (event.kind === 'removal') removals.set(event.removal.publicKey, event.removal)
    if (event.kind === 'range') network = { ...network, range: event.range }
  }
  return { network, nodes, claims, removals }
}
