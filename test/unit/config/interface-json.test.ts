import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { formatInterfaceJson, parseInterfaceJson } from '../../../src/config/interface-json.ts'
import { acceptsOrRefuses, keys, refusal } from './refusal.ts'

const schemaFile = new URL('../../../../schema/interface.json', import.meta.url)
const isValid = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(
  JSON.parse(readFileSync(schemaFile, 'utf8')),
)

const own = (part: object) => ({ interface: part })
const peer = (part: object) => ({ interface: {}, peers: [{ publicKey: keys.a, ...part }] })

/** What both the parser and the schema take. */
const good: [name: string, document: object][] = [
  ['nothing but an interface', own({})],
  ['a schema', { $schema: 'x', ...own({}) }],
  ['a key', own({ privateKey: keys.private })],
  ['a key from a file', own({ privateKey: { file: '/etc/podwire/wg0.key' } })],
  ['a key from the environment', own({ privateKey: { env: 'KEY' } })],
  ['a key from a program', own({ privateKey: { command: ['pass', 'wg0'] } })],
  ['addresses', own({ addresses: ['10.8.0.2/24', 'fd00:8::2/64', '10.0.0.1'] })],
  ['marks', own({ fwmark: '0xca6c' })],
  ['a mark that is a number', own({ fwmark: 51820 })],
  ['no mark', own({ fwmark: 'off' })],
  ['an MTU', own({ mtu: 1420 })],
  ['an MTU that is found', own({ mtu: 'auto' })],
  ['DNS', own({ dns: { servers: ['10.8.0.1', 'fe80::1%eth0'], search: ['corp.internal'] } })],
  ['a table', own({ table: 51820 })],
  ['no table', own({ table: 'off' })],
  ['hooks', own({ hooks: { preUp: ['a # b'], postUp: [], preDown: ['a\nb'], postDown: [] } })],
  ['comments', own({ comments: ['', ' a', '#b'] })],
  ['saveConfig and a port', own({ saveConfig: true, listenPort: 0 })],
  ['peers by name', { ...own({}), peers: { office: { publicKey: keys.a }, 'b.c-d': { publicKey: keys.b } } }],
  ['no peers', { ...own({}), peers: [] }],
  ['all of a peer', peer({ name: 'a', presharedKey: { env: 'P' }, endpoint: 'a.b:1', allowedIPs: ['::/0'], keepalive: '25s' })],
  ['a keepalive in seconds', peer({ keepalive: 25 })],
  ['no keepalive', peer({ keepalive: 'off' })],
] // biome-ignore format: a table
for (const [name, document] of good) {
  test(`interface JSON: takes ${name}, as the schema does`, () => {
    const config = parseInterfaceJson(JSON.stringify(document), 'wg0.json')
    assert.ok(isValid(document), JSON.stringify(isValid.errors))
    const written = formatInterfaceJson(config)
    assert.deepEqual(parseInterfaceJson(written, 'wg0.json'), config)
    assert.ok(isValid(JSON.parse(written)), JSON.stringify(isValid.errors))
  })
}

test('interface JSON: all that is wrong is said at once, each with its place', () => {
  const text = '{"interface": {"listenPort": "1",\n "mtuu": 2, "mutt": 3, "addresses": "10.0.0.1/8"}}'
  const { message } = refusal(() => parseInterfaceJson(text, 'wg0.json'))
  assert.deepEqual(message.split('\n  '), [
    'wg0.json: interface.addresses (line 2, column 37): expected a list, as ["10.0.0.1/8"]; it is "10.0.0.1/8"',
    'interface.listenPort (line 1, column 30): expected a number; it is "1"',
    'interface.mtuu (line 2, column 10): unknown key "mtuu"; did you mean "mtu"?',
    'interface.mutt (line 2, column 21): unknown key "mutt"; did you mean "mtu"?',
  ])
})

/** What the parser refuses, where, and why; and the schema, unless only the parser can know. */
const bad: [name: string, document: unknown, path: string, says: RegExp, schema?: 'takes it'][] = [
  ['null', null, 'the document', /expected an object; it is null$/],
  ['a network', { network: {}, nodes: {} }, 'network', /this is a network document: .*render.*; expected the configuration of one interface$/],
  ['the document of a store', { name: 'a', range: [] }, 'range', /this is network\.json of an agent's store/],
  ['a list', [], 'the document', /expected an object; it is a list$/],
  ['no interface', { peers: [] }, 'interface', /is missing; expected an object$/],
  ['an unknown part', { ...own({}), peer: [] }, 'peer', /unknown key "peer"; did you mean "peers"\?/],
  ['an unknown key', own({ adresses: [] }), 'interface.adresses', /unknown key "adresses"; did you mean "addresses"\?/],
  ['an unknown key of a peer', peer({ allowedIp: [] }), 'peers[0].allowedIp', /unknown key "allowedIp"; did you mean "allowedIPs"\?/],
  ['an unknown hook', own({ hooks: { postUpp: [] } }), 'interface.hooks.postUpp', /did you mean "postUp"\?/],
  ['an unknown key of DNS', own({ dns: { server: [] } }), 'interface.dns.server', /did you mean "servers"\?/],
  ['addresses that are no list', own({ addresses: '10.0.0.1' }), 'interface.addresses', /expected a list, as \["10\.0\.0\.1"\]; it is "10\.0\.0\.1"$/],
  ['an address that is none', own({ addresses: ['::1', '10.0.0.300'] }), 'interface.addresses[1]', /"10\.0\.0\.300" cannot be used/, 'takes it'],
  ['a bad key', own({ privateKey: 'x' }), 'interface.privateKey', /not a key: a key is 32 bytes, in 44/],
  ['a key that is not canonical', own({ privateKey: keys.private.replace('k=', 'l=') }), 'interface.privateKey', /not a key/],
  ['a source that is none', own({ privateKey: { fil: '/k' } }), 'interface.privateKey', /expected a key in base64, \{"file"/],
  ['two sources', own({ privateKey: { file: '/k', env: 'K' } }), 'interface.privateKey', /expected a key in base64/],
  ['a relative file', own({ privateKey: { file: 'k' } }), 'interface.privateKey.file', /expected an absolute path/],
  ['a command that is a text', own({ privateKey: { command: 'pass wg0' } }), 'interface.privateKey.command', /expected a list, as /],
  ['a command of nothing', own({ privateKey: { command: [] } }), 'interface.privateKey.command', /expected at least 1 in the list; it is a list$/],
  ['a port that is a text', own({ listenPort: '1' }), 'interface.listenPort', /expected a number; it is "1"$/],
  ['a port too large', own({ listenPort: 65536 }), 'interface.listenPort', /expected at most 65535; it is 65536$/],
  ['a mark that is none', own({ fwmark: '0xg' }), 'interface.fwmark', /expected off, or a number of 32 bits/, 'takes it'],
  ['a mark too large', own({ fwmark: 2 ** 32 }), 'interface.fwmark', /expected at most 4294967295; it is 4294967296$/],
  ['an MTU that is a text', own({ mtu: '1420' }), 'interface.mtu', /expected "auto" or a whole number from 68 to 65535/],
  ['a name as server', own({ dns: { servers: ['a.b'] } }), 'interface.dns.servers[0]', /expected the address of a name server/, 'takes it'],
  ['a server as domain', own({ dns: { search: ['1.1.1.1'] } }), 'interface.dns.search[0]', /expected a domain/, 'takes it'],
  ['a table that is none', own({ table: 'main' }), 'interface.table', /expected "auto", "off" or the number/],
  ['an empty hook', own({ hooks: { preUp: [''] } }), 'interface.hooks.preUp[0]', /at least one character/],
  ['a hook that is no list', own({ hooks: { preUp: 'a' } }), 'interface.hooks.preUp', /expected a list, as /],
  ['a comment of two lines', own({ comments: ['a\nb'] }), 'interface.comments[0]', /a comment is one line/],
  ['peers that are a number', { ...own({}), peers: 1 }, 'peers', /expected a list of peers, or an object/],
  ['a peer without key', { ...own({}), peers: [{}] }, 'peers[0].publicKey', /is missing; expected a text in double quotes$/],
  ['a named peer without key', { ...own({}), peers: { office: {} } }, 'peers.office.publicKey', /is missing; expected a text in double quotes$/],
  ['a name that is none', { ...own({}), peers: { 'a b': { publicKey: keys.a } } }, 'peers.a b', /cannot be used as a name/, 'takes it'],
  ['a name of digits', { ...own({}), peers: { b: { publicKey: keys.a }, 10: { publicKey: keys.b } } }, 'peers.10', /has at least one letter, as "n10"/, 'takes it'],
  ['a name in a named peer', { ...own({}), peers: { a: { publicKey: keys.a, name: 'a' } } }, 'peers.a.name', /unknown key "name"/],
  ['host bits', peer({ allowedIPs: ['10.0.0.1/24'] }), 'peers[0].allowedIPs[0]', /the prefix is 10\.0\.0\.0\/24/, 'takes it'],
  ['an endpoint without port', peer({ endpoint: 'a.b' }), 'peers[0].endpoint', /"a\.b" is not an endpoint/, 'takes it'],
  ['a keepalive in minutes', peer({ keepalive: '1m' }), 'peers[0].keepalive', /"1m": expected/, 'takes it'],
  ['a keepalive too long', peer({ keepalive: '65536s' }), 'peers[0].keepalive', /from 0 to 65535/, 'takes it'],
  ['a peer twice', { ...own({}), peers: [{ publicKey: keys.a }, { publicKey: keys.a }] }, 'peers[1].publicKey', /peers\[0\] is the same peer/, 'takes it'],
  ['a named peer twice', { ...own({}), peers: { a: { publicKey: keys.a }, b: { publicKey: keys.a } } }, 'peers.b.publicKey', /peers\.a is the same peer/, 'takes it'],
  ['a name twice', { ...own({}), peers: [{ name: 'a', publicKey: keys.a }, { name: 'a', publicKey: keys.b }] }, 'peers[1].name', /peers\[0\] has this name/, 'takes it'],
] // biome-ignore format: a table
for (const [name, document, path, says, schema] of bad) {
  test(`interface JSON: refuses ${name}, with path and place`, () => {
    const { code, message } = refusal(() => parseInterfaceJson(JSON.stringify(document, undefined, 2), 'wg0.json'))
    assert.equal(code, 'ERR_PODWIRE_DOCUMENT')
    assert.ok(message.startsWith(`wg0.json: ${path} (line `), message)
    assert.match(message, says)
    assert.equal(isValid(document), schema === 'takes it')
  })
}

test('interface JSON: the place is the line and column of the value', () => {
  const text = '{\n  // mine\n  "interface": {},\n  "peers": [\n    { "publicKey": "x" }\n  ]\n}'
  const { message } = refusal(() => parseInterfaceJson(text, 'wg0.json'))
  assert.match(message, /^wg0\.json: peers\[0\]\.publicKey \(line 5, column 20\): not a key/)
})

test('interface JSON: a key is in no error, wherever it stands', () => {
  const key = keys.private
  const documents = [
    own({ [key]: 1 }),
    own({ privateKey: { [key]: 1 } }),
    own({ privateKey: `${key}=` }),
    own({ addresses: [key], listenPort: key }),
    own({ listenPort: key }),
    own({ dns: { servers: [key] } }),
    peer({ endpoint: key }),
    peer({ endpoint: `${key}:51820` }),
    peer({ keepalive: key }),
    peer({ allowedIPs: [key] }),
    { ...own({}), peers: { [key]: { publicKey: keys.a } } },
    { ...own({}), peers: { [`${key}!`]: {} } },
  ]
  const texts = [...documents.map(document => JSON.stringify(document)), `{"interface":{"privateKey":${key}}}`]
  for (const text of texts) {
    const { message } = refusal(() => parseInterfaceJson(text, 'wg0.json'))
    assert.ok(!message.includes(key.slice(0, 20)), message)
  }
})

test('interface JSON: comments become those of the section that they are in or above', () => {
  const text = `// one
  { "interface": { "comments": ["zero"], /* two */ "mtu": 1400 }, // three
    "peers": [ { "publicKey": "${keys.a}" }, { "publicKey": "${keys.b}" /* four */ }] } // five`
  const { comments, peers } = parseInterfaceJson(text, 'wg0.json')
  assert.deepEqual([comments, ...peers.map(({ comments }) => comments)], [['zero', 'one', 'two'], ['three'], ['four', 'five']]) // biome-ignore format: one line
})

test('interface JSON: peers by name are those of the list with names', () => {
  const byName = { ...own({}), peers: { a: { publicKey: keys.a }, b: { publicKey: keys.b } } }
  const listed = { ...own({}), peers: [{ name: 'a', publicKey: keys.a }, { name: 'b', publicKey: keys.b }] } // biome-ignore format: one line
  const parse = (document: object) => parseInterfaceJson(JSON.stringify(document), 'wg0.json')
  assert.deepEqual(parse(byName), parse(listed))
})

test('interface JSON: warns of AllowedIPs that overlap', () => {
  const warnings: string[] = []
  const peers = { a: { publicKey: keys.a, allowedIPs: ['10.0.0.0/8'] }, b: { publicKey: keys.b, allowedIPs: ['10.0.0.0/8'] } } // biome-ignore format: one line
  parseInterfaceJson(JSON.stringify({ ...own({}), peers }), 'wg0.json', warning => warnings.push(warning))
  assert.deepEqual(warnings, ['wg0.json: 10.0.0.0/8 is given to peers.a and to peers.b: only the later one gets it'])
})

test('interface JSON: any JSON is taken or refused with its place', () => {
  const values = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(keys.a, 'auto', '25s', '10.0.0.0/8', { file: '/k' }, '0x1', 5),
  )
  const section = (...names: string[]) => fc.record(Object.fromEntries(names.map(name => [name, values])), { requiredKeys: [] }) // biome-ignore format: one line
  const documents = fc.record(
    {
      interface: section('privateKey', 'addresses', 'listenPort', 'fwmark', 'mtu', 'dns', 'table', 'hooks', 'comments'),
      peers: fc.array(section('name', 'publicKey', 'presharedKey', 'endpoint', 'allowedIPs', 'keepalive', 'comments')),
      x: values,
    },
    { requiredKeys: [] },
  )
  const texts = fc.oneof(documents, fc.jsonValue()).map(value => JSON.stringify(value))
  fc.assert(
    fc.property(texts, text => acceptsOrRefuses(parseInterfaceJson, text)),
    { numRuns: 500 },
  )
})
