import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPublicKey } from '../../../src/base/key.ts'
import { parseNetworkConfig } from '../../../src/model/network-config.ts'
import type { NodeRecord } from '../../../src/model/node-record.ts'
import { planHostTraffic } from '../../../src/plan/host-traffic.ts'
import { hostTrafficSeal, renderHostTraffic } from '../../../src/policy/host-traffic.ts'

const network = {
  name: 'n',
  range: ['10.99.0.0/16', 'fd99::/48'],
  nodePrefixLength: {},
  hostTraffic: 'encrypted',
} as const
const self = {
  name: 'a',
  device: 'wg0',
  ownPorts: [51820],
  endpoints: ['192.0.2.1:51820'],
  prefixes: ['10.99.0.0/24', 'fd99::/64'],
  addresses: ['192.0.2.1', '2001:db8::1', '10.99.0.1'],
  store: 'file:/srv/podwire',
}
const node = (name: string, endpoints: string[], prefixes: string[]): NodeRecord => ({
  name,
  publicKey: formatPublicKey(new Uint8Array(32).fill(name.charCodeAt(0))),
  endpoints,
  prefixes,
})
const b = node('b', ['192.0.2.2:51820', '[2001:db8::2]:51820', '192.0.2.2:1'], ['10.99.1.0/24', 'fd99:0:0:1::/64'])

test('host traffic: each address of another node has its inner one', () => {
  const cases: [name: string, nodes: NodeRecord[], hosts: { outer: string; inner?: string }[]][] = [
    ['nobody', [node('a', ['192.0.2.9:1'], ['10.99.0.0/24'])], []],
    [
      'both families',
      [b],
      [
        { outer: '192.0.2.2', inner: '10.99.1.0' },
        { outer: '2001:db8::2', inner: 'fd99:0:0:1::' },
      ],
    ],
    ['behind a NAT', [node('c', [], ['10.99.2.0/24'])], []],
    [
      'two behind one',
      [node('c', ['192.0.2.9:1'], ['10.99.2.0/24']), node('d', ['192.0.2.9:2'], ['10.99.3.0/24'])],
      [],
    ],
    ['one who claims an address of ours', [node('c', ['192.0.2.1:2', '[2001:db8::1]:2'], ['10.99.2.0/24'])], []],
    ['one address', [node('c', ['192.0.2.3:1'], ['10.99.2.7/32'])], [{ outer: '192.0.2.3', inner: '10.99.2.7' }]],
    ['no prefix of the family', [node('c', ['[2001:db8::3]:1'], ['10.99.2.0/24'])], [{ outer: '2001:db8::3' }]],
  ]
  for (const [name, nodes, hosts] of cases) assert.deepEqual(planHostTraffic(network, nodes, self)?.hosts, hosts, name)
  const { hostTraffic: _, ...clear } = network
  assert.equal(planHostTraffic(clear, [b], self), undefined)
})

test('host traffic: what comes for the node itself is turned back to an address that it has', () => {
  const own = (endpoints: string[]) => planHostTraffic(network, [], { ...self, endpoints })?.own
  assert.deepEqual(own(['192.0.2.1:1', '[2001:db8::1]:1']), [
    { outer: '192.0.2.1', inner: '10.99.0.0' },
    { outer: '2001:db8::1', inner: 'fd99::' },
  ])
  assert.deepEqual(own(['198.51.100.1:1']), [], 'a NAT has it')
})

test('host traffic: SSH and the store stay in clear', () => {
  const cases: [store: string, ports: number[]][] = [
    ['file:/srv/a:5/b', [22]],
    ['server:https://192.0.2.2:7443', [22, 7443]],
    ['etcd:https://h1:2381,https://[2001:db8::1]:2382/prod', [22, 2379, 2380, 2381, 2382]],
    ['kubernetes:prod', [22, 443, 6443]],
  ]
  for (const [store, ports] of cases) {
    assert.deepEqual(planHostTraffic(network, [], { ...self, store })?.clearPorts, ports, store)
  }
})

test('host traffic: every rule carries the seal, and another plan has another', () => {
  const [one, two] = [[], [b]].map(nodes => planHostTraffic(network, nodes, self))
  assert.ok(one && two)
  assert.notEqual(hostTrafficSeal(one), hostTrafficSeal(two))
  const rules = renderHostTraffic('wg0', two)
    .split('\n')
    .filter(line => /(return|drop|inward|masquerade|dnat)\b/.test(line) && !line.includes('chain'))
  assert.ok(rules.length > 20)
  for (const rule of rules) assert.ok(rule.endsWith(` comment "${hostTrafficSeal(two)}"`), rule)
  assert.equal(
    renderHostTraffic('wg0', undefined),
    'table inet podwire-hosts-wg0\ndelete table inet podwire-hosts-wg0\n',
  )
})

test('host traffic: a network says it, or nothing', () => {
  const parse = (more: string) =>
    parseNetworkConfig(`{ "name": "n", "range": ["10.99.0.0/16"]${more} }`, 'f').hostTraffic
  assert.equal(parse(''), undefined)
  assert.equal(parse(', "hostTraffic": "encrypted"'), 'encrypted')
  assert.throws(() => parse(', "hostTraffic": "clear"'), {
    code: 'ERR_PODWIRE_DOCUMENT',
    message: /expected "encrypted"/,
  })
})
