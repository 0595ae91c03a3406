// What a device is told by setconf, addconf and syncconf.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPublicKey } from '../../../src/base/key.ts'
import { Secret } from '../../../src/base/secret.ts'
import { planAddconf, planSetconf, planSyncconf } from '../../../src/config/wg-change.ts'
import type { WgConfig } from '../../../src/config/wg-config.ts'
import type { DeviceState } from '../../../src/model/device.ts'

const [a, b, c] = [1, 2, 3].map(byte => formatPublicKey(Buffer.alloc(32, byte))) as [never, never, never]
const [own, psk, other] = [7, 8, 9].map(byte => new Secret(new Uint8Array(32).fill(byte))) as [Secret, Secret, Secret]
const counters = { txBytes: 0n, rxBytes: 0n }
const state: DeviceState = {
  privateKey: own,
  listenPort: 51820,
  fwmark: 5,
  peers: [
    {
      publicKey: a,
      presharedKey: psk,
      endpoint: '192.0.2.1:5',
      persistentKeepaliveSeconds: 25,
      allowedIps: ['10.0.0.0/8', 'fd00::/64'],
      ...counters,
    },
    { publicKey: b, persistentKeepaliveSeconds: 0, allowedIps: [], ...counters },
  ],
}
const peerA = {
  publicKey: a,
  presharedKey: psk,
  endpoint: '192.0.2.1:5',
  persistentKeepaliveSeconds: 25,
  allowedIps: ['fd00::/64', '10.0.0.0/8'],
}
const peerB = { publicKey: b, allowedIps: [] }
const same: WgConfig = { privateKey: own, listenPort: 51820, fwmark: 5, peers: [peerA, peerB] }
const { presharedKey: _psk, ...withoutPsk } = peerA
const { endpoint: _endpoint, ...withoutEndpoint } = peerA
const { persistentKeepaliveSeconds: _seconds, ...withoutKeepalive } = peerA
const withA = (...peers: WgConfig['peers']): WgConfig => ({ ...same, peers: [...peers, peerB] })

const cases: [title: string, config: WgConfig, change: object][] = [
  ['nothing where nothing differs', same, { peers: [] }],
  ['a private key', { ...same, privateKey: other }, { privateKey: other, peers: [] }],
  ['no private key', { ...same, privateKey: undefined as never }, { privateKey: null, peers: [] }],
  ['a port', { ...same, listenPort: 7 }, { listenPort: 7, peers: [] }],
  ["nothing for a port that is anyone's to choose", { ...same, listenPort: 0 }, { peers: [] }],
  ['no mark', { ...same, fwmark: undefined as never }, { fwmark: 0, peers: [] }],
  ['a peer that is gone', { ...same, peers: [peerA] }, { peers: [{ publicKey: b, remove: true }] }],
  [
    'every peer, if there is none',
    { ...same, peers: [] },
    { peers: [a, b].map(publicKey => ({ publicKey, remove: true })) },
  ],
  [
    'a new peer',
    withA(peerA, { publicKey: c, allowedIps: ['10.1.0.0/16'] }),
    { peers: [{ publicKey: c, allowedIps: ['10.1.0.0/16'], replaceAllowedIps: true }] },
  ],
  ['no preshared key', withA(withoutPsk), { peers: [{ publicKey: a, presharedKey: null }] }],
  [
    'another preshared key',
    withA({ ...peerA, presharedKey: other }),
    { peers: [{ publicKey: a, presharedKey: other }] },
  ],
  ['nothing for an endpoint that is not said', withA(withoutEndpoint), { peers: [] }],
  ['an endpoint', withA({ ...peerA, endpoint: '192.0.2.1:6' }), { peers: [{ publicKey: a, endpoint: '192.0.2.1:6' }] }],
  ['no keepalive', withA(withoutKeepalive), { peers: [{ publicKey: a, persistentKeepaliveSeconds: 0 }] }],
  [
    'AllowedIPs',
    withA({ ...peerA, allowedIps: ['10.0.0.0/8'] }),
    { peers: [{ publicKey: a, replaceAllowedIps: true, allowedIps: ['10.0.0.0/8'] }] },
  ],
  [
    'a prefix that moves, from both',
    { ...same, peers: [peerA, { ...peerB, allowedIps: ['10.0.0.0/8'] }] },
    {
      peers: [
        { publicKey: a, replaceAllowedIps: true, allowedIps: ['fd00::/64'] },
        { publicKey: b, replaceAllowedIps: true, allowedIps: ['10.0.0.0/8'] },
      ],
    },
  ],
  [
    'two sections of one peer as one, the last behind all',
    { ...same, peers: [peerA, { ...peerB, allowedIps: ['10.0.0.0/8'] }, peerA] },
    { peers: [] },
  ],
]

for (const [title, config, change] of cases) {
  test(`wg change: syncconf tells ${title}`, () => {
    assert.deepEqual(planSyncconf(config, state), change)
  })
}

test('wg change: setconf clears what is not said, addconf does not', () => {
  const config: WgConfig = { peers: [peerB] }
  const peers = [{ ...peerB, replaceAllowedIps: true }]
  assert.deepEqual(planSetconf(config), { privateKey: null, listenPort: 0, fwmark: 0, replacePeers: true, peers })
  assert.deepEqual(planAddconf(config), { peers })
  assert.deepEqual(planAddconf({ ...config, fwmark: 3 }), { fwmark: 3, peers })
})
