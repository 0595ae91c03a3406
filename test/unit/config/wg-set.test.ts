// The words of `wg set`.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PodwireError } from '../../../src/base/errors.ts'
import { formatPublicKey } from '../../../src/base/key.ts'
import { Secret } from '../../../src/base/secret.ts'
import { parseSetWords } from '../../../src/config/wg-set.ts'

const [a, b] = [1, 2].map(byte => formatPublicKey(Buffer.alloc(32, byte))) as [never, never]
const secret = new Secret(new Uint8Array(32).fill(9))
const readers = {
  findService: () => undefined,
  readKeyFile: (file: string) => (file === 'empty' ? null : secret),
}
const parse = (words: readonly string[]) => parseSetWords(words, readers)

const good: [words: string, device: object, peers: object[]][] = [
  ['listen-port 5 listen-port 6 fwmark 0x10', { listenPort: 6, fwmark: 16 }, []],
  ['private-key file', { privateKey: secret }, []],
  ['private-key empty', { privateKey: null }, []],
  ['fwmark off', { fwmark: 0 }, []],
  [`peer ${a}`, {}, [{ publicKey: a }]],
  [`peer ${a} remove`, {}, [{ publicKey: a, remove: true }]],
  [`peer ${a} endpoint 192.0.2.1:5 remove`, {}, [{ publicKey: a, remove: true }]],
  [
    `peer ${a} peer ${b} persistent-keepalive off`,
    {},
    [{ publicKey: a }, { publicKey: b, persistentKeepaliveSeconds: 0 }],
  ],
  [
    `peer ${a} preshared-key empty endpoint [::1]:5`,
    {},
    [{ publicKey: a, presharedKey: null, endpoint: { host: '::1', port: 5 } }],
  ],
  [
    `peer ${a} allowed-ips 10.0.0.0/8,fd00::1`,
    {},
    [{ publicKey: a, allowedIps: ['10.0.0.0/8', 'fd00::1/128'], replaceAllowedIps: true }],
  ],
  [
    `peer ${a} allowed-ips 10.0.0.1 allowed-ips 10.0.0.2`,
    {},
    [{ publicKey: a, allowedIps: ['10.0.0.1/32', '10.0.0.2/32'], replaceAllowedIps: true }],
  ],
  [
    `peer ${a} allowed-ips +10.0.0.1,-10.0.0.2`,
    {},
    [{ publicKey: a, allowedIps: ['10.0.0.1/32'], removeAllowedIps: ['10.0.0.2/32'] }],
  ],
  [
    `peer ${a} allowed-ips +10.0.0.1,-10.0.0.1`,
    {},
    [{ publicKey: a, allowedIps: [], removeAllowedIps: ['10.0.0.1/32'] }],
  ],
  [`peer ${a} allowed-ips +10.0.0.1,10.0.0.2`, {}, [{ publicKey: a, allowedIps: ['10.0.0.1/32', '10.0.0.2/32'] }]],
]

for (const [words, device, peers] of good) {
  test(`wg set: ${words.replaceAll(a, 'A').replaceAll(b, 'B')}`, () => {
    assert.deepEqual(parse(words.split(' ')), { device, peers, warnings: [] })
  })
}

test('wg set: allowed-ips "" takes all; blanks do not count; host bits are warned of', () => {
  assert.deepEqual(parse(['peer', a, 'allowed-ips', '']).peers, [
    { publicKey: a, allowedIps: [], replaceAllowedIps: true },
  ])
  const { peers, warnings } = parse(['peer', a, 'allowed-ips', ' 10.0.0.0 /8 ,\tfd00::1/64'])
  assert.deepEqual(peers[0]?.allowedIps, ['10.0.0.0/8', 'fd00::/64'])
  assert.deepEqual(warnings, ['allowed-ips: fd00::1/64 has bits set behind its length; fd00::/64 is taken'])
})

const bad: [words: string, message: RegExp][] = [
  ['remove', /"remove" is not a word of a device/],
  ['endpoint 192.0.2.1:5', /"endpoint" is not a word of a device/],
  ['LISTEN-PORT 5', /"LISTEN-PORT" is not a word/],
  ['constructor 5', /"constructor" is not a word/],
  [a, /"\[hidden\]" is not a word of a device/],
  ['listen-port', /"listen-port" needs a value/],
  ['peer', /"peer" needs a value/],
  ['listen-port 65536', /listen-port: "65536": expected a port/],
  ['fwmark x', /fwmark: "x": expected off, or a number of 32 bits/],
  ['peer x', /peer: not a key/],
  [`peer ${a} listen-port 5`, /"listen-port" is not a word of a peer/],
  [`peer ${a} private-key k`, /"private-key" is not a word of a peer/],
  [`peer ${a} allowed-ips`, /"allowed-ips" needs a value/],
  [`peer ${a} allowed-ips +`, /allowed-ips: "" cannot be used/],
  [`peer ${a} allowed-ips 10.0.0.0/8,,::/0`, /allowed-ips: "" cannot be used/],
  [`peer ${a} persistent-keepalive 1s`, /persistent-keepalive: "1s"/],
  [`peer ${a} endpoint 192.0.2.1`, /endpoint: "192\.0\.2\.1" is not an endpoint/],
]

for (const [words, message] of bad) {
  test(`wg set: refuses ${words.replaceAll(a, 'A')}`, () => {
    assert.throws(() => parse(words.split(' ')), { name: 'PodwireError', message })
  })
}

const known = [
  'peer',
  a,
  b,
  'remove',
  'endpoint',
  'allowed-ips',
  '+10.0.0.0/8',
  'fwmark',
  'off',
  'listen-port',
  '5',
  'private-key',
]
test('wg set: any words are read, or refused with a reason', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constantFrom(...known), fc.string({ unit: 'binary' }))), words => {
      try {
        parse(words)
      } catch (error) {
        assert.ok(error instanceof PodwireError && error.message !== '', String(error))
      }
    }),
    { numRuns: 2000 },
  )
})
