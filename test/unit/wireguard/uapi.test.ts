// The text of the UAPI socket: tables of good and bad lines, and round trips of random changes and states.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatCidr, maskCidr, parseCidr } from '../../../src/base/cidr.ts'
import type { PodwireError } from '../../../src/base/errors.ts'
import { formatPublicKey, hexKey, type PublicKey } from '../../../src/base/key.ts'
import { Secret } from '../../../src/base/secret.ts'
import type { DeviceChange, PeerState } from '../../../src/model/device.ts'
import {
  errnoOf,
  formatGetAnswer,
  formatSetRequest,
  parseGetAnswer,
  parseSetRequest,
} from '../../../src/wireguard/uapi.ts'

const hexA = '0a'.repeat(32)
const keyA = formatPublicKey(Buffer.from(hexA, 'hex'))
const hexB = 'b0'.repeat(32)
const keyB = formatPublicKey(Buffer.from(hexB, 'hex'))
const zeros = '00'.repeat(32)

/** Secrets do not compare by their bytes: show them. */
function shown(value: unknown): unknown {
  if (value instanceof Secret) return `secret ${hexKey(value.bytes)}`
  if (Array.isArray(value)) return value.map(shown)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shown(inner)]))
}

/** What a request comes to before its first error, and that error. */
function collect(lines: readonly string[]): { changes: DeviceChange[]; error?: PodwireError } {
  const changes: DeviceChange[] = []
  try {
    for (const change of parseSetRequest(lines)) changes.push(change)
  } catch (error) {
    return { changes, error: error as PodwireError }
  }
  return { changes }
}

const peer = `public_key=${hexA}`
const good: [title: string, lines: string[], changes: unknown[]][] = [
  ['nothing', [], []],
  ['a private key', [`private_key=${hexB}`], [{ privateKey: `secret ${hexB}` }]],
  ['zeros clear the private key', [`private_key=${zeros}`], [{ privateKey: null }]],
  ['upper-case hexadecimal', [`private_key=${hexB.toUpperCase()}`], [{ privateKey: `secret ${hexB}` }]],
  [
    'device keys stay in their order',
    ['replace_peers=true', 'fwmark=4294967295', 'listen_port=65535'],
    [{ replacePeers: true }, { fwmark: 0xffffffff }, { listenPort: 65535 }],
  ],
  ['a bare peer', [peer], [{ peers: [{ publicKey: keyA }] }]],
  [
    'two peers',
    [peer, 'remove=true', `public_key=${hexB}`, 'update_only=true', 'protocol_version=1'],
    [{ peers: [{ publicKey: keyA, remove: true }] }, { peers: [{ publicKey: keyB, updateOnly: true }] }],
  ],
  [
    'every key of a peer',
    [peer, `preshared_key=${hexB}`, 'endpoint=[2001:DB8:0::1]:1', 'persistent_keepalive_interval=25'],
    [
      {
        peers: [
          {
            publicKey: keyA,
            presharedKey: `secret ${hexB}`,
            endpoint: '[2001:db8::1]:1',
            persistentKeepaliveSeconds: 25,
          },
        ],
      },
    ],
  ],
  [
    'zeros clear the preshared key',
    [peer, `preshared_key=${zeros}`],
    [{ peers: [{ publicKey: keyA, presharedKey: null }] }],
  ],
  [
    'host bits of AllowedIPs are masked',
    [peer, 'allowed_ip=10.1.2.3/24', 'allowed_ip=fd00::1/64', 'allowed_ip=-0.0.0.0/0'],
    [{ peers: [{ publicKey: keyA, allowedIps: ['10.1.2.0/24', 'fd00::/64'], removeAllowedIps: ['0.0.0.0/0'] }] }],
  ],
  [
    'replacing forgets what the request added before',
    [peer, 'allowed_ip=10.0.0.0/8', 'replace_allowed_ips=true', 'allowed_ip=10.1.0.0/16'],
    [{ peers: [{ publicKey: keyA, allowedIps: ['10.1.0.0/16'], replaceAllowedIps: true }] }],
  ],
  [
    'the later of adding and removing one prefix wins',
    [peer, 'allowed_ip=10.0.0.0/8', 'allowed_ip=-10.0.0.0/8'],
    [{ peers: [{ publicKey: keyA, allowedIps: [], removeAllowedIps: ['10.0.0.0/8'] }] }],
  ],
]

for (const [title, lines, changes] of good) {
  test(`uapi set: ${title}`, () => {
    const { changes: found, error } = collect(lines)
    assert.equal(error, undefined)
    assert.deepEqual(shown(found), changes)
  })
}

test('uapi set: 100,000 AllowedIPs added and removed again in one request take no time that grows with their square', () => {
  const prefixes = Array.from({ length: 100_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}/32`)
  const lines = [...prefixes.map(prefix => `allowed_ip=${prefix}`), ...prefixes.map(prefix => `allowed_ip=-${prefix}`)]
  const startMs = performance.now()
  const [change] = collect([peer, ...lines]).changes
  assert.deepEqual(change?.peers?.[0]?.removeAllowedIps, prefixes)
  assert.ok(performance.now() - startMs < 10_000) // it took minutes: 20,000 took 9 s
})

const EINVAL = 22
const EPROTO = 71
const bad: [line: string, errno: number, place: 'device' | 'peer'][] = [
  ['', EPROTO, 'device'],
  ['no equals sign', EPROTO, 'device'],
  ['unknown=1', EINVAL, 'device'],
  ['endpoint=1.2.3.4:5', EINVAL, 'device'],
  ['private_key=', EINVAL, 'device'],
  [`private_key=${hexA}0`, EINVAL, 'device'],
  [`private_key=${hexA.slice(2)}`, EINVAL, 'device'],
  [`private_key=${'zz'.repeat(32)}`, EINVAL, 'device'],
  ['listen_port=65536', EINVAL, 'device'],
  ['listen_port=-1', EINVAL, 'device'],
  ['listen_port=0x10', EINVAL, 'device'],
  ['listen_port= 1', EINVAL, 'device'],
  ['fwmark=4294967296', EINVAL, 'device'],
  ['fwmark=', EINVAL, 'device'],
  ['replace_peers=false', EINVAL, 'device'],
  ['public_key=12', EINVAL, 'device'],
  ['listen_port=1', EINVAL, 'peer'],
  ['remove=1', EINVAL, 'peer'],
  ['update_only=', EINVAL, 'peer'],
  ['preshared_key=ab', EINVAL, 'peer'],
  ['endpoint=example.org:51820', EINVAL, 'peer'],
  ['endpoint=1.2.3.4', EINVAL, 'peer'],
  ['endpoint=1.2.3.4:0', EINVAL, 'peer'],
  ['endpoint=1.2.3.4:65536', EINVAL, 'peer'],
  ['endpoint=::1:51820', EINVAL, 'peer'],
  ['endpoint=[1.2.3.4]:51820', EINVAL, 'peer'],
  ['persistent_keepalive_interval=off', EINVAL, 'peer'],
  ['persistent_keepalive_interval=65536', EINVAL, 'peer'],
  ['replace_allowed_ips=yes', EINVAL, 'peer'],
  ['allowed_ip=', EINVAL, 'peer'],
  ['allowed_ip=10.0.0.0/33', EINVAL, 'peer'],
  ['allowed_ip=--10.0.0.0/8', EINVAL, 'peer'],
  ['allowed_ip=fe80::1%1/64', EINVAL, 'peer'],
  ['protocol_version=2', EINVAL, 'peer'],
  ['public_key=', EINVAL, 'peer'],
  ['nonsense', EPROTO, 'peer'],
]

for (const [line, errno, place] of bad) {
  test(`uapi set: "${line}" in the section of a ${place} is refused, and what came before is given`, () => {
    const before = place === 'device' ? ['fwmark=7'] : ['fwmark=7', peer, 'persistent_keepalive_interval=3']
    const { changes, error } = collect([...before, line, 'fwmark=8'])
    assert.ok(error)
    assert.equal(errnoOf(error), errno)
    assert.match(error.message, new RegExp(`^UAPI line ${before.length + 2}: `))
    assert.ok(!error.message.includes(hexA), 'a key is in the message')
    assert.deepEqual(changes, collect(before).changes)
  })
}

const secret = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .filter(bytes => bytes.some(byte => byte !== 0))
  .map(bytes => new Secret(bytes))
const publicKey: fc.Arbitrary<PublicKey> = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(formatPublicKey)
const cidr = fc
  .oneof(fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })), fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })))
  .map(([address, length]) => formatCidr(maskCidr(parseCidr(`${address}/${length}`, ''))))
const port = fc.integer({ min: 1, max: 65535 })
const endpoint = fc.oneof(
  fc.tuple(fc.ipV4(), port).map(([address, number]) => `${address}:${number}`),
  fc.tuple(fc.constantFrom('fd00::1', '2001:db8::7', '::1'), port).map(([address, number]) => `[${address}]:${number}`),
)
const seconds = fc.integer({ min: 0, max: 65535 })
const count = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })

test('uapi: a change survives being written and read', () => {
  const peerChange = fc.record(
    {
      publicKey,
      presharedKey: fc.oneof(secret, fc.constant(null)),
      endpoint,
      persistentKeepaliveSeconds: seconds,
      allowedIps: fc.uniqueArray(cidr, { minLength: 1 }),
      updateOnly: fc.constant(true),
    },
    { requiredKeys: ['publicKey'] },
  )
  const change = fc.record(
    {
      privateKey: fc.oneof(secret, fc.constant(null)),
      listenPort: fc.integer({ min: 0, max: 65535 }),
      fwmark: fc.integer({ min: 0, max: 0xffffffff }),
      replacePeers: fc.constant(true),
      peers: fc.array(peerChange, { minLength: 1, maxLength: 4 }),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(change, original => {
      const text = formatSetRequest(original as DeviceChange)
      assert.ok(text.startsWith('set=1\n') && text.endsWith('\n\n'))
      const { changes, error } = collect(text.slice('set=1\n'.length, -2).split('\n').filter(Boolean))
      assert.equal(error, undefined)
      const { peers, ...device } = original
      const expected = [...Object.entries(device).map(([name, value]) => ({ [name]: value }))]
      const order = ['privateKey', 'listenPort', 'fwmark', 'replacePeers']
      expected.sort((a, b) => order.indexOf(Object.keys(a)[0] ?? '') - order.indexOf(Object.keys(b)[0] ?? ''))
      assert.deepEqual(shown(changes), shown([...expected, ...(peers ?? []).map(one => ({ peers: [one] }))]))
    }),
  )
})

test('uapi: a state survives being written and read', () => {
  const peerState: fc.Arbitrary<PeerState> = fc
    .record(
      {
        publicKey,
        presharedKey: secret,
        endpoint,
        lastHandshakeMs: fc.integer({ min: 1, max: 4_000_000_000_000 }),
        txBytes: count,
        rxBytes: count,
        persistentKeepaliveSeconds: seconds,
        allowedIps: fc.uniqueArray(cidr),
      },
      { requiredKeys: ['publicKey', 'txBytes', 'rxBytes', 'persistentKeepaliveSeconds', 'allowedIps'] },
    )
    .map(state => state as PeerState)
  const state = fc.record(
    {
      privateKey: secret,
      listenPort: fc.integer({ min: 0, max: 65535 }),
      fwmark: fc.integer({ min: 0, max: 0xffffffff }),
      peers: fc.array(peerState, { maxLength: 4 }),
    },
    { requiredKeys: ['listenPort', 'fwmark', 'peers'] },
  )
  fc.assert(
    fc.property(state, original => {
      const lines = formatGetAnswer(original).split('\n').slice(0, -1)
      assert.deepEqual(shown(parseGetAnswer(lines)), shown(original))
    }),
  )
})

test('uapi get: the order of keys, and what is left out', () => {
  const peerState = { txBytes: 1n, rxBytes: 2n, persistentKeepaliveSeconds: 0 }
  const answer = formatGetAnswer({
    privateKey: new Secret(Buffer.from(hexB, 'hex')),
    listenPort: 51820,
    fwmark: 0,
    peers: [
      { publicKey: keyA, ...peerState, allowedIps: [] },
      {
        publicKey: keyB,
        ...peerState,
        presharedKey: new Secret(Buffer.from(hexA, 'hex')),
        endpoint: '1.2.3.4:5',
        lastHandshakeMs: 1500,
        allowedIps: ['10.0.0.0/8', 'fd00::/8'],
      },
    ],
  })
  assert.deepEqual(answer.split('\n'), [
    `private_key=${hexB}`,
    'listen_port=51820',
    `public_key=${hexA}`,
    `preshared_key=${zeros}`,
    'protocol_version=1',
    'last_handshake_time_sec=0',
    'last_handshake_time_nsec=0',
    'tx_bytes=1',
    'rx_bytes=2',
    'persistent_keepalive_interval=0',
    `public_key=${hexB}`,
    `preshared_key=${hexA}`,
    'protocol_version=1',
    'endpoint=1.2.3.4:5',
    'last_handshake_time_sec=1',
    'last_handshake_time_nsec=500000000',
    'tx_bytes=1',
    'rx_bytes=2',
    'persistent_keepalive_interval=0',
    'allowed_ip=10.0.0.0/8',
    'allowed_ip=fd00::/8',
    '',
  ])
})

test('uapi: no line of any kind is answered with anything but an error of the table', () => {
  const names = [
    'private_key',
    'public_key',
    'listen_port',
    'fwmark',
    'endpoint',
    'allowed_ip',
    'remove',
    'preshared_key',
  ]
  const line = fc.oneof(
    fc.string(),
    fc.tuple(fc.constantFrom(...names), fc.string()).map(pair => pair.join('=')),
  )
  fc.assert(
    fc.property(fc.array(line), lines => {
      const { error } = collect(lines)
      if (error !== undefined) assert.ok([EINVAL, EPROTO].includes(errnoOf(error)), String(error))
    }),
    { numRuns: 1000 },
  )
})
