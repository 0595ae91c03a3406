import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { HostState } from '../../../src/model/host-state.ts'
import { Admission } from '../../../src/plan/admit.ts'
import { differenceOf } from '../../../src/plan/difference.ts'
import { HostPlanner, planHost } from '../../../src/plan/host-planner.ts'
import { KnownHost } from '../../../src/plan/known-host.ts'
import type { SelfState } from '../../../src/plan/plan.ts'
import { firewallSeal } from '../../../src/policy/base-chains.ts'
import { anyEvent, emptyView, key, tell, viewOf } from './random-view.ts'

const selves: readonly SelfState[] = [1500, 1400].map(underlayMtuBytes => ({
  name: 'a',
  publicKey: key('a'),
  device: 'podwire0',
  listenPort: 51820,
  endpoints: ['198.51.100.1:51820'],
  prefixes: ['10.99.1.0/24', 'fd99:0:0:1::/64'],
  underlayMtuBytes,
  families: [4, 6],
}))

const bare: HostState = {
  device: { name: 'podwire0', mtuBytes: 1500, up: false, listenPort: 0, peers: [] },
  addresses: [],
  routes: [],
  firewall: { device: 'podwire0', overlay: [], shares: [], seal: firewallSeal('podwire0') },
}

const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)
const plain = ({ device, ...rest }: HostState): unknown => ({
  ...rest,
  device: { ...device, peers: [...device.peers].sort(byText) },
  addresses: [...rest.addresses].sort(),
  routes: [...rest.routes].sort(byText),
})

test('host planner: after any events the plan is that of planning all at once, and the touched parts make the host it', () => {
  const step = fc.record({
    event: anyEvent,
    settles: fc.boolean(),
    self: fc.constantFrom(...selves, ...selves.slice(0, 1), ...selves.slice(0, 1)),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const admission = new Admission(emptyView.network)
      const planner = new HostPlanner(admission)
      const known = new KnownHost(bare)
      const touchedEver = { peers: new Set<ReturnType<typeof key>>(), routes: new Set<string>() }
      for (const [i, { event, settles, self }] of steps.entries()) {
        tell(admission, event)
        if (!settles && i < steps.length - 1) continue
        const touched = planner.advance(self)
        const scratch = planHost(viewOf(steps.slice(0, i + 1).map(each => each.event)), self)
        assert.deepEqual(plain(planner.host(self)), plain(scratch.host))
        assert.deepEqual(planner.problems(), scratch.problems)
        for (const change of differenceOf(planner.host(self, touched), known.part(touched))) known.take(change)
        for (const peer of touched.peers) touchedEver.peers.add(peer)
        for (const route of touched.routes) touchedEver.routes.add(route)
        assert.deepEqual(differenceOf(scratch.host, known.part(touchedEver)), [])
      }
    }),
    { seed: 7, numRuns: 400 },
  )
})

function withTwoPeers() {
  const [self] = selves
  assert.ok(self)
  const admission = new Admission(emptyView.network)
  const planner = new HostPlanner(admission)
  for (const [name, place] of Object.entries({ b: 2, c: 3 })) {
    admission.setClaim({ prefix: `10.99.${place}.0/24`, node: name, sinceMs: place })
    admission.setNode({ name, publicKey: key(name), endpoints: [], prefixes: [`10.99.${place}.0/24`] })
  }
  return { self, admission, planner }
}

test('host planner: a change touches its own peer and routes', () => {
  const { self, admission, planner } = withTwoPeers()
  assert.equal(planner.advance(self).peers.size, 2)
  const nothing = planner.advance(self)
  assert.deepEqual([nothing.peers.size, nothing.routes.size, nothing.names.size], [0, 0, 0])
  admission.setNode({ name: 'b', publicKey: key('x'), endpoints: [], prefixes: ['10.99.2.0/24'] })
  const { peers, routes, names } = planner.advance(self)
  assert.deepEqual([...peers].sort(), [key('b'), key('x')].sort())
  assert.deepEqual([...routes], ['10.99.2.0/24 50'])
  assert.deepEqual([...names], ['b'])
})

test('host planner: a peer whose route MTU changed is planned again, and no other', () => {
  const { self, planner } = withTwoPeers()
  planner.advance(self)
  const found = { ...self, routeMtus: new Map([[key('b'), 1296]]) }
  assert.equal(planner.advance(found).routes.size, 0, 'nobody said so')
  const touched = planner.advance(found, [key('b'), key('nobody')])
  assert.deepEqual([...touched.routes], ['10.99.2.0/24 50'])
  assert.deepEqual(
    planner.host(found, touched).routes.flatMap(({ mtuBytes }) => mtuBytes ?? []),
    [1296],
  )
})

test('host planner: with our key removed, or in the hands of another with an older claim, we speak to nobody', () => {
  const [self] = selves
  assert.ok(self)
  const other = { name: 'b', publicKey: key('b'), endpoints: [], prefixes: ['10.99.2.0/24'] }
  const ours = { name: 'a', publicKey: key('a'), endpoints: [], prefixes: ['10.99.1.0/24'] }
  const twin = { name: 't', publicKey: key('a'), endpoints: [], prefixes: ['10.99.3.0/24'] }
  const claims = (twinSinceMs: number) =>
    [
      { prefix: '10.99.2.0/24', node: 'b', sinceMs: 1 },
      { prefix: '10.99.1.0/24', node: 'a', sinceMs: 1 },
      { prefix: '10.99.3.0/24', node: 't', sinceMs: twinSinceMs },
    ].map(claim => ({ kind: 'claim' as const, claim }))
  const nodes = [ours, other].map(record => ({ kind: 'node' as const, record }))
  const removal = { kind: 'removal' as const, removal: { node: 'a', publicKey: key('a'), sinceMs: 5 } }
  const cases: [string, Parameters<typeof viewOf>[0], number][] = [
    ['alone with it', [...claims(0), ...nodes], 1],
    ['a younger twin', [...claims(2), ...nodes, { kind: 'node', record: twin }], 1],
    ['an older twin', [...claims(0), ...nodes, { kind: 'node', record: twin }], 0],
    ['removed', [...claims(0), ...nodes, removal], 0],
  ]
  for (const [name, events, peers] of cases) {
    const { host } = planHost(viewOf(events), self)
    assert.equal(host.device.peers.length, peers, name)
    assert.equal(host.routes.filter(({ type }) => type === 'unicast').length, peers, name)
    assert.deepEqual(host.firewall.overlay, emptyView.network.range)
  }
})
