// The README's quick start: three hosts become a network over `podwire server`, by exactly the commands that it shows.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { AgentProcess } from './mesh.ts'
import { Office } from './office.ts'

const limit = { timeout: 120_000 }
const root = new URL('../../../', import.meta.url)
const hosts = ['a', 'b', 'c']

/** The commands of a block of the README, word by word. */
function blockWith(words: string): string[][] {
  const text = readFileSync(new URL('README.md', root), 'utf8')
  const blocks = [...text.matchAll(/^```\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block)
  const block = blocks.find(each => each.includes(words))
  assert.ok(block, words)
  return block
    .trim()
    .split('\n')
    .map(line => line.replace(/ +#.*/, '').split(' ').slice(1))
}

let office: Office
let server: AgentProcess
before(async () => {
  office = await Office.start('quick-start', hosts, host => {
    const place = host.charCodeAt(0) - 96
    return { networks: [{ network: 'wan', addresses: [`198.51.100.${place}/24`, `2001:db8::${place}/64`] }] }
  })
})
after(() => office[Symbol.asyncDispose]())

const [init = [], serve = [], create = []] = blockWith('podwire init ')
const [join = [], agent = [], status = [], list = []] = blockWith('podwire join ')
const [plan = []] = blockWith('podwire plan ')

/** The token that one host joins by, in place of the README's. */
const joinBy = (token: string) => join.map(word => (word.startsWith('podwire1_') ? token : word))
const newToken = async () => (await office.podwire('a', create)).trim()

test('quick start: three hosts join by the commands of the README, and reach one another', limit, async () => {
  assert.match(await office.podwire('a', init), /^ {2}podwire server$/m)
  server = office.start('a', serve)
  await office.until('the server listens', async () => (await office.sh('a', 'ss -Hltn')).includes(':7443'), 30)
  for (const host of hosts) {
    await office.podwire(host, joinBy(await newToken()))
    await office.start(host, agent).said('in sync with the store')
  }
  await office.reach(...hosts)
  for (const host of hosts) {
    assert.match(await office.podwire(host, status), /in sync since .*\n.*\n {2}nodes {5}2 others\n.*2 with a session/)
    assert.match(await office.podwire(host, list), /^a .*\nb .*\nc .*/m)
  }
  assert.equal(await office.podwire('b', plan), 'Nothing: this host is as it should be.\n')
})

test('token: what there is, who joined by it, and taking one back', limit, async () => {
  const token = await newToken()
  const { tokens } = JSON.parse(await office.podwire('a', ['token', 'list', '--json']))
  const ajv = new Ajv2020({ strict: true })
  ajv.validate(JSON.parse(readFileSync(new URL('schema/token-list.json', root), 'utf8')), { tokens })
  assert.equal(ajv.errors, null)
  assert.deepEqual(
    tokens.map(({ usedBy }: { usedBy: string[] }) => usedBy),
    [['a'], ['b'], ['c'], []],
  )
  assert.match(await office.podwire('a', ['token', 'list']), /^ID +FOR +USED +EXPIRES$[\s\S]* 1 of 1: a /m)
  assert.equal(await office.podwire('a', ['token', 'revoke', tokens[3].id]), `The token ${tokens[3].id} is revoked.\n`)
  assert.match(await office.podwire('a', ['token', 'list']), /revoked$/m)
  assert.match(await office.refusal('a', ['token', 'revoke', 'none']), /ERR_PODWIRE_TOKEN_UNKNOWN/)
  assert.match(await office.refusal('b', create), /ERR_PODWIRE_TOKEN_UNSUPPORTED/)
  assert.match(await office.refusal('a', [...create, '--lifetime', 'soon']), /ERR_PODWIRE_USAGE/)
  await office.endAgent('c')
  await office.podwire('c', ['leave', 'prod'])
  assert.deepEqual(await office.traces('c'), office.bare)
  const said = await office.refusal('c', joinBy(token))
  assert.match(said, /was revoked.*ERR_PODWIRE_TOKEN_REVOKED/)
  assert.match(await office.podwire('a', list), /^a .*\nb .*(?!\nc )/m)
})

test(
  'quick start: with the server away traffic goes on, an agent starts, and all go on when it is back',
  limit,
  async () => {
    await server.end('SIGKILL')
    await office.endAgent('b', 'SIGKILL')
    await office.sh('b', 'ip link delete podwire0') // as after a start of the machine
    await office.startAgent('b', 'prod')
    await office.reach('a', 'b')
    server = office.start('a', serve)
    await office.until('b is in sync', async () => (await office.podwire('b', status)).includes(', in sync since'), 30)
    await office.podwire('c', joinBy(await newToken()))
    await office.start('c', agent).said('in sync with the store')
    await office.reach(...hosts)
  },
)

test('node remove: on the host of the server, it revokes a node at once', limit, async () => {
  const { nodes } = JSON.parse(await office.podwire('a', [...list, '--json']))
  const { publicKey } = nodes.find(({ name }: { name: string }) => name === 'b')
  assert.match(await office.refusal('c', ['node', 'remove', 'b']), /ERR_PODWIRE_STORE_DENIED/)
  await office.podwire('a', ['node', 'remove', 'b'])
  for (const host of ['a', 'c']) {
    const peers = () => office.sh(host, 'wg show podwire0 peers')
    await office.until(`${host} has dropped b`, async () => !(await peers()).includes(publicKey))
  }
  assert.match(await office.refusal('b', list), /ERR_PODWIRE_NODE_REMOVED/)
  await office.endAgent('b')
  assert.match(await office.podwire('b', ['leave', 'prod']), /^store: the node was removed before$/m)
  assert.deepEqual(await office.traces('b'), office.bare)
})

test('init: a server that is there stays as it is', limit, async () => {
  const file = office.path('a', '/var/lib/podwire-server/network.json')
  const before = readFileSync(file, 'utf8')
  assert.match(await office.refusal('a', init), /there is a server already.*ERR_PODWIRE_SERVER_STATE/)
  assert.equal(readFileSync(file, 'utf8'), before)
})

test('join: a server with another certificate is refused, and nothing is left', limit, async () => {
  const token = await newToken()
  await server.end('SIGTERM')
  await office.sh('a', `mv ${office.path('a', '/var/lib/podwire-server')} ${office.path('a', '/other')}`)
  await office.podwire('a', init)
  server = office.start('a', serve)
  await office.until('the server listens', async () => (await office.sh('a', 'ss -Hltn')).includes(':7443'), 30)
  assert.match(await office.refusal('b', joinBy(token)), /ERR_PODWIRE_STORE_PIN/)
  assert.ok(!existsSync(office.path('b', '/etc/podwire/prod.json')))
})
