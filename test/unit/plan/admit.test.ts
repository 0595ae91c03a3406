import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { containsCidr, overlapsCidr, parsePrefix } from '../../../src/base/cidr.ts'
import type { Claim, NetworkView, NodeRecord } from '../../../src/model/node-record.ts'
import { Admission, admitView, endpointReason } from '../../../src/plan/admit.ts'
import { olderClaim } from '../../../src/plan/held-claims.ts'
import { anyEvent, emptyView, key, tell, viewOf } from './random-view.ts'

const cidr = (text: string) => parsePrefix(text, 'test')

/** The rules as they are told, with no index: which claims hold. */
function heldPlainly({ network, claims }: NetworkView): Claim[] {
  const held: Claim[] = []
  for (const claim of [...claims.values()].sort(olderClaim)) {
    const prefix = cidr(claim.prefix)
    if (!network.range.some(outer => containsCidr(cidr(outer), prefix))) continue
    if (!held.some(other => overlapsCidr(cidr(other.prefix), prefix))) held.push(claim)
  }
  return held
}

/** As above: what is wrong with each record, by kind; empty for those that hold. */
function verdictsPlainly(view: NetworkView): Record<string, string> {
  const held = heldPlainly(view)
  const age = (name: string) => Math.min(...held.filter(({ node }) => node === name).map(({ sinceMs }) => sinceMs))
  const byAge = [...view.nodes.values()].sort((a, b) => {
    const [one, two] = [age(a.name), age(b.name)]
    return one === two ? (a.name < b.name ? -1 : 1) : one - two
  })
  const taken = new Set<string>()
  const verdicts: Record<string, string> = {}
  const range = view.network.range.map(cidr)
  for (const { name, publicKey, prefixes, endpoints } of byAge) {
    const bad = prefixes.find(text => {
      const inRange = range.some(outer => containsCidr(outer, cidr(text)))
      return !inRange || !held.some(claim => claim.prefix === text && claim.node === name)
    })
    verdicts[name] = view.removals.has(publicKey)
      ? 'removed'
      : taken.has(publicKey)
        ? 'twin'
        : bad !== undefined
          ? `prefix ${bad}`
          : endpoints.some(text => endpointReason(text, range) !== undefined)
            ? 'endpoint'
            : ''
    if (verdicts[name] === '') taken.add(publicKey)
  }
  return verdicts
}

function kindOf(reason: string | undefined): string {
  if (reason === undefined) return ''
  if (reason.includes('was removed')) return 'removed'
  if (reason.includes('public key is that of')) return 'twin'
  return /its (prefix \S+)/.exec(reason)?.[1] ?? 'endpoint'
}

test('admit: after any events the verdicts are those of the rules, and those of judging it all at once', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyEvent, fc.boolean()), { maxLength: 40 }), steps => {
      const admission = new Admission(emptyView.network)
      const seen = new Map<string, string>()
      const verdict = (of: Admission, name: string) =>
        of.record(name) && `${of.reason(name) ?? ''} ${JSON.stringify(of.record(name))}`
      for (const [i, [event, settles]] of steps.entries()) {
        tell(admission, event)
        if (!settles && i < steps.length - 1) continue
        const changed = admission.settle()
        const view = viewOf(steps.slice(0, i + 1).map(([each]) => each))
        const whole = admitView(view)
        whole.settle()
        const plainly = verdictsPlainly(view)
        for (const name of ['a', 'b', 'c', 'd']) {
          assert.equal(verdict(admission, name), verdict(whole, name))
          if (view.nodes.has(name)) assert.equal(kindOf(admission.reason(name)), plainly[name])
          // What changed is said; what is said may be as it was.
          const now = verdict(admission, name) ?? ''
          if (now !== (seen.get(name) ?? '')) assert.ok(changed.has(name), name)
          seen.set(name, now)
          const held = heldPlainly(view).filter(({ node }) => node === name)
          assert.deepEqual(admission.heldBy(name).sort(olderClaim), held)
        }
        assert.deepEqual(admission.view(), { ...view, nodes: admission.view().nodes, claims: admission.view().claims })
        assert.equal(admission.size, view.nodes.size)
      }
    }),
    { seed: 7, numRuns: 400 },
  )
})

test('admit: a change concerns only what depends on it', () => {
  const record = (n: number, change: Partial<NodeRecord> = {}): NodeRecord => ({
    name: `n${n}`,
    publicKey: key(String.fromCharCode(65 + n)),
    endpoints: [],
    prefixes: [`10.99.${n}.0/24`],
    ...change,
  })
  const claim = (n: number) => ({ prefix: `10.99.${n}.0/24`, node: `n${n}`, sinceMs: n })
  const admission = new Admission(emptyView.network)
  for (let n = 0; n < 20; n++) {
    admission.setClaim(claim(n))
    admission.setNode(record(n))
  }
  // One that wants everything stays refused, and costs the others nothing.
  admission.setNode(record(30, { name: 'greedy', prefixes: ['10.99.0.0/16'] }))
  admission.settle()
  const cases: [what: string, change: () => void, names: string[]][] = [
    ['nothing', () => {}, []],
    ['the same record', () => admission.setNode(record(3)), []],
    ['the same claim', () => admission.setClaim(claim(3)), []],
    ['a record', () => admission.setNode(record(3, { endpoints: ['192.0.2.1:1'] })), ['n3']],
    ['a claim that goes', () => admission.deleteClaim(claim(4).prefix), ['n4']],
    ['a claim that comes', () => admission.setClaim(claim(4)), ['n4']],
    ['a younger claim of all', () => admission.setClaim({ prefix: '10.99.0.0/16', node: 'greedy', sinceMs: 99 }), []],
    [
      'an older claim of two',
      () => admission.setClaim({ prefix: '10.99.6.0/23', node: 'x', sinceMs: -1 }),
      ['n6', 'n7'],
    ],
    ['a key', () => admission.addRemoval({ node: 'n5', publicKey: record(5).publicKey, sinceMs: 0 }), ['n5']],
    ['a twin', () => admission.setNode(record(8, { name: 'twin', prefixes: [] })), ['twin']],
    ['a node that goes', () => admission.deleteNode('n9'), ['n9']],
  ]
  for (const [what, change, names] of cases) {
    change()
    assert.deepEqual([...admission.settle()].sort(), names, what)
  }
  assert.match(admission.reason('greedy') ?? '', /overlaps 10\.99\.0\.0\/24, which node n0 has claimed/)
})
