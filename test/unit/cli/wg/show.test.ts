// What `wg show` writes: the texts for a person, and the JSON against its schema.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { formatPublicKey } from '../../../../src/base/key.ts'
import { Secret } from '../../../../src/base/secret.ts'
import { asWg } from '../../../../src/cli/wg/as-wg.ts'
import { formatBytes, formatPretty, formatSeconds } from '../../../../src/cli/wg/pretty.ts'
import { formatJson } from '../../../../src/cli/wg/show-json.ts'
import type { DeviceState } from '../../../../src/model/device.ts'

const file = new URL('../../../../../schema/wg-show.json', import.meta.url)
const validate = new Ajv2020({ strict: true }).compile(JSON.parse(readFileSync(file, 'utf8')))
const isValid = (document: unknown): boolean => validate(document)

const nowMs = 1_800_000_000_500
const own = new Secret(new Uint8Array(32).fill(7))
const psk = new Secret(new Uint8Array(32).fill(8))
const [a, b] = [1, 2].map(byte => formatPublicKey(Buffer.alloc(32, byte))) as [never, never]
const state: DeviceState = {
  privateKey: own,
  listenPort: 51820,
  fwmark: 0xca6c,
  peers: [
    { publicKey: b, txBytes: 0n, rxBytes: 0n, persistentKeepaliveSeconds: 0, allowedIps: [] },
    {
      publicKey: a,
      presharedKey: psk,
      endpoint: '192.0.2.1:5',
      lastHandshakeMs: nowMs - 62_000,
      txBytes: 1234567n,
      rxBytes: 1023n,
      persistentKeepaliveSeconds: 25,
      allowedIps: ['10.0.0.0/8', '::102:304/128'],
    },
  ],
}
const empty: DeviceState = { listenPort: 0, fwmark: 0, peers: [] }
const plain = { hideKeys: true, colors: false, nowMs }
const base64 = (secret: Secret) => Buffer.from(secret.bytes).toString('base64')

test('wg show: for a person, the newest handshake first, keys hidden unless asked for', () => {
  const text = `interface: wg0
  public key: E75P6uryBMf9M1j8nAByGIHRdCeBKCJ+xnTzf3/pe20=
  private key: (hidden)
  listening port: 51820
  fwmark: 0xca6c

peer: ${a}
  preshared key: (hidden)
  endpoint: 192.0.2.1:5
  allowed ips: 10.0.0.0/8, ::1.2.3.4/128
  latest handshake: 1 minute, 2 seconds ago
  transfer: 1023 B received, 1.18 MiB sent
  persistent keepalive: every 25 seconds

peer: ${b}
  allowed ips: (none)
`
  assert.equal(formatPretty('wg0', asWg(state), plain), text)
  const clear = formatPretty('wg0', asWg(state), { ...plain, hideKeys: false })
  assert.equal(clear.match(/private key: (.*)/)?.[1], base64(own))
  assert.equal(clear.match(/preshared key: (.*)/)?.[1], base64(psk))
  assert.equal(formatPretty('wg1', empty, plain), 'interface: wg1\n')
})

test('wg show: a handshake now, and one in the future', () => {
  const at = (lastHandshakeMs: number) =>
    formatPretty('wg0', { ...empty, peers: state.peers.map(peer => ({ ...peer, lastHandshakeMs })) }, plain)
  assert.match(at(nowMs - 400), /latest handshake: Now\n/)
  assert.match(at(nowMs + 5000), /latest handshake: in the future/)
  assert.doesNotMatch(at(999), /latest handshake/)
})

for (const [seconds, says] of [
  [1, '1 second'],
  [60, '1 minute'],
  [3600 + 125, '1 hour, 2 minutes, 5 seconds'],
  [65535, '18 hours, 12 minutes, 15 seconds'],
  [86400 * 366, '1 year, 1 day'],
  [86400 * 733 + 14_706, '2 years, 3 days, 4 hours, 5 minutes, 6 seconds'],
] as const) {
  test(`wg show: ${seconds} s is "${says}"`, () =>
    assert.equal(
      formatSeconds(seconds, text => text),
      says,
    ))
}

for (const [bytes, says] of [
  [0n, '0 B'],
  [1023n, '1023 B'],
  [1024n, '1.00 KiB'],
  [1152n, '1.12 KiB'], // 1.125: halves go to the even one
  [1408n, '1.38 KiB'], // 1.375
  [1024n ** 2n - 1n, '1024.00 KiB'],
  [1024n ** 2n, '1.00 MiB'],
  [5_000_000_000n, '4.66 GiB'],
  [1024n ** 5n, '1024.00 TiB'],
] as const) {
  test(`wg show: ${bytes} bytes are "${says}"`, () =>
    assert.equal(
      formatBytes(bytes, text => text),
      says,
    ))
}

const fields = {
  'public-key': ['publicKey'],
  'private-key': ['privateKey'],
  'listen-port': ['listenPort'],
  fwmark: ['fwmark'],
  peers: ['peers'],
  'preshared-keys': ['peers', 'presharedKey'],
  endpoints: ['peers', 'endpoint'],
  'allowed-ips': ['peers', 'allowedIps'],
  'latest-handshakes': ['peers', 'latestHandshake'],
  transfer: ['peers', 'rxBytes', 'txBytes'],
  'persistent-keepalive': ['peers', 'persistentKeepaliveSeconds'],
}
const named = [
  { name: 'wg0', state },
  { name: 'wg1', state: empty },
]

test('wg show --json: all of it is as the schema says, and nothing else', () => {
  for (const hideKeys of [true, false]) {
    const document = JSON.parse(formatJson(named, undefined, { hideKeys }))
    assert.ok(isValid(document), JSON.stringify(validate.errors))
    const text = JSON.stringify(document)
    assert.equal(text.includes(base64(own)) && text.includes(base64(psk)), !hideKeys)
    assert.equal(text.includes(base64(own)) || text.includes(base64(psk)), !hideKeys)
    assert.deepEqual(document.interfaces[0].peers[1].latestHandshake, new Date(nowMs - 62_000).toISOString())
    assert.ok(!isValid({ ...document, more: 1 }))
    for (const one of [...document.interfaces, ...document.interfaces[0].peers]) {
      one.more = 1
      assert.ok(!isValid(document))
      delete one.more
    }
  }
  assert.ok(isValid(JSON.parse(formatJson([], undefined, { hideKeys: true }))))
  assert.ok(isValid({ interfaces: [{ name: 'wg0', backend: 'kernel' }] }))
})

for (const [field, names] of Object.entries(fields)) {
  test(`wg show ${field} --json: has only what the text shows`, () => {
    const document = JSON.parse(formatJson(named, field, { hideKeys: true }))
    assert.ok(isValid(document), JSON.stringify(validate.errors))
    const [device, ...more] = names
    assert.deepEqual(Object.keys(document.interfaces[0]), ['name', device])
    if (device === 'peers') assert.deepEqual(Object.keys(document.interfaces[0].peers[1]), ['publicKey', ...more])
  })
}

test('wg show dump --json: has the keys, hidden or not', () => {
  const document = JSON.parse(formatJson(named, 'dump', { hideKeys: true }))
  assert.ok(isValid(document), JSON.stringify(validate.errors))
  assert.equal(document.interfaces[0].privateKey, base64(own))
  assert.equal(document.interfaces[1].privateKey, null)
})
