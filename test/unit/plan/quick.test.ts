import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPublicKey } from '../../../src/base/key.ts'
import { Secret, type SecretSource } from '../../../src/base/secret.ts'
import type { InterfaceConfig } from '../../../src/config/interface-config.ts'
import type { DeviceState } from '../../../src/model/device.ts'
import { deviceDifference } from '../../../src/plan/device-difference.ts'
import { acceptHook, forwardHook, unreachableHook } from '../../../src/plan/node-hooks.ts'
import { describeAction } from '../../../src/plan/quick/describe.ts'
import { planDown } from '../../../src/plan/quick/down.ts'
import type { HostFacts, LinkRoute, ReadyConfig } from '../../../src/plan/quick/facts.ts'
import { planReload } from '../../../src/plan/quick/reload.ts'
import { savedConfig } from '../../../src/plan/quick/saved-config.ts'
import type { Step } from '../../../src/plan/quick/step.ts'
import { planTunnel } from '../../../src/plan/quick/tunnel.ts'
import { planUp } from '../../../src/plan/quick/up.ts'

const key = (n: number) => formatPublicKey(new Uint8Array(32).fill(n))
const secret = (n: number) => new Secret(new Uint8Array(32).fill(n))

function config(allowedIps: readonly string[], more: Partial<ReadyConfig> = {}): ReadyConfig {
  return {
    privateKey: secret(9),
    addresses: ['10.7.0.1/24'],
    dns: { servers: [], search: [] },
    table: 'auto',
    saveConfig: false,
    hooks: { preUp: [], postUp: [], preDown: [], postDown: [] },
    peers: [{ publicKey: key(1), allowedIps, comments: [] }],
    comments: [],
    ...more,
  }
}

const bare: HostFacts = {
  markRules: [],
  suppressRules: [],
  firewallMarks: {},
  pathMtus: [],
  freeTable: 51820,
  srcValidMark: true,
}

const route = (destination: string, table = 254): LinkRoute => ({ destination, table })

const tunnels: [name: string, given: ReadyConfig, facts: Partial<HostFacts>, wanted: object][] = [
  [
    'most specific first',
    config(['10.0.0.0/8', '10.9.0.0/16']),
    {},
    { routes: [route('10.9.0.0/16'), route('10.0.0.0/8')] },
  ],
  ['covered by an address', config(['10.7.0.2/32', '10.7.0.0/16']), {}, { routes: [route('10.7.0.0/16')] }],
  [
    'an IPv4 /32 covers nothing',
    config(['10.7.0.1/32'], { addresses: ['10.7.0.1/32'] }),
    {},
    { routes: [route('10.7.0.1/32')] },
  ],
  ['an IPv6 /128 covers itself', config(['fd07::1/128'], { addresses: ['fd07::1/128'] }), {}, { routes: [] }],
  ['table off', config(['0.0.0.0/0'], { table: 'off' }), {}, { routes: [], full: [], mark: 0 }],
  [
    'a table of its own covers nothing',
    config(['10.7.0.2/32'], { table: 9 }),
    {},
    { routes: [route('10.7.0.2/32', 9)] },
  ],
  ['a default route', config(['::/0']), {}, { routes: [route('::/0', 51820)], full: [6], mark: 51820 }],
  ['a default route, marked', config(['::/0'], { fwmark: 7 }), {}, { routes: [route('::/0', 7)], mark: 7 }],
  ['a mark of 0 is none', config(['::/0'], { fwmark: 0 }), {}, { mark: 51820 }],
  ['a default route in a table', config(['::/0'], { table: 9 }), {}, { routes: [route('::/0', 9)], full: [], mark: 0 }],
  ['the MTU said', config([], { mtuBytes: 1300 }), { pathMtus: [1500] }, { mtuBytes: 1300 }],
  ['the largest of the ways', config([]), { pathMtus: [1300, 1400], defaultMtu: 1500 }, { mtuBytes: 1320 }],
  ['the default route', config([]), { defaultMtu: 1492 }, { mtuBytes: 1412 }],
  ['nothing known', config([]), {}, { mtuBytes: 1420 }],
]
for (const [name, given, facts, wanted] of tunnels) {
  test(`quick tunnel: ${name}`, () => {
    const tunnel = planTunnel(given, { ...bare, ...facts })
    assert.deepEqual({ ...tunnel, ...wanted }, tunnel)
  })
}

const lines = (steps: readonly Step[]) =>
  steps.flatMap(({ action }) => describeAction('wg0', action, { withInput: false }))

test('quick up: in order, with what takes it back, and without secrets', () => {
  const steps = planUp(
    'wg0',
    config(['0.0.0.0/0', '10.9.0.0/16'], {
      dns: { servers: ['10.7.0.53'], search: ['lan'] },
      hooks: { preUp: ['no'], postUp: ["echo '%i'"], preDown: ['no'], postDown: ['no'] },
    }),
    { ...bare, srcValidMark: false, resolvconf: { prefix: 'tun.' } },
  )
  assert.deepEqual(lines(steps), [
    'ip link add dev wg0 type wireguard',
    'wg set wg0 private-key (hidden) fwmark 51820',
    `wg set wg0 peer ${key(1)} allowed-ips 0.0.0.0/0,10.9.0.0/16`,
    'ip -4 address add 10.7.0.1/24 dev wg0',
    'ip link set mtu 1420 up dev wg0',
    'resolvconf -a tun.wg0 -m 0 -x',
    'ip -4 route add 10.9.0.0/16 dev wg0',
    'ip -4 route add 0.0.0.0/0 dev wg0 table 51820',
    'nft -f -',
    'ip -4 rule add not fwmark 51820 table 51820',
    'ip -4 rule add table main suppress_prefixlength 0',
    'sysctl -q net.ipv4.conf.all.src_valid_mark=1',
    "echo 'wg0'",
  ])
  const undone = steps.flatMap(({ undo }) => (undo === undefined ? [] : [{ action: undo }]))
  assert.deepEqual(lines(undone.reverse()), [
    'sysctl -q net.ipv4.conf.all.src_valid_mark=0',
    'ip -4 rule delete table main suppress_prefixlength 0',
    'ip -4 rule delete not fwmark 51820 table 51820',
    'nft -f -',
    'resolvconf -d tun.wg0 -f',
    'ip link delete dev wg0',
  ])
})

const device = (peers: DeviceState['peers'], more: Partial<DeviceState> = {}): DeviceState => ({
  privateKey: secret(9),
  listenPort: 51820,
  fwmark: 0,
  peers,
  ...more,
})
const peer = (n: number, allowedIps: string[], more = {}) => ({
  publicKey: key(n),
  txBytes: 0n,
  rxBytes: 0n,
  persistentKeepaliveSeconds: 0,
  allowedIps,
  ...more,
})

const downs: [name: string, facts: Partial<HostFacts>, removed: string[]][] = [
  ['a plain link', { link: { mtuBytes: 1420, addresses: [], routes: [] } }, ['ip link delete dev wg0']],
  ['nothing', {}, []],
  [
    'rules of its mark only, while another tunnel needs its own',
    {
      link: { mtuBytes: 1420, addresses: [], routes: [] },
      device: device([], { fwmark: 51820 }),
      markRules: [
        { family: 4, mark: 51821, priority: 32763 },
        { family: 4, mark: 51820, priority: 32765 },
      ],
      suppressRules: [32762, 32764].map(priority => ({ family: 4, priority })),
    },
    [
      'ip -4 rule delete preference 32764 table main suppress_prefixlength 0',
      'ip -4 rule delete not fwmark 51820 table 51820',
      'ip link delete dev wg0',
    ],
  ],
  [
    'a kill between the two rules',
    {
      firewallMarks: { 6: 9 },
      markRules: [{ family: 6, mark: 9, priority: 7 }],
      suppressRules: [{ family: 4, priority: 6 }],
    },
    ['ip -6 rule delete not fwmark 9 table 9', 'nft -f -'],
  ],
  [
    'a table that leads to the link tells the mark',
    {
      link: { mtuBytes: 1420, addresses: [], routes: [route('0.0.0.0/0', 12)] },
      markRules: [{ family: 4, mark: 12, priority: 32765 }],
      suppressRules: [{ family: 4, priority: 32764 }],
    },
    [
      'ip -4 rule delete preference 32764 table main suppress_prefixlength 0',
      'ip -4 rule delete not fwmark 12 table 12',
      'ip link delete dev wg0',
    ],
  ],
]
for (const [name, facts, removed] of downs) {
  test(`quick down: ${name}`, () => {
    assert.deepEqual(lines(planDown('wg0', config([]), { ...bare, ...facts }).remove), removed)
  })
}

const up = { mtuBytes: 1420, addresses: ['10.7.0.1/24'], routes: [route('10.9.0.0/16')] }
const reloads: [name: string, given: ReadyConfig, link: typeof up, state: DeviceState, lines: string[]][] = [
  ['nothing to do', config(['10.9.0.0/16']), up, device([peer(1, ['10.9.0.0/16'], { endpoint: '192.0.2.1:1' })]), []],
  [
    'the new first, the device forgets last',
    config(['10.10.0.0/16']),
    up,
    device([peer(1, ['10.9.0.0/16']), peer(2, [])]),
    [
      `wg set wg0 peer ${key(1)} allowed-ips +10.10.0.0/16`,
      'ip -4 route add 10.10.0.0/16 dev wg0',
      'ip -4 route delete 10.9.0.0/16 dev wg0 proto boot',
      `wg set wg0 peer ${key(2)} remove`,
      `wg set wg0 peer ${key(1)} allowed-ips -10.9.0.0/16`,
    ],
  ],
  [
    'an MTU that the file does not say stays: it may be of a hook',
    config(['10.9.0.0/16']),
    { ...up, mtuBytes: 1280 },
    device([peer(1, ['10.9.0.0/16'])]),
    [],
  ],
  [
    'a route of a hook stays',
    config(['10.9.0.0/16']),
    { ...up, routes: [...up.routes, route('10.55.0.0/16')] },
    device([peer(1, ['10.9.0.0/16'])]),
    [],
  ],
  [
    'an address of the same prefix stays when the first one goes',
    config(['10.9.0.0/16'], { addresses: ['10.7.0.2/24'], mtuBytes: 1300 }),
    up,
    device([peer(1, ['10.9.0.0/16'])]),
    [
      'ip link set mtu 1300 dev wg0',
      'ip -4 address add 10.7.0.2/24 dev wg0',
      'sysctl -q net.ipv4.conf.wg0.promote_secondaries=1',
      'ip -4 address delete 10.7.0.1/24 dev wg0',
    ],
  ],
  [
    'the last IPv4 address takes the routes with it, and they come back',
    config(['10.9.0.0/16'], { addresses: ['fd07::1/64'] }),
    up,
    device([peer(1, ['10.9.0.0/16'])]),
    [
      'ip -6 address add fd07::1/64 dev wg0',
      'ip -4 address delete 10.7.0.1/24 dev wg0',
      'ip -4 route replace 10.9.0.0/16 dev wg0',
    ],
  ],
]
for (const [name, given, link, state, wanted] of reloads) {
  test(`quick reload: ${name}`, () => {
    assert.deepEqual(lines(planReload('wg0', given, { ...bare, link, device: state })), wanted)
  })
}

test('quick reload: the rules of a rendered file come before the rest, its forwarding last, and no other hook', () => {
  const rules = { network: ['10.99.0.0/16'], prefixes: [], shares: [], entries: [], closesSelf: true, closed: [] }
  const other = ['echo no', "nft 'flush ruleset'"]
  const link = { ...up, routes: [] }
  for (const [accept, input] of [
    [
      rules,
      /^table inet podwire-accept-wg0; delete table .*; table inet podwire-accept-wg0 \{ .* local counter drop; \}; \}\n$/,
    ],
    [undefined, /^table inet podwire-accept-wg0; delete table inet podwire-accept-wg0\n$/],
  ] as const) {
    const hooks = {
      preUp: [...other, acceptHook(accept), unreachableHook('10.9.0.0/16')],
      postUp: [...other, forwardHook(4), forwardHook(6)],
      preDown: other,
      postDown: [acceptHook(undefined)],
    }
    const facts = { ...bare, link, device: device([peer(1, [])]), acceptTable: 'table inet podwire-accept-wg0 {}\n' }
    const steps = planReload('wg0', config(['10.9.0.0/16'], { hooks }), facts)
    assert.deepEqual(lines(steps), [
      'nft -f -',
      unreachableHook('10.9.0.0/16'),
      `wg set wg0 peer ${key(1)} allowed-ips +10.9.0.0/16`,
      'ip -4 route add 10.9.0.0/16 dev wg0',
      forwardHook(4),
      forwardHook(6),
    ])
    const [{ action, undo } = assert.fail()] = steps
    assert.ok(action.kind === 'run' && undo?.kind === 'run')
    assert.match(action.input ?? '', input)
    const before =
      'table inet podwire-accept-wg0\ndelete table inet podwire-accept-wg0\ntable inet podwire-accept-wg0 {}\n'
    assert.equal(undo.input, before)
  }
})

test('quick reload: a default route that goes takes rules, firewall and mark with it', () => {
  const facts: HostFacts = {
    ...bare,
    markRules: [{ family: 4, mark: 51820, priority: 32765 }],
    suppressRules: [{ family: 4, priority: 32764 }],
    firewallMarks: { 4: 51820 },
  }
  const link = { ...up, routes: [route('0.0.0.0/0', 51820)] }
  const state = device([peer(1, ['0.0.0.0/0'])], { fwmark: 51820 })
  assert.deepEqual(lines(planReload('wg0', config(['10.9.0.0/16']), { ...facts, link, device: state })), [
    `wg set wg0 peer ${key(1)} allowed-ips +10.9.0.0/16`,
    'ip -4 route add 10.9.0.0/16 dev wg0',
    'ip -4 rule delete preference 32764 table main suppress_prefixlength 0',
    'ip -4 rule delete not fwmark 51820 table 51820',
    'nft -f -',
    'wg set wg0 fwmark 0',
    'ip -4 route delete 0.0.0.0/0 dev wg0 proto boot table 51820',
    `wg set wg0 peer ${key(1)} allowed-ips -0.0.0.0/0`,
  ])
})

test('quick device difference: only what differs, and what is no longer said is cleared', () => {
  const before = device([
    peer(1, ['10.1.0.0/16', '10.2.0.0/16'], {
      presharedKey: secret(5),
      persistentKeepaliveSeconds: 25,
      endpoint: '192.0.2.1:1',
    }),
    peer(2, ['10.3.0.0/16']),
  ])
  const none = { add: undefined, remove: undefined }
  assert.deepEqual(deviceDifference(before, before), none)
  const { add, remove } = deviceDifference(before, {
    privateKey: secret(9),
    peers: [
      { publicKey: key(1), allowedIps: ['10.1.0.0/16'] },
      { publicKey: key(2), allowedIps: ['10.3.0.0/16', '10.2.0.0/16'], endpoint: '192.0.2.2:2' },
    ],
  })
  assert.deepEqual(add, {
    peers: [
      { publicKey: key(1), updateOnly: true, presharedKey: null, persistentKeepaliveSeconds: 0 },
      { publicKey: key(2), updateOnly: true, endpoint: '192.0.2.2:2', allowedIps: ['10.2.0.0/16'] },
    ],
  })
  assert.equal(remove, undefined, 'a prefix that moved has left its first peer')
})

test('quick save: what the device has, in the frame of the file', () => {
  const said = config(['10.9.0.0/16'], { mtuBytes: 1400, comments: ['mine'], listenPort: 1 })
  const written = { ...said, privateKey: { file: '/key' } }
  const state = device([peer(1, ['10.1.0.0/16']), peer(2, [], { presharedKey: secret(4) })], { fwmark: 3 })
  const saved = savedConfig(written, said, state, { mtuBytes: 1380, addresses: ['10.8.0.1/32'], routes: [] })
  assert.deepEqual(saved, {
    ...written,
    addresses: ['10.8.0.1/32'],
    mtuBytes: 1380,
    listenPort: 51820,
    fwmark: 3,
    peers: [
      { publicKey: key(1), allowedIps: ['10.1.0.0/16'], comments: [] },
      { publicKey: key(2), presharedKey: secret(4), allowedIps: [], comments: [] },
    ],
  })
  const other = savedConfig(
    written,
    said,
    { ...state, privateKey: secret(8) },
    { mtuBytes: 1, addresses: [], routes: [] },
  )
  assert.deepEqual((other.privateKey as Secret).bytes, secret(8).bytes)
})

const literal = secret(4)
const other = secret(5)
const source = { env: 'WGK' }
const savedSecrets: [name: string, said: SecretSource | undefined, read: Secret | undefined, now: Secret | undefined, saved: SecretSource | undefined][] = [
  ['none in the file', undefined, undefined, literal, literal],
  ['the same', source, secret(4), literal, source],
  ['another', source, other, literal, literal],
  ['not known', source, undefined, literal, source],
  ['cleared', source, literal, undefined, undefined],
  ['cleared, and not known', source, undefined, undefined, source],
  ['by value, the same', literal, literal, secret(4), literal],
] // biome-ignore format: a table
for (const [name, said, read, now, saved] of savedSecrets) {
  test(`quick save: a secret, ${name}`, () => {
    const withKeys = (at: SecretSource | undefined) => {
      const peers = [1, 2].map(n => ({ publicKey: key(n), allowedIps: [], comments: [], presharedKey: n === 1 ? at : { env: 'other' } }))
      return { ...config([]), privateKey: at, peers } as InterfaceConfig
    } // biome-ignore format: lines
    const had = device([peer(1, [], { presharedKey: now }), peer(2, [])], { privateKey: now as Secret })
    const ready = withKeys(read) as ReadyConfig
    const result = savedConfig(withKeys(said), { ...ready, peers: ready.peers.slice(0, 1) }, had, { ...up, routes: [] })
    assert.equal(result.privateKey, saved)
    assert.equal(result.peers[0]?.presharedKey, saved)
    assert.deepEqual(result.peers[1]?.presharedKey, { env: 'other' }, 'one that is not known is no matter of others')
  })
}
