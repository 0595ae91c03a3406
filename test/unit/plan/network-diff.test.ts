import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { parseNetworkDocument } from '../../../src/config/network-document.ts'
import { describeNetworkDiff, diffNetworks } from '../../../src/plan/network-diff.ts'

const schema = new URL('../../../../schema/network-diff.json', import.meta.url)
const isValid = new Ajv2020({ strict: true }).compile(JSON.parse(readFileSync(schema, 'utf8')))

const key = (letter: string) => Buffer.alloc(32, letter).toString('base64')
const base = {
  network: { name: 'n', range: ['10.99.0.0/16', 'fd99::/48'] } as object,
  nodes: {
    a: { publicKey: key('a'), prefixes: ['10.99.0.1', 'fd99::1'] },
    b: { publicKey: key('b'), prefixes: ['10.99.0.2', 'fd99::2'], tags: ['t'] },
    c: { publicKey: key('c'), prefixes: ['10.99.0.3', 'fd99::3'], share: ['192.168.7.0/24'] },
  } as Record<string, { publicKey?: string; prefixes: string[]; tags?: string[]; share?: string[] }>,
  accept: [{ to: { node: 'a' }, from: [{ node: 'b' }], ports: ['tcp/22'] }] as object[],
}
type Base = typeof base

const untouched = 'No session that lives is touched.'
const cases: { name: string; change: (document: Base) => void; says: string[] }[] = [
  { name: 'nothing', change: () => {}, says: ['No change of access, addresses or sessions.'] },
  {
    name: 'a port more',
    change: ({ accept }) => accept.push({ to: { node: 'a' }, from: [{ tag: 't' }], ports: ['udp/53'] }),
    says: ['access: b to a: has tcp/22, udp/53 instead of tcp/22', untouched],
  },
  {
    name: 'a rule less opens the node',
    change: ({ accept }) => accept.pop(),
    says: [
      'access: b to a: has everything instead of tcp/22',
      'access: c to a: gains everything',
      'access: 192.168.7.0/24 to a: gains everything (IPv4 only)',
      untouched,
    ],
  },
  {
    name: 'a LAN is closed, to all but one port',
    change: ({ accept }) => accept.push({ to: { prefix: '192.168.7.0/24' }, from: [{ node: 'a' }], ports: ['icmp'] }),
    says: [
      'access: a to 192.168.7.0/24: has icmp instead of everything (IPv4 only)',
      'access: b to 192.168.7.0/24: loses everything (IPv4 only)',
      untouched,
    ],
  },
  {
    name: 'one address in a LAN is closed',
    change: ({ accept }) => accept.push({ to: { prefix: '192.168.7.9/32' }, from: [{ node: 'a' }] }),
    says: ['access: b to 192.168.7.9/32: loses everything (IPv4 only)', untouched],
  },
  {
    name: 'a node joins',
    change: ({ nodes }) => {
      nodes.d = { prefixes: ['10.99.0.4', 'fd99::4'] }
      delete nodes.c
    },
    says: [
      'access: a to d: gains everything',
      'access: a to c: loses everything',
      'access: a to 192.168.7.0/24: loses everything (IPv4 only)',
      'access: b to d: gains everything',
      'access: d to b: gains everything',
      'access: b to c: loses everything',
      'access: b to 192.168.7.0/24: loses everything (IPv4 only)',
      'access: c to b: loses everything',
      'access: 192.168.7.0/24 to b: loses everything (IPv4 only)',
      'session ends: a and c: c leaves the network',
      'session ends: b and c: c leaves the network',
      'new session: a and d: d joins the network',
      'new session: b and d: d joins the network',
    ].sort(),
  },
  {
    name: 'another key',
    change: ({ nodes }) => Object.assign(nodes.c ?? {}, { publicKey: key('d') }),
    says: ['a', 'b'].flatMap(node => [
      `new session: ${node} and c: c has another key`,
      `session ends: ${node} and c: c has another key`,
    ]),
  },
  {
    name: 'another address',
    change: ({ nodes }) => Object.assign(nodes.c ?? {}, { prefixes: ['10.99.0.9', 'fd99::3'] }),
    says: ['addresses: c has 10.99.0.9/32, fd99::3/128 instead of 10.99.0.3/32, fd99::3/128', untouched],
  },
  {
    name: 'a star from a mesh',
    change: document => Object.assign(document.network, { topology: 'star', hub: 'a' }),
    says: ['session ends: b and c: they are no longer peers'],
  },
]

for (const { name, change, says } of cases) {
  test(`network diff: ${name}`, () => {
    const parse = (document: unknown) => parseNetworkDocument(JSON.stringify(document), 'network.json')
    const changed = structuredClone(base)
    change(changed)
    const diff = diffNetworks(parse(base), parse(changed))
    const lines = describeNetworkDiff(diff)
    assert.deepEqual(lines.toSorted(), says.toSorted())
    assert.ok(isValid(JSON.parse(JSON.stringify(diff))), JSON.stringify(isValid.errors))
  })
}
