import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { PodwireError } from '../../../src/base/errors.ts'
import { checkLab, type LabDescription, labJsonSchema, parseLab, withHost } from '../../../src/lab/description.ts'
import { refusal } from '../config/refusal.ts'

const good: LabDescription = {
  name: 'good',
  networks: { lan: { mtu: 1400, rate: '10mbit' }, wan: {} },
  hosts: {
    a: {
      networks: [
        { network: 'lan', addresses: ['10.0.0.1/24', 'fd00::1/64'] },
        { network: 'wan', addresses: ['192.0.2.1/24'] },
      ],
      gateways: ['192.0.2.2', 'fd00::2'],
      routes: [{ to: '10.9.0.0/24', via: '10.0.0.2' }],
      nat: { kind: 'symmetric', towards: 'wan' },
      containers: { c1: ['10.99.0.2'] },
    },
    b: { networks: [{ network: 'lan', addresses: ['10.0.0.2/24'] }] },
  },
}

// A document on its way to being wrong has no type.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Draft = any

/** The good description with one thing changed. */
function but(change: (lab: Draft) => void): unknown {
  const copy = structuredClone(good)
  change(copy)
  return copy
}

const bad: { name: string; document: unknown; path: string; says: RegExp }[] = [
  { name: 'not an object', document: 7, path: 'the document', says: /expected an object; it is 7/ },
  { name: 'no name', document: but(lab => delete lab.name), path: 'name', says: /is missing; expected a text/ },
  {
    name: 'a name with a dot',
    document: but(lab => (lab.name = 'a.b')),
    path: 'name',
    says: /name of a lab is 1 to 30/,
  },
  {
    name: 'an unknown key, near a known one',
    document: but(lab => (lab.hosts.a.gatway = [])),
    path: 'hosts.a.gatway',
    says: /unknown key "gatway"; did you mean "gateways"\?/,
  },
  {
    name: 'an unknown key, near none',
    document: but(lab => (lab.networks.lan.xyzzy = 1)),
    path: 'networks.lan.xyzzy',
    says: /unknown key "xyzzy"; the keys are mtu, rate/,
  },
  {
    name: 'a name too long for an interface',
    document: but(lab => (lab.networks['a-very-long-network'] = {})),
    path: 'networks.a-very-long-network',
    says: /name of a network is 1 to 15/,
  },
  {
    name: 'a network whose interfaces would have the name of loopback',
    document: but(lab => (lab.networks.lo = {})),
    path: 'networks.lo',
    says: /no network is named lo, all, default or pw…/,
  },
  {
    name: "a host whose port would have the name of a container's interface",
    document: but(lab => (lab.hosts.pwc1 = {})),
    path: 'hosts.pwc1',
    says: /no host is named lo/,
  },
  {
    name: 'an MTU too small',
    document: but(lab => (lab.networks.lan.mtu = 100)),
    path: 'networks.lan.mtu',
    says: /576/,
  },
  {
    name: 'a rate without unit',
    document: but(lab => (lab.networks.lan.rate = '5')),
    path: 'networks.lan.rate',
    says: /kbit/,
  },
  {
    name: 'an address that is none',
    document: but(lab => (lab.hosts.a.networks[1].addresses[0] = '192.0.2.300/24')),
    path: 'hosts.a.networks[1].addresses[0]',
    says: /"192.0.2.300\/24" cannot be used/,
  },
  {
    name: 'a membership of a network that is not there',
    document: but(lab => (lab.hosts.a.networks[1].network = 'wann')),
    path: 'hosts.a.networks[1].network',
    says: /no network "wann"; there are lan, wan/,
  },
  {
    name: 'a membership twice',
    document: but(lab => (lab.hosts.a.networks[1].network = 'lan')),
    path: 'hosts.a.networks[1].network',
    says: /in the network "lan" already/,
  },
  {
    name: 'an address twice',
    document: but(lab => (lab.hosts.b.networks[0].addresses[0] = '10.0.0.1/8')),
    path: 'hosts.b.networks[0].addresses[0]',
    says: /10\.0\.0\.1 is in use at hosts\.a\.networks\[0\]\.addresses\[0\]/,
  },
  {
    name: 'a gateway out of reach',
    document: but(lab => (lab.hosts.b.gateways = ['192.0.2.2'])),
    path: 'hosts.b.gateways[0]',
    says: /in none of the host's networks/,
  },
  {
    name: 'two gateways of one family',
    document: but(lab => (lab.hosts.b.gateways = ['10.0.0.1', '10.0.0.9'])),
    path: 'hosts.b.gateways[1]',
    says: /second default gateway of IPv4/,
  },
  {
    name: 'a route with bits behind its length',
    document: but(lab => (lab.hosts.a.routes[0].to = '10.9.0.1/24')),
    path: 'hosts.a.routes[0].to',
    says: /the prefix is 10\.9\.0\.0\/24/,
  },
  {
    name: 'a route over a gateway of the other family',
    document: but(lab => (lab.hosts.a.routes[0].via = 'fd00::2')),
    path: 'hosts.a.routes[0].via',
    says: /different families/,
  },
  {
    name: 'a NAT of an unknown kind',
    document: but(lab => (lab.hosts.a.nat.kind = 'cone')),
    path: 'hosts.a.nat.kind',
    says: /endpoint-independent/,
  },
  {
    name: 'a NAT towards a network of others',
    document: but(lab => (lab.hosts.b.nat = { kind: 'symmetric', towards: 'wan' })),
    path: 'hosts.b.nat.towards',
    says: /not in the network "wan"/,
  },
  {
    name: 'a container name too long',
    document: but(lab => (lab.hosts.a.containers['fourteen-chars'] = [])),
    path: 'hosts.a.containers.fourteen-chars',
    says: /name of a container is 1 to 13/,
  },
]

test('lab description: a good one is returned as it is', () => {
  assert.deepEqual(parseLab(JSON.stringify(good), 'good.json'), good)
})

for (const { name, document, path, says } of bad) {
  test(`lab description: refuses ${name}, with file and path`, () => {
    const error = refusal(() => parseLab(JSON.stringify(document), 'bad.json'))
    assert.equal(error.code, 'ERR_PODWIRE_DOCUMENT')
    assert.ok(error.message.startsWith(`bad.json: ${path} (line 1, column `), error.message)
    assert.match(error.message, says)
  })
}

test('lab description: what is not JSON is refused with the file', () => {
  const error = refusal(() => parseLab('{ "name": ', 'broken.json'))
  assert.equal(error.code, 'ERR_PODWIRE_DOCUMENT')
  assert.match(error.message, /^broken\.json: /)
})

test('lab description: any JSON is accepted or refused with a code', () => {
  fc.assert(
    fc.property(fc.json(), text => {
      try {
        parseLab(text, 'any.json')
      } catch (error) {
        assert.ok(error instanceof PodwireError && error.code === 'ERR_PODWIRE_DOCUMENT', String(error))
      }
    }),
  )
})

test('lab description: a host that is added is checked against the others', () => {
  const path = (host: Parameters<typeof withHost>[2]) => refusal(() => withHost(good, 'c', host)).message
  assert.match(
    path({ networks: [{ network: 'lan', addresses: ['10.0.0.2/24'] }] }),
    /hosts\.c\.networks\[0\]\.addresses\[0\]/,
  )
  assert.match(refusal(() => withHost(good, 'a', {})).message, /hosts\.a: the lab has a host of that name/)
})

test('lab description: schema/lab.json is current, and agrees with the checks', () => {
  const schema = labJsonSchema()
  const written = JSON.parse(readFileSync(new URL('../../../../schema/lab.json', import.meta.url), 'utf8'))
  assert.deepEqual(written, JSON.parse(JSON.stringify(schema)), 'write it with `node scripts/docs.mjs`')
  const validate = new Ajv2020().compile(written)
  assert.equal(validate(good), true)
  assert.equal(validate(but(lab => (lab.hosts.a.gatway = []))), false)
})

test('lab description: the examples are good', () => {
  const folder = new URL('../../../../examples/lab/', import.meta.url)
  const files = readdirSync(folder)
  assert.equal(files.length, 2)
  for (const file of files) checkLab(parseLab(readFileSync(new URL(file, folder), 'utf8'), file))
})
