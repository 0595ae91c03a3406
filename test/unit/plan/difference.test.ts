import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { containsCidr, parsePrefix } from '../../../src/base/cidr.ts'
import { formatPublicKey } from '../../../src/base/key.ts'
import type { Change } from '../../../src/model/host-change.ts'
import type { HostPeer, HostState, Route } from '../../../src/model/host-state.ts'
import { differenceOf } from '../../../src/plan/difference.ts'
import { firewallSeal, outermostPrefixes } from '../../../src/policy/base-chains.ts'

const key = (n: number) => formatPublicKey(new Uint8Array(32).fill(n))
const peer = (n: number, allowedIps: string[], more: Partial<HostPeer> = {}): HostPeer => ({
  publicKey: key(n),
  persistentKeepaliveSeconds: 0,
  allowedIps,
  ...more,
})
const unicast = (destination: string, more: Partial<Route> = {}): Route => ({
  destination,
  type: 'unicast',
  device: 'wg0',
  metric: 1024,
  ...more,
})
const unreachable = (destination: string): Route => ({ destination, type: 'unreachable', metric: 4294967295 })

const empty: HostState = {
  device: { name: 'wg0', mtuBytes: 1500, up: false, listenPort: 0, peers: [] },
  addresses: [],
  routes: [],
  firewall: { device: '', overlay: [], shares: [] },
}
const full: HostState = {
  device: {
    name: 'wg0',
    mtuBytes: 1420,
    listenPort: 51820,
    publicKey: key(9),
    peers: [
      peer(1, ['10.99.1.0/24', 'fd99:0:0:1::/64'], { endpoint: '198.51.100.1:51820' }),
      peer(2, ['10.99.2.0/24'], { persistentKeepaliveSeconds: 25 }),
    ],
  },
  addresses: ['10.99.0.1/32', 'fd99::1/128'],
  routes: [unreachable('10.99.0.0/16'), unicast('10.99.1.0/24'), unicast('10.99.2.0/24', { source: '10.99.0.1' })],
  firewall: { device: 'wg0', overlay: ['10.99.0.0/16', 'fd99::/48'], shares: ['192.168.7.0/24'] },
}
/** As it would be observed: sealed and up. */
const observed = (state: HostState): HostState => ({
  ...state,
  device: { ...state.device, up: true },
  firewall: { ...state.firewall, seal: firewallSeal(state.firewall.device) },
})

/** What the kernel and the device do with a change. */
function carryOut(state: HostState, change: Change): HostState {
  const { device } = state
  switch (change.kind) {
    case 'firewall':
      return { ...state, firewall: change.firewall }
    case 'link':
      return {
        ...state,
        device: { ...device, up: change.up ?? device.up ?? true, mtuBytes: change.mtuBytes ?? device.mtuBytes },
      }
    case 'listenPort':
      return { ...state, device: { ...device, listenPort: change.port } }
    case 'addAddress':
      return { ...state, addresses: [...state.addresses, change.cidr] }
    case 'removeAddress':
      return { ...state, addresses: state.addresses.filter(cidr => cidr !== change.cidr) }
    case 'putRoute': {
      const others = state.routes.filter(
        route => route.destination !== change.route.destination || route.metric !== change.route.metric,
      )
      return { ...state, routes: [...others, change.route] }
    }
    case 'removeRoute':
      return { ...state, routes: state.routes.filter(route => route !== change.route) }
    case 'peer': {
      const { publicKey, remove, updateOnly, allowedIps = [], removeAllowedIps = [], ...parts } = change.change
      const known = device.peers.find(peer => peer.publicKey === publicKey)
      const others = device.peers
        .filter(peer => peer !== known)
        .map(peer => ({ ...peer, allowedIps: peer.allowedIps.filter(cidr => !allowedIps.includes(cidr)) }))
      if (remove || (known === undefined && updateOnly)) return { ...state, device: { ...device, peers: others } }
      const { endpoint, persistentKeepaliveSeconds } = parts
      const changed: HostPeer = {
        persistentKeepaliveSeconds: 0,
        ...known,
        publicKey,
        ...(endpoint !== undefined && { endpoint }),
        ...(persistentKeepaliveSeconds !== undefined && { persistentKeepaliveSeconds }),
        allowedIps: [...(known?.allowedIps ?? []), ...allowedIps]
          .filter(cidr => !removeAllowedIps.includes(cidr))
          .sort(),
      }
      return { ...state, device: { ...device, peers: [...others, changed] } }
    }
  }
}

const words = (change: Change): string => {
  if (change.kind === 'peer')
    return change.change.remove ? 'removePeer' : change.change.removeAllowedIps ? 'narrowPeer' : 'peer'
  return change.kind === 'putRoute' || change.kind === 'removeRoute'
    ? `${change.kind} ${change.route.type}`
    : change.kind
}

test('difference: from nothing, what closes comes first and routes come last', () => {
  assert.deepEqual(differenceOf(full, empty).map(words), [
    'firewall',
    'putRoute unreachable',
    'link',
    'listenPort',
    'addAddress',
    'addAddress',
    'peer',
    'peer',
    'putRoute unicast',
    'putRoute unicast',
  ])
})

test('difference: to nothing, unknown peers go last', () => {
  const nothing = { ...empty, firewall: { ...empty.firewall, device: 'wg0' } }
  assert.deepEqual(differenceOf(nothing, observed(full)).map(words), [
    'link',
    'listenPort',
    'removeRoute unicast',
    'removeRoute unicast',
    'removeAddress',
    'removeAddress',
    'removeRoute unreachable',
    'firewall',
    'removePeer',
    'removePeer',
  ])
})

test('difference: none between what is and what should be', () => {
  assert.deepEqual(differenceOf(full, observed(full)), [])
  const shuffled = observed({
    ...full,
    device: { ...full.device, peers: [...full.device.peers].reverse() },
    addresses: [...full.addresses].reverse(),
    routes: [...full.routes].reverse(),
    firewall: { ...full.firewall, overlay: [...full.firewall.overlay].reverse() },
  })
  assert.deepEqual(differenceOf(full, shuffled), [])
})

test('difference: one change gives one change', () => {
  const [first, second] = full.device.peers as [HostPeer, HostPeer]
  const withPeers = (...peers: HostPeer[]): HostState => ({ ...full, device: { ...full.device, peers } })
  const cases: [string, HostState, Change | string][] = [
    ['mtu', { ...full, device: { ...full.device, mtuBytes: 1380 } }, { kind: 'link', mtuBytes: 1380 }],
    ['port', { ...full, device: { ...full.device, listenPort: 4500 } }, { kind: 'listenPort', port: 4500 }],
    [
      'address',
      { ...full, addresses: [...full.addresses, '10.99.0.2/32'] },
      { kind: 'addAddress', cidr: '10.99.0.2/32' },
    ],
    ['no address', { ...full, addresses: ['10.99.0.1/32'] }, { kind: 'removeAddress', cidr: 'fd99::1/128' }],
    [
      'route',
      { ...full, routes: [...full.routes, unicast('10.99.3.0/24')] },
      { kind: 'putRoute', route: unicast('10.99.3.0/24') },
    ],
    [
      'mtu of a route',
      { ...full, routes: full.routes.map(r => (r.destination === '10.99.1.0/24' ? { ...r, mtuBytes: 1300 } : r)) },
      { kind: 'putRoute', route: unicast('10.99.1.0/24', { mtuBytes: 1300 }) },
    ],
    ['no route', { ...full, routes: full.routes.slice(0, 2) }, 'removeRoute unicast'],
    ['a peer', withPeers(first, second, peer(3, ['10.99.3.0/24'])), 'peer'],
    ['no peer', withPeers(first), { kind: 'peer', change: { publicKey: key(2), remove: true } }],
    [
      'an AllowedIP',
      withPeers(first, { ...second, allowedIps: ['10.99.2.0/24', '10.99.4.0/24'] }),
      { kind: 'peer', change: { publicKey: key(2), updateOnly: true, allowedIps: ['10.99.4.0/24'] } },
    ],
    [
      'no AllowedIP',
      withPeers({ ...first, allowedIps: ['10.99.1.0/24'] }, second),
      { kind: 'peer', change: { publicKey: key(1), updateOnly: true, removeAllowedIps: ['fd99:0:0:1::/64'] } },
    ],
    [
      'a moved AllowedIP',
      withPeers(
        { ...first, allowedIps: ['10.99.1.0/24'] },
        { ...second, allowedIps: ['10.99.2.0/24', 'fd99:0:0:1::/64'] },
      ),
      { kind: 'peer', change: { publicKey: key(2), updateOnly: true, allowedIps: ['fd99:0:0:1::/64'] } },
    ],
    [
      'keepalive',
      withPeers(first, { ...second, persistentKeepaliveSeconds: 0 }),
      { kind: 'peer', change: { publicKey: key(2), updateOnly: true, persistentKeepaliveSeconds: 0 } },
    ],
    ['a share', { ...full, firewall: { ...full.firewall, shares: ['192.168.7.0/24', '192.168.8.0/24'] } }, 'firewall'],
    ['no share', { ...full, firewall: { ...full.firewall, shares: [] } }, 'firewall'],
    ['a wider share', { ...full, firewall: { ...full.firewall, shares: ['192.168.0.0/16'] } }, 'firewall'],
    ['a narrower share', { ...full, firewall: { ...full.firewall, shares: ['192.168.7.0/25'] } }, 'firewall'],
  ]
  for (const [name, desired, expected] of cases) {
    const changes = differenceOf(desired, observed(full))
    assert.equal(changes.length, 1, `${name}: ${changes.map(words)}`)
    if (typeof expected === 'string') assert.deepEqual(changes.map(words), [expected], name)
    else assert.deepEqual(changes, [expected], name)
  }
})

test('difference: rules that are not whole are put in order at once, their elements kept', () => {
  const tampered = { ...observed(full), firewall: { ...full.firewall, device: '', shares: ['10.5.0.0/16'] } }
  const [first, second, ...rest] = differenceOf(full, tampered)
  assert.ok(first?.kind === 'firewall' && second?.kind === 'firewall' && rest.length === 0)
  assert.match(first.script, /^table inet podwire-wg0\ndelete table/)
  assert.deepEqual(first.firewall.shares, ['10.5.0.0/16', '192.168.7.0/24'])
  assert.equal(second.script, 'delete element inet podwire-wg0 shares4 { 10.5.0.0/16 }\n')
})

test('difference: routes of another network stay, whichever way they lead', () => {
  const others = [unicast('10.98.1.0/24', { device: 'wg1' }), unreachable('10.98.0.0/16')]
  assert.deepEqual(differenceOf(full, { ...observed(full), routes: [...others, ...full.routes] }), [])
})

test('difference: an endpoint that works is not replaced', () => {
  const [first, second] = full.device.peers as [HostPeer, HostPeer]
  const roamed = (more: Partial<HostPeer>): HostState =>
    observed({ ...full, device: { ...full.device, peers: [{ ...first, ...more }, second] } })
  const replaced = [{ kind: 'peer', change: { publicKey: key(1), updateOnly: true, endpoint: '198.51.100.1:51820' } }]
  const { endpoint: _, ...nowhere } = first
  const without = observed({ ...full, device: { ...full.device, peers: [{ ...nowhere, working: true }, second] } })
  const cases: [string, HostState, unknown][] = [
    ['works', roamed({ endpoint: '203.0.113.9:1024', working: true }), []],
    ['does not work', roamed({ endpoint: '203.0.113.9:1024', working: false }), replaced],
    ['is not known to work', roamed({ endpoint: '203.0.113.9:1024' }), replaced],
    ['is not there', without, replaced],
    ['is the same', roamed({ working: false }), []],
  ]
  for (const [name, state, changes] of cases) assert.deepEqual(differenceOf(full, state), changes, name)
})

const prefixes = ['10.99.1.0/24', '10.99.2.0/24', '10.99.3.0/24', 'fd99:0:0:1::/64', 'fd99:0:0:2::/64']
const covers = [
  '10.0.0.0/8',
  '10.1.0.0/16',
  '10.1.1.0/24',
  '10.99.0.0/16',
  'fd99::/48',
  'fd99:0:0:1::/64',
  '192.168.0.0/16',
]

const anyState: fc.Arbitrary<HostState> = fc
  .record({
    mtuBytes: fc.constantFrom(1280, 1420),
    up: fc.boolean(),
    listenPort: fc.constantFrom(0, 51820),
    keepalives: fc.tuple(...[1, 2, 3, 4].map(() => fc.constantFrom(0, 25))),
    endpoints: fc.tuple(...[1, 2, 3, 4].map(() => fc.option(fc.constantFrom('198.51.100.1:1', '[2001:db8::1]:2')))),
    working: fc.tuple(...[1, 2, 3, 4].map(() => fc.boolean())),
    present: fc.tuple(...[1, 2, 3, 4].map(() => fc.boolean())),
    /** Each AllowedIP has one owner, or none. */
    owners: fc.tuple(...prefixes.map(() => fc.integer({ min: 0, max: 4 }))),
    addresses: fc.subarray(['10.99.0.1/32', '10.99.0.2/32', 'fd99::1/128']),
    routes: fc.array(
      fc.record({
        destination: fc.constantFrom(...prefixes),
        far: fc.boolean(),
        mtuBytes: fc.constantFrom(1300, 1400),
      }),
    ),
    overlay: fc.subarray(covers),
    shares: fc.subarray(covers),
    sealed: fc.boolean(),
  })
  .map(({ mtuBytes, up, listenPort, addresses, overlay, shares, sealed, ...random }) => {
    const peers = [1, 2, 3, 4].flatMap((n, i): HostPeer[] => {
      const endpoint = random.endpoints[i]
      const allowedIps = prefixes.filter((_, j) => random.owners[j] === n)
      const persistentKeepaliveSeconds = random.keepalives[i] ?? 0
      const more = { persistentKeepaliveSeconds, working: random.working[i] === true, ...(endpoint && { endpoint }) }
      return random.present[i] ? [peer(n, allowedIps, more)] : []
    })
    const routes = random.routes.map(({ destination, far, mtuBytes }) =>
      far ? unreachable(destination) : unicast(destination, { mtuBytes }),
    )
    const byKey = new Map(routes.map(route => [`${route.destination} ${route.metric}`, route]))
    return {
      device: { name: 'wg0', mtuBytes, up, listenPort, peers },
      addresses,
      routes: [...byKey.values()],
      firewall: {
        device: 'wg0',
        overlay: outermostPrefixes(overlay),
        shares: outermostPrefixes(shares),
        ...(sealed && { seal: firewallSeal('wg0') }),
      },
    }
  })

test('difference: carried out it gives what is desired, and on the way nothing opens or breaks', () => {
  const owned = (state: HostState) => state.device.peers.flatMap(peer => peer.allowedIps)
  const covered = (state: HostState, set: 'overlay' | 'shares', prefix: string) =>
    state.firewall[set].some(outer => containsCidr(parsePrefix(outer, 't'), parsePrefix(prefix, 't')))
  fc.assert(
    fc.property(anyState, anyState, (desired, before) => {
      let state = before
      for (const change of differenceOf(desired, before)) {
        state = carryOut(state, change)
        // What an AllowedIP had before and is to have after, it has at every moment between.
        for (const cidr of owned(before)) {
          if (owned(desired).includes(cidr)) assert.ok(owned(state).includes(cidr), `${cidr} after ${words(change)}`)
        }
        for (const set of ['overlay', 'shares'] as const) {
          for (const prefix of covers) {
            if (covered(before, set, prefix) && covered(desired, set, prefix)) assert.ok(covered(state, set, prefix))
          }
          // What is desired to be closed is closed before anything else is done, and what was closed stays so until routes are gone.
          if (change.kind !== 'firewall') {
            for (const prefix of desired.firewall[set]) assert.ok(covered(state, set, prefix), prefix)
            if (change.kind !== 'peer')
              for (const prefix of before.firewall[set]) assert.ok(covered(state, set, prefix))
          }
        }
      }
      assert.deepEqual(differenceOf(desired, state), [])
      const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)
      assert.deepEqual([...state.addresses].sort(), [...desired.addresses].sort())
      // What closes another network's range stays, unless one of ours takes its place.
      const foreign = before.routes.filter(
        ({ type, destination, metric }) =>
          type === 'unreachable' &&
          ![before, desired].some(of => covered(of, 'overlay', destination) || covered(of, 'shares', destination)) &&
          !desired.routes.some(route => route.destination === destination && route.metric === metric),
      )
      assert.deepEqual([...state.routes].sort(byText), [...foreign, ...desired.routes].sort(byText))
      assert.deepEqual(state.firewall.overlay, desired.firewall.overlay)
      assert.deepEqual(state.firewall.shares, desired.firewall.shares)
      assert.deepEqual(
        [state.device.mtuBytes, state.device.listenPort],
        [desired.device.mtuBytes, desired.device.listenPort],
      )
      assert.equal(state.device.up, true)
      const expected = desired.device.peers.map(peer => {
        const known = before.device.peers.find(other => other.publicKey === peer.publicKey)
        const endpoint = (known?.working ? known.endpoint : undefined) ?? peer.endpoint ?? known?.endpoint
        return [peer.publicKey, endpoint, peer.persistentKeepaliveSeconds, [...peer.allowedIps].sort()]
      })
      const found = state.device.peers.map(peer => [
        peer.publicKey,
        peer.endpoint,
        peer.persistentKeepaliveSeconds,
        peer.allowedIps,
      ])
      assert.deepEqual(found.sort(byText), expected.sort(byText))
    }),
    { numRuns: 300 },
  )
})
