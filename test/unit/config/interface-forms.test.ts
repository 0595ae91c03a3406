// The same interface in INI and in JSON: nothing is lost on the way, in either direction.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatAddress, formatCidr, maskCidr } from '../../../src/base/cidr.ts'
import { formatPublicKey } from '../../../src/base/key.ts'
import { Secret } from '../../../src/base/secret.ts'
import { documentKind } from '../../../src/config/document-kind.ts'
import type { InterfaceConfig, PeerConfig } from '../../../src/config/interface-config.ts'
import { formatInterfaceIni, layoutInterfaceIni, parseInterfaceIni } from '../../../src/config/interface-ini.ts'
import { formatInterfaceJson, parseInterfaceJson } from '../../../src/config/interface-json.ts'
import { formatJsonc } from '../../../src/config/jsonc-format.ts'
import { keys } from './refusal.ts'

const toJson = (ini: string) => formatInterfaceJson(parseInterfaceIni(ini, 'wg0.conf'))
const toIni = (json: string) => formatInterfaceIni(parseInterfaceJson(json, 'wg0.json'))

/** In our form: both ways give the same text. */
const canonical: [name: string, text: string][] = [
  ['an interface alone', '[Interface]\n'],
  ['what wg showconf prints', `[Interface]\nListenPort = 51820\nFwMark = 0xca6c\nPrivateKey = ${keys.private}\n\n[Peer]\nPublicKey = ${keys.a}\nPresharedKey = ${keys.preshared}\nAllowedIPs = 10.0.0.0/8, ::/0\nEndpoint = [2001:db8::7]:51820\nPersistentKeepalive = 25\n`],
  ['what wg-quick save adds', '[Interface]\nAddress = 10.0.0.1/24\nAddress = fd00::1/64\nDNS = 1.1.1.1\nDNS = corp.internal\nMTU = 1400\nTable = 51820\nSaveConfig = true\nPreUp = a\nPreUp = b\nPostUp = echo "%i = 1"\nPreDown = c\nPostDown = d\n'],
  ['values that mean none', `[Interface]\nListenPort = 0\nFwMark = off\n\n[Peer]\nPublicKey = ${keys.a}\nPersistentKeepalive = off\n`],
  ['comments and names', `# one\n##two\n#\n[Interface]\nTable = off\n\n# Name = office\n# three\n[Peer]\nPublicKey = ${keys.a}\n`],
  ['a repeated and reordered hook', '[Interface]\nPostUp = b\nPostUp = a\nPostUp = b\n'],
] // biome-ignore format: a table
for (const [name, text] of canonical) {
  test(`interface forms: INI with ${name} becomes JSON and the same INI again`, () => {
    assert.equal(toIni(toJson(text)), text)
    assert.equal(layoutInterfaceIni(text, 'wg0.conf'), text)
  })
}

test('interface forms: INI in any form becomes JSON and INI that says the same', () => {
  const text = `#top\n[interface]\nlistenport=1#port\npostup=a;b\nADDRESS=10.0.0.1,fd00::1\naddress=10.0.0.2\nPOSTUP=c\ndns=a.b,1.1.1.1\n\n\n[PEER]\nallowedips=10.0.0.0/8\npublickey=${keys.a}\nAllowedIPs=::/0`
  const config = parseInterfaceIni(text, 'wg0.conf')
  assert.deepEqual(parseInterfaceIni(toIni(toJson(text)), 'wg0.conf'), config)
  assert.deepEqual(config.hooks.postUp, ['a;b', 'c'])
})

const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 })
const secret = bytes.map(value => new Secret(value))
const cidr = fc.oneof(
  fc.record({ family: fc.constant(4 as const), value: fc.bigInt(0n, 2n ** 32n - 1n), length: fc.integer({ min: 0, max: 32 }) }),
  fc.record({ family: fc.constant(6 as const), value: fc.bigInt(0n, 2n ** 128n - 1n), length: fc.integer({ min: 0, max: 128 }) }),
) // biome-ignore format: two lines
const line = fc.string({ unit: 'binary' }).map(text => text.replace(/[\n\r\0]/g, '').trimEnd())
const command = line.map(text => text.replaceAll('#', '').trim()).filter(text => text !== '')
const comments = fc.array(line.filter(text => !text.startsWith('Name = ')))
const host = fc.domain()
const option = <T>(key: string, value: fc.Arbitrary<T>) => fc.option(value.map(it => ({ [key]: it })), { nil: {} }) // biome-ignore format: one line
const port = fc.integer({ min: 0, max: 65535 })
const together = (...parts: fc.Arbitrary<object>[]) => fc.tuple(...parts).map(parts => Object.assign({}, ...parts))

const peer: fc.Arbitrary<PeerConfig> = together(
  bytes.map(key => ({ publicKey: formatPublicKey(key) })),
  option('name', fc.stringMatching(/^[a-z0-9]{1,20}$/)),
  option('presharedKey', secret),
  option(
    'endpoint',
    fc.tuple(host, fc.integer({ min: 1, max: 65535 })).map(([name, port]) => `${name}:${port}`),
  ),
  fc.array(cidr).map(list => ({ allowedIps: list.map(maskCidr).map(formatCidr) })),
  option('persistentKeepaliveSeconds', port),
  comments.map(comments => ({ comments })),
)
const config: fc.Arbitrary<InterfaceConfig> = together(
  option('privateKey', secret),
  option('listenPort', port),
  option('fwmark', fc.integer({ min: 0, max: 2 ** 32 - 1 })),
  fc.array(cidr).map(list => ({ addresses: list.map(formatCidr) })),
  fc.record({ servers: fc.array(cidr.map(formatAddress)), search: fc.array(host) }).map(dns => ({ dns })),
  option('mtuBytes', fc.integer({ min: 68, max: 65535 })),
  fc.oneof(fc.constantFrom('auto', 'off'), fc.integer({ min: 1, max: 2 ** 32 - 1 })).map(table => ({ table })),
  fc.boolean().map(saveConfig => ({ saveConfig })),
  fc
    .record({ preUp: fc.array(command), postUp: fc.array(command), preDown: fc.array(command), postDown: fc.array(command) })
    .map(hooks => ({ hooks })),
  fc
    .uniqueArray(peer, { selector: ({ name, publicKey }) => name ?? publicKey })
    .map(peers => ({ peers })),
  comments.map(comments => ({ comments })),
) // biome-ignore format: a table

/** With keys as text: two Secrets are deeply equal whatever is in them. */
const plain = (value: InterfaceConfig) =>
  JSON.parse(
    JSON.stringify(value, (_, inner) => inner), // Secret says "[secret]"; the keys are compared in the texts below
  )

test('interface forms: any interface is the same after INI, after JSON, and after both', () => {
  fc.assert(
    fc.property(config, config => {
      const [ini, json] = [formatInterfaceIni(config), formatInterfaceJson(config)]
      assert.deepEqual(plain(parseInterfaceIni(ini, 'wg0.conf')), plain(config))
      assert.deepEqual(plain(parseInterfaceJson(json, 'wg0.json')), plain(config))
      assert.equal(toIni(json), ini)
      assert.equal(toJson(ini), json)
      assert.equal(layoutInterfaceIni(ini, 'wg0.conf'), ini)
      assert.equal(formatJsonc(json, 'wg0.json'), json)
      assert.deepEqual([documentKind(ini), documentKind(json)], ['interface-ini', 'interface-json'])
    }),
    { numRuns: 100 },
  )
})

const kinds: [text: string, kind: string][] = [
  ['', 'interface-ini'],
  ['# {\n[Interface]', 'interface-ini'],
  ['\n // x\n{"interface": {}}', 'interface-json'],
  ['/* x */ {"network": {}}', 'network'],
  ['{"interface": {"hooks": {"preUp": ["\\"network\\":"]}}}', 'interface-json'],
  ['{ broken "network":', 'interface-json'],
]
for (const [text, kind] of kinds) {
  test(`document kind: ${JSON.stringify(text)} is ${kind}`, () => assert.equal(documentKind(text), kind))
}

const folder = new URL('../../../../examples/interface/', import.meta.url)
const examples = readdirSync(folder).filter(name => name.endsWith('.conf'))
test('interface forms: the examples are there in both forms', () => {
  assert.equal(examples.length, 9)
  assert.equal(readdirSync(folder).filter(name => name.endsWith('.json')).length, examples.length)
})
for (const name of examples) {
  test(`interface forms: the example ${name} and its JSON are each the other's`, () => {
    const ini = readFileSync(new URL(name, folder), 'utf8')
    const json = readFileSync(new URL(name.replace(/conf$/, 'json'), folder), 'utf8')
    const warnings: string[] = []
    parseInterfaceIni(ini, name, warning => warnings.push(warning))
    assert.deepEqual(warnings, [])
    assert.equal(toJson(ini), json)
    assert.equal(toIni(json), ini)
  })
}
