// init, token, join, node, leave as people use them, over a file store: three hosts of a lab, each with a root folder of its own.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { Office } from './office.ts'

const limit = { timeout: 90_000 }

let office: Office
before(async () => {
  office = await Office.start('commands', ['a', 'b', 'c'])
})
after(() => office[Symbol.asyncDispose]())

/** What is wrong with a document by a schema of schema/. */
function errorsOf(name: string, document: unknown): unknown[] {
  const text = readFileSync(new URL(`../../../schema/${name}.json`, import.meta.url), 'utf8')
  const ajv = new Ajv2020({ strict: true })
  ajv.validate(JSON.parse(text), document)
  return ajv.errors ?? []
}

const store = () => `file:${office.folder}/store`

test('init: sets a network up once, and says what to do next', limit, async () => {
  const words = ['init', 'prod', '--range', '10.99.0.0/16', '--range', 'fd99:5eed:cafe::/48', '--store', store()]
  const said = await office.podwire('a', words)
  assert.match(said, /"name": "prod"/)
  assert.ok(said.includes(`podwire token create --store ${store()}`))
  const before = readFileSync(join(office.folder, 'store/network.json'), 'utf8')
  const again = await office.refusal('a', words)
  assert.match(again, /holds a network already, "prod".*ERR_PODWIRE_NETWORK_EXISTS/s)
  assert.equal(readFileSync(join(office.folder, 'store/network.json'), 'utf8'), before)
})

test('init: what cannot be a network is refused, and nothing is made', limit, async () => {
  const other = `file:${office.folder}/other`
  const cases: [words: string[], said: RegExp][] = [
    [['x', '--range', '192.0.2.0/24', '--store', other], /192\.0\.2\.1\/24, .*on wan.*ERR_PODWIRE_RANGE_IN_USE/s],
    [['x', '--range', '10.0.0.0/33', '--store', other], /ERR_PODWIRE_CIDR/],
    [['x', '--range', '10.1.0.0/16', '--range', '10.2.0.0/16', '--store', other], /one range of each family/],
    [['x', '--range', '10.1.0.0/16', '--node-prefix', '/8', '--store', other], /from 16 to 32/],
    [['x', '--range', '10.1.0.0/16', '--node-prefix', 'all', '--store', other], /ERR_PODWIRE_USAGE/],
    [['x y', '--range', '10.1.0.0/16', '--store', other], /ERR_PODWIRE_NAME/],
    [['x', '--range', '10.1.0.0/16', '--store', 'paper:x'], /ERR_PODWIRE_STORE_ADDRESS/],
    [['x', '--range', '10.1.0.0/16'], /--store/],
    [['x', '--store', other], /--range/],
  ]
  for (const [words, said] of cases) assert.match(await office.refusal('a', ['init', ...words]), said, words.join(' '))
  assert.ok(!existsSync(join(office.folder, 'other')))
})

test('join: what is no token, or for another name, is refused and shows nothing of it', limit, async () => {
  const token = (await office.podwire('a', ['token', 'create', '--store', store(), '--node', 'z'])).trim()
  const cases: [words: string[], said: RegExp][] = [
    [['podwire1_abc'], /ERR_PODWIRE_JOIN_TOKEN/],
    [[`${token.slice(0, -4)}AAAA`], /ERR_PODWIRE_JOIN_TOKEN/],
    [[token, '--name', 'b'], /for a node named "z", and --name says "b".*ERR_PODWIRE_JOIN_TOKEN/s],
    [[token, '--device', 'pw0'], /ERR_PODWIRE_NAME/],
    [[token, '--endpoint', '127.0.0.1:1'], /ERR_PODWIRE_DOCUMENT/],
    [[token, '--endpoint', '10.99.0.1:1'], /the network's own range/],
    [[token, '--listen-port', '0'], /ERR_PODWIRE_USAGE/],
  ]
  for (const [words, said] of cases) {
    const text = await office.refusal('b', ['join', ...words])
    assert.match(text, said)
    assert.ok(!text.includes(token.slice(20, 60)))
  }
  assert.ok(!existsSync(office.path('b', '/etc/podwire/prod.json')))
  const pipe = await office
    .shell('b', `printf '%s\\n' ${token} | setpriv --reuid=65534 --clear-groups "$@" join`)
    .catch(String)
  assert.match(pipe, /ERR_PODWIRE_NEEDS_ROOT/)
})

test('join: three hosts become nodes by one command each, and reach one another', limit, async () => {
  for (const host of ['a', 'b', 'c']) {
    const token = (await office.podwire('a', ['token', 'create', '--store', store()])).trim()
    const said = await office.shell(host, `printf '%s\\n' ${token} | "$@" join --backend userspace`)
    assert.match(
      said,
      new RegExp(`^endpoint: 192\\.0\\.2\\.${office.place(host)}:51820, \\[2001:db8::.\\]:51820 \\(from `, 'm'),
    )
    assert.match(said, /podwire agent prod$/m)
    assert.equal(statSync(office.path(host, '/etc/podwire/prod.json')).mode & 0o777, 0o600)
    assert.equal(statSync(office.path(host, '/var/lib/podwire/prod')).mode & 0o777, 0o700)
    assert.equal(statSync(office.path(host, '/var/lib/podwire/prod/private.key')).mode & 0o777, 0o600)
    await office.startAgent(host, 'prod')
  }
  await office.reach('a', 'b', 'c')
})

test('join: again it says so and changes nothing; for another store it is refused', limit, async () => {
  const token = (await office.podwire('a', ['token', 'create'])).trim() // a is a node: it knows the store
  const settings = readFileSync(office.path('a', '/etc/podwire/prod.json'), 'utf8')
  assert.match(await office.podwire('a', ['join', token, '--name', 'other']), /has joined prod before, as a: nothing/)
  const words = ['--range', '10.99.0.0/16', '--store', `file:${office.folder}/second`]
  await office.podwire('a', ['init', 'prod', ...words])
  const second = (await office.podwire('a', ['token', 'create', '--store', `file:${office.folder}/second`])).trim()
  assert.match(await office.refusal('a', ['join', second]), /joined prod already, .*ERR_PODWIRE_JOINED_OTHERWISE/s)
  assert.equal(readFileSync(office.path('a', '/etc/podwire/prod.json'), 'utf8'), settings)
})

test(
  'status: what an agent knows of itself, as text and as JSON by its schema; root alone may ask',
  limit,
  async () => {
    const text = await office.podwire('a', ['status'])
    assert.match(text, /^prod, as a$/m)
    assert.match(text, /^ {2}store {5}file:.*, in sync since \d{4}-/m)
    assert.match(text, /^ {2}nodes {5}2 others$/m)
    assert.match(text, /^ {2}device {4}podwire0: up, MTU 1420, 2 peers, 2 with a session$/m)
    const status = JSON.parse(await office.podwire('a', ['status', 'prod', '--json']))
    assert.deepEqual(errorsOf('status', status), [])
    assert.equal(status.agents[0].peers.withSession, 2)
    assert.equal(statSync(office.path('a', '/run/podwire')).mode & 0o777, 0o700)
    assert.equal(statSync(office.path('a', '/run/podwire/prod.sock')).mode & 0o777, 0o600)
    assert.match(await office.refusal('a', ['status', 'other']), /ERR_PODWIRE_AGENT_SILENT/)
  },
)

test('status: a record that is left out is said with its reason, by node list too', limit, async () => {
  const record = {
    name: 'evil',
    publicKey: Buffer.alloc(32, 'e').toString('base64'),
    endpoints: [],
    prefixes: ['10.99.0.0/16'],
  }
  writeFileSync(join(office.folder, 'store/nodes/evil.json'), JSON.stringify(record))
  writeFileSync(join(office.folder, 'store/nodes/torn.json'), '{')
  await office.until('it is said', async () =>
    /^ {2}left out +node evil: its prefix .*\n.*torn\.json/m.test(await office.podwire('a', ['status'])),
  )
  assert.deepEqual(errorsOf('status', JSON.parse(await office.podwire('a', ['status', '--json']))), [])
  assert.match(await office.podwire('b', ['node', 'list']), /^evil .*left out: its prefix/m)
  for (const name of ['evil', 'torn']) rmSync(join(office.folder, `store/nodes/${name}.json`))
})

test('agent: it starts with the last view when the store is away, and goes on when it is back', limit, async () => {
  for (const host of ['a', 'b', 'c']) await office.endAgent(host)
  const view = office.path('a', '/var/lib/podwire/prod/view.json')
  assert.equal(statSync(view).mode & 0o777, 0o600)
  const [here, away] = [join(office.folder, 'store'), join(office.folder, 'store.away')]
  renameSync(here, away)
  await office.sh('a', 'ip link delete podwire0') // as after a start of the machine
  const agent = await office.startAgent('a', 'prod', '--health', '9820')
  const health = (path: string) => office.sh('a', `curl -s -w ' %{http_code}' http://127.0.0.1:9820${path}`)
  await office.until('it is ready', async () => (await health('/readyz')) === 'ok\n 200')
  assert.equal(await health('/healthz'), 'ok\n 200')
  assert.equal((await health('/other')).slice(-3), '404')
  await office.reach('a', 'b') // b has no agent now, and its device goes on
  assert.match(await office.podwire('a', ['status']), /lost since .*: it has not answered/)
  assert.ok(agent.lines.some(({ msg }) => msg.startsWith('the store does not answer: the last view')))
  renameSync(away, here)
  await office.until('it is in sync', async () => / in sync since /.test(await office.podwire('a', ['status'])))
  for (const host of ['b', 'c']) await office.startAgent(host, 'prod')
  await office.reach('a', 'b', 'c')
})

test('agent: a device that cannot be had is said by its health', limit, async () => {
  await office.endAgent('c')
  await office.sh('c', 'ip link delete podwire0')
  const words = ['agent', 'prod', '--health', '300000']
  assert.match(await office.refusal('c', words), /ERR_PODWIRE_VALUE/)
  assert.match(await office.refusal('c', ['agent', 'prod', '--health', '203.0.113.1:9820']), /ERR_PODWIRE_HEALTH/)
  await office.startAgent('c', 'prod', '--health', '[::1]:9820')
  const ready = () => office.sh('c', `curl -s -w ' %{http_code}' 'http://[::1]:9820/readyz'`)
  await office.until('it is ready', async () => (await ready()).endsWith('200'))
  await office.sh('c', 'ip link delete podwire0; ip tuntap add podwire0 mode tun')
  await office.until('it is not', async () => /^the last round failed: .*podwire0.* 503$/s.test(await ready()), 20)
  assert.match(await office.refusal('c', ['status']), /./) // exit status 1
  await office.sh('c', 'ip link delete podwire0')
  await office.until('it is again', async () => (await ready()).endsWith('200'), 60)
  await office.reach('a', 'c')
})

test('node: list and show say what the store and this host know; remove takes one out', limit, async () => {
  const text = await office.podwire('a', ['node', 'list'])
  assert.match(text, /^NAME +ADDRESSES +ENDPOINT +LAST HANDSHAKE$/m)
  assert.match(text, /^a .*this host$/m)
  assert.match(text, /^b +10\.99\.\d\.1 fd99:\S+ +(192\.0\.2\.2|\[2001:db8::2\]):51820 +\d{4}-\d\d-\d\d [\d:]+ UTC$/m)
  const list = JSON.parse(await office.podwire('c', ['node', 'list', '--json', '--store', store()]))
  assert.deepEqual(errorsOf('node-list', list), [])
  assert.deepEqual(errorsOf('node-list', JSON.parse(await office.podwire('a', ['node', 'list', '--json']))), [])
  const { nodes } = list
  assert.deepEqual(
    nodes.map(({ name }: { name: string }) => name),
    ['a', 'b', 'c'],
  )
  assert.equal(JSON.parse(await office.podwire('a', ['node', 'show', 'b', '--json'])).publicKey, nodes[1].publicKey)
  assert.match(await office.podwire('a', ['node', 'show', 'b']), /^public key +\S{44}$/m)
  assert.match(await office.refusal('a', ['node', 'show', 'z']), /no node "z" .*ERR_PODWIRE_NODE_UNKNOWN/s)
  assert.match(await office.refusal('a', ['node', 'remove', 'z']), /ERR_PODWIRE_NODE_UNKNOWN/)
  assert.match(await office.podwire('a', ['node', 'remove', 'c']), /its key counts no more/)
  await office.until(
    'a has dropped c',
    async () => !(await office.sh('a', 'wg show podwire0 peers')).includes(nodes[2].publicKey),
  )
  await office.reach('a', 'b')
})

test('leave: nothing of the network is left on the host, nor of the host in the store', limit, async () => {
  assert.equal(await office.agentEnded('c'), 4) // removed above
  assert.match(await office.podwire('c', ['leave', 'prod']), /left the network prod/)
  const said = await office.podwire('b', ['leave', 'prod'])
  assert.equal(await office.agentEnded('b'), 4)
  for (const line of [
    /^device: podwire0 is removed/m,
    /^route: unreachable 10\.99/m,
    /^firewall: /m,
    /^settings and keys: /m,
  ]) {
    assert.match(said, line)
  }
  for (const host of ['b', 'c']) {
    assert.deepEqual(await office.traces(host), office.bare)
    assert.ok(!existsSync(office.path(host, '/etc/podwire/prod.json')))
    assert.ok(!existsSync(office.path(host, '/var/lib/podwire/prod')))
    assert.match(await office.refusal(host, ['leave', 'prod']), /ERR_PODWIRE_NOT_JOINED/)
  }
  const { nodes } = JSON.parse(await office.podwire('a', ['node', 'list', '--json']))
  assert.deepEqual(
    nodes.map(({ name }: { name: string }) => name),
    ['a'],
  )
})

test(
  'join: a host that left comes back, with a new key; a join that was killed is finished by the next',
  limit,
  async () => {
    const token = (await office.podwire('a', ['token', 'create'])).trim()
    await office.podwire('b', ['join', token, '--backend', 'userspace'])
    const key = office.path('b', '/var/lib/podwire/prod/private.key')
    const made = readFileSync(key, 'utf8')
    rmSync(office.path('b', '/etc/podwire/prod.json')) // killed before the last step
    await office.podwire('b', ['join', token, '--backend', 'userspace'])
    assert.equal(readFileSync(key, 'utf8'), made)
    await office.startAgent('b', 'prod')
    await office.reach('a', 'b')
  },
)

test('leave: with the store away nothing is changed, unless it is forced', limit, async () => {
  await office.endAgent('b')
  const file = office.path('b', '/etc/podwire/prod.json')
  const settings = readFileSync(file, 'utf8')
  writeFileSync(file, settings.replace('/store"', '/away"'))
  const before = await office.traces('b')
  assert.match(await office.refusal('b', ['leave', 'prod']), /ERR_PODWIRE_STORE/)
  assert.deepEqual(await office.traces('b'), before)
  assert.match(await office.podwire('b', ['leave', '--force', 'prod']), /^store: left as it is: .*node remove b`$/m)
  assert.deepEqual(await office.traces('b'), office.bare)
})
