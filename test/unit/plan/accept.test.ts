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

/** The rules of a node as nftables takes them. */
function textOf(node: string, accept: readonly object[], device = 'wg0'): string {
  const network = { name: 'n', range: ['10.99.0.0/16', 'fd99::/48'] }
  const document = parseNetworkDocument(JSON.stringify({ network, nodes, accept }), 'network.json')
  const self = document.nodes.find(({ name }) => name === node)
  assert.ok(self)
  return renderAcceptRules(planAccept(document, self), device)
}

/** What is let in from the device and what is not, behind the guards, with the elements of its sets. */
function rulesOf(node: string, accept: readonly object[]): string[] {
  const text = textOf(node, accept)
  const sets = new Map(
    [...text.matchAll(/set (\w+) \{(?:[^{}]*(\{[^}]*\}))?/g)].map(([, name, list = '{ }']) => [name, list]),
  )
  const lines = text.split('\n').map(line => line.trim().replace(/@(\w+)/, (_, name) => sets.get(name) ?? name))
  const first = lines.findLastIndex(line => line.includes('fib daddr oifname'))
  return lines.slice(first + 1, -3)
}

test('accept: the whole of a node of which nothing is closed: its guards', () => {
  assert.equal(
    textOf('c', []),
    `table inet podwire-accept-wg0
delete table inet podwire-accept-wg0
table inet podwire-accept-wg0 {
  set network_4 {
    type ipv4_addr
    flags interval
    elements = { 10.99.0.0/16, 192.168.7.0/24 }
  }
  set network_6 {
    type ipv6_addr
    flags interval
    elements = { fd07::/64, fd99::/48 }
  }
  set prefixes_4 {
    type ipv4_addr
    flags interval
    elements = { 10.99.0.3 }
  }
  set prefixes_6 {
    type ipv6_addr
    flags interval
    elements = { fd99::3 }
  }
  set here_4 {
    type ipv4_addr
    flags interval
    elements = { 10.99.0.3, 192.168.7.0/24 }
  }
  set here_6 {
    type ipv6_addr
    flags interval
    elements = { fd99::3, fd07::/64 }
  }
  chain elsewhere {
    ip saddr @here_4 fib saddr . iif oif missing counter drop
    ip6 saddr @here_6 fib saddr . iif oif missing counter drop
    ip saddr @here_4 accept
    ip6 saddr @here_6 accept
    ip saddr @network_4 counter drop
    ip6 saddr @network_6 counter drop
    ip daddr @prefixes_4 counter drop
    ip6 daddr @prefixes_6 counter drop
  }
  chain arriving {
    type filter hook prerouting priority mangle; policy accept
    iifname "lo" accept
    iifname != "wg0" goto elsewhere
    ip daddr != @network_4 counter drop
    ip6 daddr != @network_6 counter drop
    ip daddr != @here_4 fib daddr oifname != "wg0" counter drop
    ip6 daddr != @here_6 fib daddr oifname != "wg0" counter drop
  }
}
`,
  )
})

const nobody = { to: { node: 'a' }, from: [] }
const replies = 'ct state { established, related } accept'
const tables: { name: string; node: string; accept: object[]; expected: readonly string[] }[] = [
  { name: 'no entry: open', node: 'a', accept: [], expected: [] },
  { name: 'an entry about another closes nothing here', node: 'b', accept: [nobody], expected: [] },
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
    name: 'what is let in to a share does not open its node, if that is closed',
    node: 'c',
    accept: [
      { to: { node: 'c' }, from: [{ node: 'a' }], ports: ['tcp/22'] },
      { to: { prefix: '192.168.7.0/24' }, from: [{ node: 'a' }] },
    ],
    expected: [
      'ip saddr { 10.99.0.1 } fib daddr type local tcp dport { 22 } accept',
      'ip6 saddr { fd99::1 } fib daddr type local tcp dport { 22 } accept',
      'ip saddr { 10.99.0.1 } ip daddr { 192.168.7.0/24 } fib daddr type != local accept',
      'ip daddr { 192.168.7.0/24 } counter drop',
      'fib daddr type local counter drop',
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
  test(`accept: ${name}`, () => {
    assert.deepEqual(rulesOf(node, accept), expected.length === 0 ? [] : [replies, ...expected])
  })
}

test('accept: a device whose name nftables cannot have is refused', () => {
  for (const device of ['wg0"; flush ruleset', 'a=b', '', 'sixteen-letters1']) {
    assert.throws(() => textOf('a', [nobody], device), /cannot be used as a name/)
  }
})

test('accept: a list of senders is there once in each family, however many entries have it', () => {
  const entry = (port: number) => ({ to: { node: 'a' }, from: [{ tag: 't' }], ports: [`tcp/${port}`] })
  const text = textOf('a', [entry(1), entry(2), { to: { node: 'a' }, from: [{ node: 'c' }], ports: ['tcp/3'] }])
  assert.deepEqual(text.match(/set from\d+_\d/g), ['set from1_4', 'set from1_6', 'set from2_4', 'set from2_6'])
  const rules = text.match(/ip saddr @from.*/g)
  assert.deepEqual(rules, [
    'ip saddr @from1_4 fib daddr type local tcp dport { 1 } accept',
    'ip saddr @from1_4 fib daddr type local tcp dport { 2 } accept',
    'ip saddr @from2_4 fib daddr type local tcp dport { 3 } accept',
  ])
})

test('accept: of a family that the network has not, the sets are empty; without rules the table goes', () => {
  const prefixes = ['10.99.0.1/32']
  const rules = { network: ['10.99.0.0/16'], prefixes, shares: [], entries: [], closesSelf: true, closed: [] }
  const line = renderAcceptRules(rules, '%i', 'one line')
  assert.match(line, /set network_6 \{ type ipv6_addr; flags interval; \}; .* ip6 daddr != @network_6 counter drop/)
  assert.doesNotMatch(line, /[#'\n]/)
  assert.equal(
    renderAcceptRules(undefined, 'wg0'),
    'table inet podwire-accept-wg0\ndelete table inet podwire-accept-wg0\n',
  )
})
