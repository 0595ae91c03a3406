import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseNetworkDocument } from '../../../src/config/network-document.ts'
import { planAccept } from '../../../src/plan/accept.ts'
import { renderAcceptRules } from '../../../src/policy/accept-rules.ts'

const nodes = {
  a: { prefixes: ['10.99.0.1', 'fd99::1'], tags: ['t'] },
  b: { prefixes: ['10.99.2.0/24', 'fd99:0:0:2::/64'], zone: 'z', tags: ['t'] },
  c: { prefixes: ['10.99.0.3', 'fd99::3'], zone: 'z', share: ['192.168.7.0/24', 'fd07::/64'] },
}

/** What the rules of a node are, between the guards at their beginning and their end; "open" without any. */
function rulesOf(node: string, accept: readonly object[], device = 'wg0'): string[] | 'open' {
  const network = { name: 'n', range: ['10.99.0.0/16', 'fd99::/48'] }
  const document = parseNetworkDocument(JSON.stringify({ network, nodes, accept }), 'network.json')
  const self = document.nodes.find(({ name }) => name === node)
  assert.ok(self)
  const rules = planAccept(document, self)
  if (rules === undefined) return 'open'
  const lines = renderAcceptRules(rules, device)
    .split('\n')
    .map(line => line.trim())
  assert.deepEqual(lines.slice(0, 9), [
    'table inet podwire-accept-wg0',
    'delete table inet podwire-accept-wg0',
    'table inet podwire-accept-wg0 {',
    'chain arriving {',
    'type filter hook prerouting priority mangle; policy accept;',
    'iifname != "wg0" accept',
    'ct state { established, related } accept',
    'ip daddr != { 10.99.0.0/16, 192.168.7.0/24 } counter drop',
    'ip6 daddr != { fd07::/64, fd99::/48 } counter drop',
  ])
  assert.deepEqual(lines.slice(-3), ['}', '}', ''])
  return lines.slice(9, -3)
}

const nobody = { to: { node: 'a' }, from: [] }
const tables: { name: string; node: string; accept: object[]; expected: readonly string[] | 'open' }[] = [
  { name: 'no entry: open', node: 'a', accept: [], expected: 'open' },
  { name: 'an entry about another closes nothing here', node: 'b', accept: [nobody], expected: 'open' },
  {
    name: 'from nobody: the node is closed',
    node: 'a',
    accept: [nobody],
    expected: ['fib daddr type local counter drop'],
  },
  {
    name: 'a node lets in a node, with its containers, in both families',
    node: 'a',
    accept: [{ to: { node: 'a' }, from: [{ node: 'b' }] }],
    expected: [
      'ip saddr { 10.99.2.0/24 } fib daddr type local accept',
      'ip6 saddr { fd99:0:0:2::/64 } fib daddr type local accept',
      'fib daddr type local counter drop',
    ],
  },
  {
    name: 'a node is closed with its containers, and not with its shares',
    node: 'b',
    accept: [{ to: { node: 'b' }, from: [{ node: 'a' }], ports: ['icmp'] }],
    expected: [
      'ip saddr { 10.99.0.1 } fib daddr type local meta l4proto icmp accept',
      'ip saddr { 10.99.0.1 } ip daddr { 10.99.2.0/24 } meta l4proto icmp accept',
      'ip6 saddr { fd99::1 } fib daddr type local meta l4proto ipv6-icmp accept',
      'ip6 saddr { fd99::1 } ip6 daddr { fd99:0:0:2::/64 } meta l4proto ipv6-icmp accept',
      'ip daddr { 10.99.2.0/24 } counter drop',
      'ip6 daddr { fd99:0:0:2::/64 } counter drop',
      'fib daddr type local counter drop',
    ],
  },
  {
    name: 'a share is closed, its node is not; one family leaves the other alone; ports by protocol, joined',
    node: 'c',
    accept: [
      {
        to: { prefix: '192.168.7.0/24' },
        from: [{ node: 'a' }],
        ports: ['tcp/443', 'tcp/8000-8010', 'tcp/8005-8020', 'udp/53', 'icmp'],
      },
    ],
    expected: [
      'ip saddr { 10.99.0.1 } ip daddr { 192.168.7.0/24 } tcp dport { 443, 8000-8020 } accept',
      'ip saddr { 10.99.0.1 } ip daddr { 192.168.7.0/24 } udp dport { 53 } accept',
      'ip saddr { 10.99.0.1 } ip daddr { 192.168.7.0/24 } meta l4proto icmp accept',
      'ip daddr { 192.168.7.0/24 } counter drop',
    ],
  },
  {
    name: 'several entries for one place add up',
    node: 'c',
    accept: [
      { to: { prefix: 'fd07::/64' }, from: [{ node: 'a' }] },
      { to: { prefix: 'fd07::/64' }, from: [{ zone: 'z' }], ports: ['tcp/1-65535'] },
    ],
    expected: [
      'ip6 saddr { fd99::1 } ip6 daddr { fd07::/64 } accept',
      'ip6 saddr { fd99::3, fd99:0:0:2::/64 } ip6 daddr { fd07::/64 } tcp dport { 1-65535 } accept',
      'ip6 daddr { fd07::/64 } counter drop',
    ],
  },
  {
    name: 'a part of a share, and a prefix that is more than the node has: only what concerns it',
    node: 'c',
    accept: [
      { to: { prefix: '192.168.7.10/32' }, from: [] },
      { to: { prefix: '10.99.0.0/16' }, from: [{ prefix: '10.99.0.0/16' }] },
    ],
    expected: [
      'ip saddr { 10.99.0.0/16 } ip daddr { 10.99.0.3 } accept',
      'ip daddr { 10.99.0.3, 192.168.7.10 } counter drop',
    ],
  },
  {
    name: 'tags and zones are their nodes, as who opens and as what is closed',
    node: 'b',
    accept: [{ to: { zone: 'z' }, from: [{ tag: 't' }] }],
    expected: [
      'ip saddr { 10.99.0.1, 10.99.2.0/24 } fib daddr type local accept',
      'ip saddr { 10.99.0.1, 10.99.2.0/24 } ip daddr { 10.99.2.0/24 } accept',
      'ip6 saddr { fd99::1, fd99:0:0:2::/64 } fib daddr type local accept',
      'ip6 saddr { fd99::1, fd99:0:0:2::/64 } ip6 daddr { fd99:0:0:2::/64 } accept',
      'ip daddr { 10.99.2.0/24 } counter drop',
      'ip6 daddr { fd99:0:0:2::/64 } counter drop',
      'fib daddr type local counter drop',
    ],
  },
]

for (const { name, node, accept, expected } of tables) {
  test(`accept: ${name}`, () => assert.deepEqual(rulesOf(node, accept), expected))
}

test('accept: a device whose name nftables cannot have is refused', () => {
  for (const device of ['wg0"; flush ruleset', 'a=b', '', 'sixteen-letters1']) {
    assert.throws(() => rulesOf('a', [nobody], device), /cannot be used as a name/)
  }
})

test('accept: a network of one family lets nothing of the other in; without rules the table goes', () => {
  const rules = { network: ['10.99.0.0/16'], entries: [], closesSelf: true, closed: [] }
  const line = renderAcceptRules(rules, '%i', 'one line')
  assert.match(line, /meta nfproto ipv6 counter drop/)
  assert.doesNotMatch(line, /[#'\n]/)
  assert.equal(
    renderAcceptRules(undefined, 'wg0'),
    'table inet podwire-accept-wg0\ndelete table inet podwire-accept-wg0\n',
  )
})
