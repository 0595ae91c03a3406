import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { PodwireError } from '../../../src/base/errors.ts'
import { parseNetworkDocument } from '../../../src/config/network-document.ts'
import { networkJsonSchema } from '../../../src/config/network-schema.ts'

const good = {
  network: { name: 'prod', range: ['10.99.0.0/16', 'fd99::/48'], topology: 'zones' },
  zones: { berlin: { gateways: ['b1', 'b2'] } },
  nodes: {
    b1: {
      zone: 'berlin',
      endpoint: '198.51.100.7:51820',
      tags: ['edge'],
      share: [{ prefix: '192.168.7.0/24', group: 'lan', priority: 10 }, 'fd07::/64'],
    },
    b2: {
      zone: 'berlin',
      endpoint: 'b2.example.org:51821',
      share: [{ prefix: '192.168.7.0/24', group: 'lan', priority: 20 }],
    },
    a1: { zone: 'aws', endpoint: '[2001:db8::5]:51820', prefixes: ['10.99.4.0/24'], share: ['10.20.0.0/16'] },
    ci: { behindNat: true },
  },
  accept: [
    { to: { node: 'b1' }, from: [{ tag: 'edge' }, { zone: 'aws' }] },
    { to: { prefix: '192.168.7.0/24' }, from: [{ node: 'ci' }], ports: ['tcp/443', 'udp/8000-8010', 'icmp'] },
  ],
}

// A document on its way to being wrong has no type.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Draft = any

function but(change: (document: Draft) => void): unknown {
  const copy = structuredClone(good)
  change(copy)
  return copy
}

const parse = (document: unknown) => parseNetworkDocument(JSON.stringify(document), 'network.json')

test('network document: what is another document is named', () => {
  const others: [text: string, says: RegExp][] = [
    ['[Interface]\nMTU = 1400\n', /line 1, column 1: this is the INI of one interface, which `podwire quick` takes/],
    ['{"interface": {}}', /interface \(line 1, column 15\): this is the configuration of one interface/],
    ['{"name": "a", "range": []}', /range \(line 1, column 24\): this is network\.json of an agent's store/],
  ]
  for (const [text, says] of others) assert.throws(() => parseNetworkDocument(text, 'network.json'), { message: says })
})

/** `schema`: whether the schema says so too; it cannot say what crosses from one part to another, or arithmetic. */
const bad: { name: string; document: unknown; says: RegExp; schema?: true }[] = [
  { name: 'no range', document: but(d => delete d.network.range), says: /network\.range .*missing/, schema: true },
  { name: 'an empty range', document: but(d => (d.network.range = [])), says: /at least one prefix/, schema: true },
  {
    name: 'two ranges of one family',
    document: but(d => (d.network.range = ['10.0.0.0/16', '10.1.0.0/16'])),
    says: /network\.range\[1\] .*one range of each family/,
  },
  {
    name: 'a range with host bits',
    document: but(d => (d.network.range[0] = '10.99.0.1/16')),
    says: /10\.99\.0\.0\/16/,
  },
  {
    name: 'a reserved range',
    document: but(d => (d.network.range[0] = '0.0.0.0/0')),
    says: /network\.range\[0\] .*overlaps/,
  },
  {
    name: 'an unknown key, near a known one',
    document: but(d => (d.nodes.ci.behindNAT = true)),
    says: /nodes\.ci\.behindNAT \(line 1, column \d+\): unknown key "behindNAT"; did you mean "behindNat"/,
    schema: true,
  },
  {
    name: 'an unknown key of a share',
    document: but(d => (d.nodes.a1.share = [{ prefx: '10.20.0.0/16' }])),
    says: /nodes\.a1\.share\[0\]\.prefx .*did you mean "prefix"/,
    schema: true,
  },
  {
    name: 'a share that is a number',
    document: but(d => (d.nodes.a1.share = [7])),
    says: /expected a prefix, or/,
    schema: true,
  },
  {
    name: 'a name of digits, which would lose its place',
    document: but(d => (d.nodes['10'] = {})),
    says: /nodes\.10 \(line 1, column \d+\): .*has at least one letter/,
  },
  { name: 'a bad name', document: but(d => (d.nodes['a b'] = {})), says: /cannot be used as a name/ },
  { name: 'a bad key', document: but(d => (d.nodes.ci.publicKey = 'abc')), says: /nodes\.ci\.publicKey .*not a key/ },
  {
    name: 'one key twice',
    document: but(d => (d.nodes.ci.publicKey = d.nodes.a1.publicKey = Buffer.alloc(32, 1).toString('base64'))),
    says: /nodes\.ci\.publicKey .*key of a1 \(nodes\.a1\.publicKey\)/,
  },
  {
    name: 'a bad endpoint',
    document: but(d => (d.nodes.a1.endpoint = 'x')),
    says: /nodes\.a1\.endpoint .*not an endpoint/,
  },
  {
    name: 'an endpoint inside the tunnel',
    document: but(d => (d.nodes.a1.endpoint = '10.99.7.7:51820')),
    says: /nodes\.a1\.endpoint .*10\.99\.7\.7 lies in 10\.99\.0\.0\/16, the network's own range/,
  },
  {
    name: 'an endpoint behind itself',
    document: but(d => (d.nodes.a1.endpoint = '10.20.0.1:51820')),
    says: /10\.20\.0\.1 lies in 10\.20\.0\.0\/16, which the node itself shares \(nodes\.a1\.share\[0\]\)/,
  },
  {
    name: 'an endpoint behind another node',
    document: but(d => (d.nodes.b1.endpoint = '10.20.0.1:51820')),
    says: /nodes\.b1\.endpoint .*10\.20\.0\.1 lies in 10\.20\.0\.0\/16, which a1 shares \(nodes\.a1\.share\[0\]\)/,
  },
  {
    name: 'prefixes outside the range',
    document: but(d => (d.nodes.ci.prefixes = ['10.98.0.0/24'])),
    says: /nodes\.ci\.prefixes\[0\] .*outside the network's range/,
  },
  {
    name: 'prefixes that overlap',
    document: but(d => (d.nodes.ci.prefixes = ['10.99.4.9/32'])),
    says: /nodes\.ci\.prefixes\[0\] .*10\.99\.4\.9\/32 overlaps 10\.99\.4\.0\/24, which a1 has \(nodes\.a1\.prefixes\[0\]\)/,
  },
  {
    name: 'a share that overlaps another',
    document: but(d => (d.nodes.ci.share = ['10.20.4.0/24'])),
    says: /nodes\.ci\.share\[0\] .*10\.20\.4\.0\/24 overlaps 10\.20\.0\.0\/16, which a1 shares \(nodes\.a1\.share\[0\]\)/,
  },
  {
    name: 'the same share without a group',
    document: but(d => (d.nodes.ci.share = ['10.20.0.0/16'])),
    says: /which a1 shares \(nodes\.a1\.share\[0\]\); only the nodes of one group/,
  },
  {
    name: 'the same share in another group',
    document: but(d => (d.nodes.b2.share[0].group = 'other')),
    says: /nodes\.b2\.share\[0\] .*which b1 shares/,
  },
  {
    name: 'the same share twice at one node',
    document: but(d => (d.nodes.a1.share = ['10.20.0.0/16', '10.20.0.0/16'])),
    says: /nodes\.a1\.share\[1\]/,
  },
  {
    name: 'one priority twice in a group',
    document: but(d => (d.nodes.b2.share[0].priority = 10)),
    says: /priority 10 also at b1 \(nodes\.b1\.share\[0\]\)/,
  },
  {
    name: 'a group without a priority',
    document: but(d => delete d.nodes.b2.share[0].priority),
    says: /belong together/,
  },
  {
    name: 'a gateway that only stands in for its LAN',
    document: but(d => (d.nodes.b1.share[0].priority = 30)),
    says: /nodes\.b1\.share\[0\]\.priority .*must come first, and b2 does/,
  },
  {
    name: 'a share in the range',
    document: but(d => (d.nodes.ci.share = ['10.99.9.0/24'])),
    says: /overlaps the network's range/,
  },
  {
    name: 'a share of everything',
    document: but(d => (d.nodes.ci.share = ['0.0.0.0/0'])),
    says: /nodes\.ci\.share\[0\] .*overlaps/,
  },
  {
    name: 'an unknown gateway',
    document: but(d => d.zones.berlin.gateways.push('b3')),
    says: /gateways\[2\] .*no node "b3"/,
  },
  {
    name: 'a gateway of another zone',
    document: but(d => d.zones.berlin.gateways.push('a1')),
    says: /"a1" is not in the zone "berlin"/,
  },
  { name: 'gateways in a mesh', document: but(d => delete d.network.topology), says: /zones .*this is a mesh/ },
  {
    name: 'a star without a hub',
    document: but(d => {
      d.network.topology = 'star'
      delete d.zones
    }),
    says: /a star has a hub/,
  },
  {
    name: 'a hub without a star',
    document: but(d => (d.network.hub = 'b1')),
    says: /network\.hub .*a zones has no hub|no hub/,
  },
  {
    name: 'accept: an unknown node',
    document: but(d => (d.accept[0].to.node = 'b9')),
    says: /accept\[0\]\.to\.node .*there are b1, b2/,
  },
  {
    name: 'accept: an unknown tag',
    document: but(d => (d.accept[0].from[0].tag = 'x')),
    says: /accept\[0\]\.from\[0\]\.tag .*no tag "x"/,
  },
  {
    name: 'accept: an unknown zone',
    document: but(d => (d.accept[0].from[1].zone = 'x')),
    says: /accept\[0\]\.from\[1\]\.zone/,
  },
  {
    name: 'accept: a prefix that nobody has',
    document: but(d => (d.accept[1].to.prefix = '172.16.0.0/24')),
    says: /nobody has/,
  },
  {
    name: 'accept: two things in one place',
    document: but(d => (d.accept[0].to.tag = 'edge')),
    says: /one of node, tag/,
    schema: true,
  },
  { name: 'accept: an empty place', document: but(d => (d.accept[0].to = {})), says: /one of node, tag/, schema: true },
  {
    name: 'accept: no from',
    document: but(d => delete d.accept[0].from),
    says: /accept\[0\]\.from .*missing/,
    schema: true,
  },
  { name: 'accept: no port', document: but(d => (d.accept[1].ports = [])), says: /name a port/, schema: true },
  ...['443', 'tcp', 'tcp/0', 'tcp/65536', 'tcp/9-8', 'sctp/5', 'tcp/1-2-3', 'icmp/8'].map(port => ({
    name: `accept: the port ${port}`,
    document: but(d => (d.accept[1].ports[0] = port)),
    says: /accept\[1\]\.ports\[0\] .*names no ports/,
  })),
]

const isValid = new Ajv2020({ strict: true }).compile(networkJsonSchema() as object)

test('network document: what it says comes out', () => {
  assert.ok(isValid(good), JSON.stringify(isValid.errors))
  const { topology, nodes, accept, ...rest } = parse(good)
  assert.deepEqual(rest, { name: 'prod', range: ['10.99.0.0/16', 'fd99::/48'] })
  assert.deepEqual(topology, { kind: 'zones', gateways: new Map([['berlin', 'b1']]) })
  const [b1, b2, a1, ci] = nodes
  assert.deepEqual(b1?.shares, [{ prefix: '192.168.7.0/24', group: 'lan', priority: 10 }, { prefix: 'fd07::/64' }])
  assert.deepEqual([b2?.endpoint, b2?.listenPort, a1?.listenPort], ['b2.example.org:51821', 51821, 51820])
  assert.equal(a1?.prefixes[0], '10.99.4.0/24')
  assert.deepEqual([ci?.behindNat, ci?.zone, ci?.prefixes.length], [true, undefined, 2])
  assert.deepEqual(accept[1], {
    to: { kind: 'prefix', prefix: '192.168.7.0/24' },
    from: [{ kind: 'node', name: 'ci' }],
    ports: [
      { protocol: 'tcp', first: 443, last: 443 },
      { protocol: 'udp', first: 8000, last: 8010 },
      { protocol: 'icmp' },
    ],
  })
})

for (const { name, document, says, schema } of bad) {
  test(`network document: refused: ${name}`, () => {
    assert.throws(
      () => parse(document),
      (error: unknown) => {
        assert.ok(error instanceof PodwireError && error.code === 'ERR_PODWIRE_DOCUMENT', String(error))
        assert.match(error.message, /^network\.json: .*\(line 1, column \d+\)/)
        assert.match(error.message, says)
        return true
      },
    )
    if (schema) assert.ok(!isValid(document), 'the schema takes it')
  })
}

test('network document: comments and trailing commas are read, and an error says the line', () => {
  const text = `{ // the smallest
  "network": { "name": "n", "range": ["10.99.0.0/24"] },
  "nodes": { "a": {}, "b": { "prefixs": [] }, },
}`
  assert.throws(
    () => parseNetworkDocument(text, 'n.json'),
    /nodes\.b\.\w+ \(line 3, column \d+\): .*did you mean "prefixes"/,
  )
  assert.equal(parseNetworkDocument(text.replace('"prefixs"', '"prefixes"'), 'n.json').nodes.length, 2)
})

test('network document: an address made from a name stays, whoever else is there, and is refused when taken', () => {
  const network = { name: 'n', range: ['10.99.0.0/24', 'fd99::/64'] }
  const addressesOf = (nodes: object) =>
    new Map(parse({ network, nodes }).nodes.map(node => [node.name, node.prefixes]))
  const alone = addressesOf({ x: {} }).get('x')
  assert.deepEqual(addressesOf({ a: {}, x: {}, c: {} }).get('x'), alone)
  const taken = { a: { prefixes: [alone?.[0]] }, x: {} }
  assert.throws(
    () => addressesOf(taken),
    (error: Error) => {
      const [, free = ''] =
        /nodes\.x .*taken by a \(nodes\.a\.prefixes\[0\]\).*"prefixes": \["([^"]+)"\]/.exec(error.message) ?? []
      assert.deepEqual(addressesOf({ ...taken, x: { prefixes: [free] } }).get('x'), [free, alone?.[1]])
      return true
    },
  )
})

test('network document: nodes never share an address, and never have one outside the range', () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,6}$/), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(names, fc.integer({ min: 20, max: 29 }), (names, length) => {
      const network = { name: 'n', range: [`10.99.0.0/${length}`] }
      try {
        const { nodes } = parse({ network, nodes: Object.fromEntries(names.map(name => [name, {}])) })
        const addresses = nodes.flatMap(({ prefixes }) => prefixes)
        assert.equal(new Set(addresses).size, names.length)
        for (const address of addresses) assert.match(address, /^10\.99\.\d+\.\d+\/32$/)
      } catch (error) {
        assert.match(String(error), /made from its name, is taken by/)
      }
    }),
  )
})

test('network document: no text crashes the parser', () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.constantFrom(...Object.keys(good), 'nodes.ci', 'nodes.ci.share', 'accept.0'),
      (value, path) => {
        const document = but(draft => {
          const keys = path.split('.')
          const last = keys.pop() ?? ''
          keys.reduce((inner, key) => inner[key], draft)[last] = value
        })
        try {
          parse(document)
        } catch (error) {
          assert.ok(error instanceof PodwireError, String(error))
        }
      },
    ),
  )
})

test('network document: the examples are good, by the schema and by the parser', () => {
  const folder = new URL('../../../../examples/network/', import.meta.url)
  const files = readdirSync(folder)
  assert.ok(files.length >= 3)
  for (const file of files) {
    const text = readFileSync(new URL(file, folder), 'utf8')
    parseNetworkDocument(text, file)
    assert.ok(isValid(JSON.parse(text)), `${file}: ${JSON.stringify(isValid.errors)}`)
  }
})
