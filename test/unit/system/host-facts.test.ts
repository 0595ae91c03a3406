import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isClosed, missingCapabilities, type RulesetItem } from '../../../src/system/host-facts.ts'

test('host facts: a capability that is not effective is missing', () => {
  assert.deepEqual(missingCapabilities('Name:\tnode\nCapEff:\t000001ffffffffff\n'), [])
  assert.deepEqual(missingCapabilities('CapEff:\t0000000000001000\n'), [])
  assert.deepEqual(missingCapabilities('CapEff:\t0000000000000fff\n'), ['CAP_NET_ADMIN'])
  assert.deepEqual(missingCapabilities('CapPrm:\t000001ffffffffff\n'), ['CAP_NET_ADMIN'])
})

const chain = (policy: string, hook = 'input', table = 'filter'): RulesetItem => ({
  chain: { table, name: 'in', hook, policy },
})
const rule = (right: unknown, table = 'filter'): RulesetItem => ({
  rule: { table, expr: [{ match: { op: '==', left: { payload: { protocol: 'udp', field: 'dport' } }, right } }] },
})
const cases: [title: string, ruleset: RulesetItem[], closed: boolean][] = [
  ['no rules', [], false],
  ['a policy that accepts', [chain('accept')], false],
  ['a policy that drops what is forwarded', [chain('drop', 'forward')], false],
  ['a policy that drops', [chain('drop')], true],
  ['the port let in', [chain('drop'), rule(51820)], false],
  ['the port in a set', [chain('drop'), rule({ set: [22, 51820] })], false],
  ['another port', [chain('drop'), rule(5182)], true],
  ['the port let in by another table', [chain('drop'), rule(51820, 'other')], true],
  ["iptables' own matches", [chain('drop'), { rule: { table: 'filter', expr: [{ xt: { type: 'match' } }] } }], false],
]
for (const [title, ruleset, closed] of cases) {
  test(`host facts: ${title}: the port is ${closed ? 'closed' : 'open'}`, () => {
    assert.equal(isClosed(ruleset, 51820), closed)
  })
}
