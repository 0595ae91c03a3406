import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatPublicKey, type PublicKey } from '../../../src/base/key.ts'
import type { NetworkView, NodeRecord } from '../../../src/model/node-record.ts'
import { planHost } from '../../../src/plan/host-planner.ts'
import type { SelfState } from '../../../src/plan/plan.ts'

const key = (name: string): PublicKey => formatPublicKey(Buffer.alloc(32, name))

const places = { a: 1, b: 2, c: 3, d: 4 }

function node(name: keyof typeof places, change: Partial<NodeRecord> = {}): NodeRecord {
  const place = places[name]
  return {
    name,
    publicKey: key(name),
    endpoints: [`198.51.100.${place}:51820`],
    prefixes: [`10.99.${place}.0/24`, `fd99:0:0:${place}::/64`],
    ...change,
  }
}

/** A view in which each record has the claims that its name had from the beginning. */
function view(nodes: readonly NodeRecord[], claims: readonly [prefix: string, node: string][] = []): NetworkView {
  const given = Object.entries(places).flatMap(([name, place]): [string, string][] => [
    [`10.99.${place}.0/24`, name],
    [`fd99:0:0:${place}::/64`, name],
  ])
  return {
    network: { name: 'test', range: ['10.99.0.0/16', 'fd99::/48'], nodePrefixLength: { ipv4: 24, ipv6: 64 } },
    nodes: new Map(nodes.map(record => [record.name, record])),
    claims: new Map([...given, ...claims].map(([prefix, name], i) => [prefix, { prefix, node: name, sinceMs: i }])),
    removals: new Map(),
  }
}

const self: SelfState = {
  name: 'a',
  publicKey: key('a'),
  device: 'podwire0',
  listenPort: 51820,
  endpoints: ['198.51.100.1:51820'],
  prefixes: ['10.99.1.0/24', 'fd99:0:0:1::/64'],
  underlayMtuBytes: 1500,
  families: [4],
}

const ipv4Route = (place: number) => ({
  destination: `10.99.${place}.0/24`,
  type: 'unicast',
  device: 'podwire0',
  metric: 50,
  mtuBytes: 1420,
  source: '10.99.1.1',
})
const ipv6Route = (place: number) => ({
  ...ipv4Route(place),
  destination: `fd99:0:0:${place}::/64`,
  source: 'fd99:0:0:1::1',
})
const unreachable = ['10.99.0.0/16', 'fd99::/48'].map(destination => ({
  destination,
  type: 'unreachable',
  metric: 4294967295,
}))

test('plan: a host alone has its device, its addresses, and the closed range', () => {
  assert.deepEqual(planHost(view([node('a')]), self), {
    host: {
      device: { name: 'podwire0', mtuBytes: 1420, listenPort: 51820, publicKey: key('a'), peers: [] },
      addresses: ['10.99.1.1/32', 'fd99:0:0:1::1/128'],
      routes: unreachable,
      firewall: { device: 'podwire0', overlay: ['10.99.0.0/16', 'fd99::/48'], shares: [] },
    },
    problems: [],
  })
})

test('plan: every other node is a peer with its prefixes, and a route for each', () => {
  const { host } = planHost(view([node('b'), node('a'), node('c')]), self)
  // By key, so that the order does not depend on names.
  assert.deepEqual(host.device.peers.toReversed(), [
    {
      publicKey: key('b'),
      endpoint: '198.51.100.2:51820',
      persistentKeepaliveSeconds: 0,
      allowedIps: ['10.99.2.0/24', 'fd99:0:0:2::/64'],
    },
    {
      publicKey: key('c'),
      endpoint: '198.51.100.3:51820',
      persistentKeepaliveSeconds: 0,
      allowedIps: ['10.99.3.0/24', 'fd99:0:0:3::/64'],
    },
  ])
  assert.deepEqual(host.routes, [...unreachable, ipv4Route(2), ipv6Route(2), ipv4Route(3), ipv6Route(3)])
})

test('plan: the endpoint is the first declared one of a family that this host has', () => {
  const both = ['[2001:db8::2]:1', '198.51.100.2:2', '198.51.100.3:3']
  const cases: [endpoints: string[], families: SelfState['families'], endpoint: string | undefined][] = [
    [both, [4, 6], '[2001:db8::2]:1'],
    [both, [4], '198.51.100.2:2'],
    [both, [6], '[2001:db8::2]:1'],
    [['[2001:db8::2]:1'], [4], undefined],
    [[], [4, 6], undefined],
    [both, [], undefined],
  ]
  for (const [endpoints, families, endpoint] of cases) {
    const { host } = planHost(view([node('a'), node('b', { endpoints })]), { ...self, families })
    assert.equal(host.device.peers[0]?.endpoint, endpoint)
  }
})

test('plan: a host without an endpoint of its own keeps its NAT open to all', () => {
  const { host } = planHost(view([node('a'), node('b'), node('c')]), { ...self, endpoints: [] })
  assert.deepEqual(
    host.device.peers.map(peer => peer.persistentKeepaliveSeconds),
    [25, 25],
  )
})

test('plan: the MTU leaves room for the outer headers, and never falls below what IPv6 needs', () => {
  for (const [underlay, mtu] of [
    [1500, 1420],
    [9000, 8920],
    [1400, 1320],
    [1300, 1280],
  ] as const) {
    const { host } = planHost(view([node('b')]), { ...self, underlayMtuBytes: underlay })
    assert.equal(host.device.mtuBytes, mtu)
    assert.ok(host.routes.every(route => route.type === 'unreachable' || route.mtuBytes === mtu))
  }
})

test('plan: a network of one family has nothing of the other', () => {
  const one: NetworkView = {
    ...view([node('a', { prefixes: ['fd99:0:0:1::/64'] }), node('b', { prefixes: ['fd99:0:0:2::/64'] })]),
    network: { name: 'six', range: ['fd99::/48'], nodePrefixLength: { ipv6: 64 } },
  }
  const { host, problems } = planHost(one, { ...self, prefixes: ['fd99:0:0:1::/64'] })
  assert.deepEqual(problems, [])
  assert.deepEqual(host.addresses, ['fd99:0:0:1::1/128'])
  assert.deepEqual(host.routes, [unreachable[1], ipv6Route(2)])
})

test('plan: a bad record is left out with its reason, and the others stay as they are', () => {
  const goodPlan = planHost(view([node('a'), node('b'), node('c')]), self).host
  const cases: [bad: NodeRecord, claims: [string, string][], reason: RegExp][] = [
    [node('d', { prefixes: ['10.98.0.0/24'] }), [], /10\.98\.0\.0\/24 is outside the network's range/],
    [node('d', { prefixes: ['10.0.0.0/8'] }), [], /outside the network's range/],
    [node('d', { prefixes: ['10.98.0.0/24'] }), [['10.98.0.0/24', 'd']], /outside the network's range/],
    [node('d', { prefixes: ['10.99.2.0/24'] }), [], /overlaps 10\.99\.2\.0\/24, which node b has claimed/],
    [node('d', { prefixes: ['10.99.2.128/25'] }), [['10.99.2.128/25', 'd']], /overlaps 10\.99\.2\.0\/24, which node b/],
    [node('d', { prefixes: ['10.99.0.0/16'] }), [['10.99.0.0/16', 'd']], /overlaps 10\.99\.\d\.0\/24, which node/],
    [node('d', { prefixes: ['fd99::/48'] }), [], /overlaps/],
    [node('d', { prefixes: ['10.99.77.0/24'] }), [], /is not claimed by it/],
    [node('d', { publicKey: key('b') }), [], /its public key is that of node b/],
    [node('d', { publicKey: key('b'), prefixes: [] }), [], /its public key is that of node b/],
    [node('d', { endpoints: ['10.99.1.1:51820'] }), [], /lies in the network's own range/],
    [node('d', { endpoints: ['192.0.2.1:1', '[fd99::1]:51820'] }), [], /lies in the network's own range/],
  ]
  for (const [bad, claims, reason] of cases) {
    const { host, problems } = planHost(view([bad, node('a'), node('b'), node('c')], claims), self)
    assert.deepEqual(host, goodPlan, reason.source)
    assert.equal(problems.length, 1)
    assert.equal(problems[0]?.node, 'd')
    assert.match(problems[0]?.reason ?? '', reason)
  }
})

test('plan: our own key or name in the hands of another never makes a peer of ourselves', () => {
  const { host } = planHost(view([node('b', { publicKey: key('a') })]), self)
  assert.deepEqual(host.device.peers, [])
  assert.deepEqual(host.routes, unreachable)
})

test('plan: whatever the records say, no AllowedIP overlaps another or leaves the range, and order does not matter', () => {
  const prefix = fc.constantFrom(
    '10.99.1.0/24',
    '10.99.2.0/24',
    '10.99.2.128/25',
    '10.99.0.0/16',
    '10.0.0.0/8',
    'fd99::/64',
  )
  const record = fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    publicKey: fc.constantFrom('a', 'b', 'c').map(key),
    endpoints: fc.subarray(['198.51.100.1:1', '10.99.1.1:1', '[2001:db8::1]:1']),
    prefixes: fc.uniqueArray(prefix, { maxLength: 3 }),
  })
  const claim = fc.tuple(prefix, fc.constantFrom('a', 'b', 'c', 'd'), fc.integer({ min: 0, max: 3 }))
  fc.assert(
    fc.property(fc.array(record), fc.array(claim), (records, claims) => {
      const made = (order: <T>(items: T[]) => T[]): NetworkView => ({
        network: view([]).network,
        nodes: new Map(order([...new Map(records.map(item => [item.name, item]))])),
        claims: new Map(
          order([...new Map(claims.map(([text, name, sinceMs]) => [text, { prefix: text, node: name, sinceMs }]))]),
        ),
        removals: new Map(),
      })
      const plan = planHost(
        made(items => items),
        self,
      )
      assert.deepEqual(
        planHost(
          made(items => items.reverse()),
          self,
        ),
        plan,
      )
      const all = plan.host.device.peers.flatMap(peer => peer.allowedIps)
      const first = all.map(text => text.split('/')[0])
      assert.equal(new Set(first).size, all.length)
      assert.ok(all.every(text => text !== '10.0.0.0/8'))
      assert.ok(
        !(all.includes('10.99.0.0/16') && all.some(text => text.startsWith('10.99') && text !== '10.99.0.0/16')),
      )
      assert.ok(!(all.includes('10.99.2.0/24') && all.includes('10.99.2.128/25')))
      const keys = plan.host.device.peers.map(peer => peer.publicKey)
      assert.equal(new Set(keys).size, keys.length)
      assert.ok(!keys.includes(self.publicKey))
    }),
  )
})
