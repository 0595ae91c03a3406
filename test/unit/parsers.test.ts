// What every parser of foreign input keeps to, over edited texts (edited.ts): it reads a text or refuses it with a coded error, neither
// says a secret key, and what it reads is written so that it reads as the same. `npm test` tries the same texts each time;
// PODWIRE_FUZZ_RUNS=100000 tries others, so many each (see CONTRIBUTING.md).

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { errorTable, PodwireError } from '../../src/base/errors.ts'
import { formatSecretKey, hexKey, parseSecretKey } from '../../src/base/key.ts'
import { Secret } from '../../src/base/secret.ts'
import { documentKind } from '../../src/config/document-kind.ts'
import { formatInterfaceIni, layoutInterfaceIni, parseInterfaceIni } from '../../src/config/interface-ini.ts'
import { formatInterfaceJson, parseInterfaceJson } from '../../src/config/interface-json.ts'
import { parseJsonc } from '../../src/config/jsonc.ts'
import { formatJsonc } from '../../src/config/jsonc-format.ts'
import { parseNetworkDocument } from '../../src/config/network-document.ts'
import { formatWgConfig, parseWgConfig } from '../../src/config/wg-config.ts'
import { parseSetWords } from '../../src/config/wg-set.ts'
import { serviceFinder } from '../../src/config/wg-values.ts'
import { parseLab } from '../../src/lab/description.ts'
import type { DeviceState } from '../../src/model/device.ts'
import { formatJoinToken, parseJoinToken } from '../../src/model/join-token.ts'
import { parseNetworkConfig } from '../../src/model/network-config.ts'
import { formatClaim, formatNodeRecord, parseClaim, parseNodeRecord } from '../../src/model/node-record.ts'
import { parseWatchLine } from '../../src/store/watch-lines.ts'
import { formatGetAnswer, formatSetRequest, parseGetAnswer, parseSetRequest } from '../../src/wireguard/uapi.ts'
import { keys } from './config/refusal.ts'
import { editedDocuments, editedTexts } from './edited.ts'

const runs = Number(process.env.PODWIRE_FUZZ_RUNS ?? 0)
const settings: fc.Parameters<unknown> = runs > 0 ? { numRuns: runs } : { numRuns: 500, seed: 1 }

interface Parser<T> {
  readonly name: string
  readonly seeds: readonly string[]
  /** Then also edited as such. */
  readonly isJson?: true
  readonly parse: (text: string, warn: (warning: string) => void) => T
  /** The text of what was read; absent where nothing writes it. */
  readonly format?: (value: T, text: string) => string
}
/** Forgets what is parsed, so that a list can hold parsers of anything. */
const parser = <T>(it: Parser<T>): Parser<unknown> => it as Parser<unknown>

function examples(folder: string, ending: string): string[] {
  const place = new URL(`../../../examples/${folder}/`, import.meta.url)
  const names = readdirSync(place).filter(name => name.endsWith(ending))
  assert.ok(names.length > 0)
  return names.map(name => readFileSync(new URL(name, place), 'utf8'))
}

const services = serviceFinder('http 80/tcp\nopenvpn 1194/udp\n')
const hexOf = (key: string) => hexKey(parseSecretKey(key, 'a key').bytes)

const wgSeeds = [
  `[Interface]
PrivateKey = ${keys.private}
ListenPort = 51820
FwMark = 0xca6c

[Peer]
PublicKey = ${keys.a}
PresharedKey = ${keys.preshared}
AllowedIPs = 10.0.0.0/8, fd00::/16
AllowedIPs = 192.0.2.1
Endpoint = [2001:db8::1]:51820
PersistentKeepalive = 25

[Peer]
PublicKey = ${keys.b}
Endpoint = vpn.example.org:openvpn
`,
]
const uapiRequest = `private_key=${hexOf(keys.private)}
listen_port=51820
fwmark=51820
replace_peers=true
public_key=${hexOf(keys.a)}
update_only=true
preshared_key=${hexOf(keys.preshared)}
endpoint=192.0.2.1:5
persistent_keepalive_interval=25
replace_allowed_ips=true
allowed_ip=10.0.0.0/8
allowed_ip=-fd00::/16
public_key=${hexOf(keys.b)}
remove=true`
const uapiAnswer = `private_key=${hexOf(keys.private)}
listen_port=51820
public_key=${hexOf(keys.a)}
preshared_key=${hexOf(keys.preshared)}
protocol_version=1
endpoint=[fe80::1%3]:5
last_handshake_time_sec=1700000000
last_handshake_time_nsec=250000000
tx_bytes=18446744073709551615
rx_bytes=0
persistent_keepalive_interval=0
allowed_ip=0.0.0.0/0
allowed_ip=fd00::/16
public_key=${hexOf(keys.b)}`
const setSeeds = [
  `listen-port 5 fwmark 0x1 private-key ${keys.private} peer ${keys.a} preshared-key /dev/null endpoint [::1]:openvpn`,
  `peer ${keys.a} remove peer ${keys.b} persistent-keepalive off allowed-ips +10.0.0.0/8,-fd00::/16 endpoint a.example:5`,
]
const record = `{ "name": "a", "publicKey": "${keys.a}", "endpoints": ["198.51.100.7:51820", "[2001:db8::1]:5"],
  "prefixes": ["10.99.1.0/24", "fd99:0:0:1::/64"] }`
const claim = '{ "prefix": "10.99.1.0/24", "node": "a", "sinceMs": 1700000000000 }'
const network =
  '{ "name": "prod", "range": ["10.99.0.0/16", "fd99::/48"], "nodePrefixLength": { "ipv4": 24, "ipv6": 64 } }'

const linesOf = (text: string): string[] => (text === '' ? [] : text.split('\n'))

/** What `wg setconf` of a text makes of a new device. */
function stateOf({ peers, ...device }: ReturnType<typeof parseWgConfig>['config']): DeviceState {
  return {
    listenPort: 0,
    fwmark: 0,
    ...device,
    peers: peers.map(({ endpoint, ...peer }) => ({
      txBytes: 0n,
      rxBytes: 0n,
      persistentKeepaliveSeconds: 0,
      ...peer,
      ...(endpoint && {
        endpoint: `${endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`,
      }),
    })),
  }
}

const jsonSeeds = [...examples('interface', '.json'), ...examples('network', '.json')]
const parsers = [
  parser({
    name: 'interface INI',
    seeds: examples('interface', '.conf'),
    parse: (text, warn) => parseInterfaceIni(text, 'wg0.conf', warn),
    format: formatInterfaceIni,
  }),
  parser({
    name: 'interface INI, its layout',
    seeds: examples('interface', '.conf'),
    parse: text => parseInterfaceIni(text, 'wg0.conf'),
    format: (_, text) => layoutInterfaceIni(text, 'wg0.conf'),
  }),
  parser({
    name: 'interface JSON',
    isJson: true,
    seeds: examples('interface', '.json'),
    parse: (text, warn) => parseInterfaceJson(text, 'wg0.json', warn),
    format: config => formatInterfaceJson(config),
  }),
  parser({
    name: 'network document',
    isJson: true,
    seeds: examples('network', '.json'),
    parse: text => parseNetworkDocument(text, 'network.json'),
    format: (_, text) => formatJsonc(text, 'network.json'),
  }),
  parser({
    name: 'JSON with comments',
    seeds: [...jsonSeeds, '// a\n{ "b": [1, /* c */ 2.5e3, true], // d\n "": "\\u0000" }\n'],
    parse: text => parseJsonc(text, 'any.json').value,
    format: (_, text) => formatJsonc(text, 'any.json'),
  }),
  parser({ name: 'kind of a document', seeds: [...jsonSeeds, ...wgSeeds], parse: documentKind }),
  parser({
    name: 'wg config',
    seeds: wgSeeds,
    parse: (text, warn) => {
      const { config, warnings } = parseWgConfig(text, 'wg0.conf', services)
      warnings.forEach(warn)
      return stateOf(config)
    },
    format: formatWgConfig,
  }),
  parser({
    name: 'wg set',
    seeds: setSeeds,
    parse: (text, warn) => {
      const readKeyFile = () => new Secret(Buffer.alloc(32, 1))
      parseSetWords(text.split(' '), { findService: services, readKeyFile }).warnings.forEach(warn)
    },
  }),
  parser({
    name: 'services',
    seeds: ['http 80/tcp www\nopenvpn 1194/udp # a\n'],
    parse: text => serviceFinder(text)('http'),
  }),
  parser({
    name: 'UAPI request',
    seeds: [uapiRequest],
    parse: text => [...parseSetRequest(linesOf(text))],
    format: changes =>
      changes
        .map(change => formatSetRequest(change).slice('set=1\n'.length, -1))
        .join('')
        .slice(0, -1),
  }),
  parser({
    name: 'UAPI answer',
    seeds: [uapiAnswer],
    parse: text => parseGetAnswer(linesOf(text)),
    format: state => formatGetAnswer(state).slice(0, -1),
  }),
  parser({
    name: 'record of a node',
    isJson: true,
    seeds: [record],
    parse: text => parseNodeRecord(text, 'a.json'),
    format: formatNodeRecord,
  }),
  parser({
    name: 'claim',
    isJson: true,
    seeds: [claim],
    parse: text => parseClaim(text, 'a.json'),
    format: formatClaim,
  }),
  parser({
    name: 'configuration of a network',
    isJson: true,
    seeds: [network],
    parse: text => parseNetworkConfig(text, 'a.json'),
  }),
  parser({
    name: 'join token',
    seeds: [formatJoinToken({ network: 'prod', store: 'file:/srv', node: 'a', secret: new Secret(Buffer.from('s')) })],
    parse: parseJoinToken,
    format: formatJoinToken,
  }),
  parser({
    name: 'what is in a join token',
    isJson: true,
    seeds: [
      `{"network":"prod","store":"server:https://192.0.2.1:7443","pin":"${'A'.repeat(43)}","ca":"x","secret":"s"}`,
    ],
    parse: text => parseJoinToken(joinTokenOf(text)),
  }),
  parser({
    name: 'line of a watch',
    isJson: true,
    seeds: [
      '{"kind":"list"}',
      '{"kind":"inSync","at":"00ff.1"}',
      `{"kind":"network","network":${network}}`,
      `{"kind":"node","record":${record},"at":"00ff.2"}`,
      `{"kind":"claim","claim":${claim}}`,
      '{"kind":"nodeGone","name":"a","at":"00ff.3"}',
      '{"kind":"claimGone","prefix":"10.99.1.0/24","at":"00ff.4"}',
      `{"kind":"removal","removal":{"node":"a","publicKey":"${keys.a}","sinceMs":1}}`,
      '{"kind":"error","code":"ERR_PODWIRE_STORE","message":"x","hint":"y"}',
    ],
    parse: parseWatchLine,
  }),
  parser({
    name: 'lab',
    isJson: true,
    seeds: examples('lab', '.json'),
    parse: text => parseLab(text, 'lab.json'),
    format: lab => JSON.stringify(lab),
  }),
]

/** A token of any text, with a right checksum. */
function joinTokenOf(text: string): string {
  const sum = createHash('sha256').update(text).digest().subarray(0, 4)
  return `podwire1_${Buffer.concat([Buffer.from(text), sum]).toString('base64url')}`
}

for (const { name, seeds, isJson, parse, format } of parsers) {
  const texts = isJson ? fc.oneof(editedTexts(seeds), editedDocuments(seeds)) : editedTexts(seeds)
  test(`${name}: is read or refused, and says no secret`, () => {
    for (const seed of seeds) parse(seed, () => {})
    fc.assert(
      fc.property(texts, text => {
        const said: string[] = []
        const value = readOrRefused(text, parse, said)
        assertNoSecret(said)
        if (value === undefined || format === undefined) return
        const written = format(value.read, text)
        const again = parse(written, () => {})
        assert.equal(show(again), show(value.read), written)
        assert.equal(format(again, written), written)
      }),
      settings,
    )
  })
}

/** What was read; undefined if it was refused. What it says goes to `said`. */
function readOrRefused<T>(text: string, parse: Parser<T>['parse'], said: string[]): { read: T } | undefined {
  try {
    return { read: parse(text, warning => said.push(warning)) }
  } catch (error) {
    if (!(error instanceof PodwireError)) throw error
    assert.ok(Object.hasOwn(errorTable, error.code))
    said.push(error.message, error.hint)
    return undefined
  }
}

/** Secret keys in the seeds, in both of their forms, by pieces that nobody could take for something else. */
const secretPieces = [
  ...examples('interface', '')
    .join('')
    .matchAll(/(?:private|preshared)Key"?\s*[=:]\s*"?([\w+/]{43}=)/gi),
]
  .map(([, key = '']) => key)
  .concat(keys.private, keys.preshared)
  .flatMap(key => [key, hexOf(key)])
  .flatMap(key => Array.from({ length: key.length - 14 }, (_, at) => key.slice(at, at + 15)))

function assertNoSecret(said: readonly string[]): void {
  for (const text of said) {
    const piece = secretPieces.find(piece => text.includes(piece))
    assert.equal(piece, undefined, text)
  }
}

/** Everything in a value, secrets and maps too, whatever the order of its names. */
function show(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key) {
    const it = this[key]
    if (it instanceof Secret) return formatSecretKey(it)
    if (it instanceof Map) return [...it]
    if (typeof it === 'bigint') return `${it}n`
    if (typeof it !== 'object' || it === null || Array.isArray(it)) return it
    return Object.fromEntries(Object.entries(it).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}
