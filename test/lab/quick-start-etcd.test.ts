// Three hosts become a network over an etcd of three members with users, by the same commands as over `podwire server`; one member is
// killed under traffic. Each host reaches the members at its own loopback, by a forwarder of the test.

import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeCredentials, encodeNames } from '../../src/store/etcd/permission-messages.ts'
import { EtcdCluster } from './etcd-cluster.ts'
import { Office } from './office.ts'
import { until } from './until.ts'

const hosts = ['a', 'b', 'c']
const ports = [2379, 2380, 2381]

/** Run on a host: what comes to PORT of its loopback goes to the socket. */
const forwarder = `
const { connect, createServer } = require('node:net')
process.argv.slice(1).forEach(pair => {
  const [port, path] = pair.split('=')
  createServer(near => {
    const far = connect(path)
    near.on('error', () => far.destroy()).on('close', () => far.destroy())
    far.on('error', () => near.destroy()).on('close', () => near.destroy())
    near.pipe(far)
    far.pipe(near)
  }).listen(Number(port), '127.0.0.1')
})`

test('quick start over etcd: three hosts join, and a member that is killed costs no packet', {
  timeout: 180_000,
}, async () => {
  await using cluster = await EtcdCluster.start({ members: 3, options: ['--bcrypt-cost', '4'] })
  await cluster.ask(async client => {
    await client.ask('Auth/UserAdd', encodeCredentials('root', 'rooty'))
    await client.ask('Auth/RoleAdd', encodeNames('root'))
    await client.ask('Auth/UserGrantRole', encodeNames('root', 'root'))
    await client.ask('Auth/AuthEnable', Buffer.alloc(0))
  })
  await using office = await Office.start('start-etcd', hosts)
  const pairs = cluster.members.map(({ socket }, i) => `${ports[i]}=${socket}`)
  for (const host of hosts) {
    office.lab.spawn(host, [process.execPath, '-e', forwarder, ...pairs], { stdio: 'ignore' })
    await until('the forwarder listens', async () => (await office.sh(host, 'ss -Hltn')).includes(':2381 '), 30)
  }
  const store = `etcd:${ports.map(port => `http://127.0.0.1:${port}`).join()}`
  const password = join(office.folder, 'root-password')
  writeFileSync(password, 'rooty\n', { mode: 0o600 })
  const asRoot = ['--store', store, '--store-user', 'root', '--store-password', password]
  await office.podwire('a', ['init', 'prod', '--range', '10.99.0.0/16', '--range', 'fd99::/48', ...asRoot])
  assert.match(await office.refusal('a', ['token', 'create', ...asRoot]), /ERR_PODWIRE_TOKEN_UNSUPPORTED/)
  const joinAs = async (node: string) => {
    const token = (await office.podwire('a', ['token', 'create', '--node', node, ...asRoot])).trim()
    await office.podwire(node, ['join', '--backend', 'userspace', token])
    const file = office.path(node, '/var/lib/podwire/prod/store-password')
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.ok(
      !readFileSync(office.path(node, '/etc/podwire/prod.json'), 'utf8').includes(readFileSync(file, 'utf8').trim()),
    )
    await office.startAgent(node, 'prod')
  }
  for (const node of ['a', 'b']) await joinAs(node)
  await office.reach('a', 'b')

  const { nodes } = JSON.parse(await office.podwire('a', ['node', 'list', '--json']))
  const target = nodes[1].addresses[0]
  const loaded = office.sh('a', `ping -q -i 0.01 -w 300 -c 600 ${target}`)
  await cluster.members[0]?.kill()
  await joinAs('c') // while that member is away
  assert.match(await loaded, /600 packets transmitted, 600 received, 0% packet loss/)
  await office.reach(...hosts)

  const removed = JSON.parse(await office.podwire('a', ['node', 'show', 'b', '--json'])).publicKey
  await office.podwire('a', ['node', 'remove', 'b', ...asRoot])
  for (const host of ['a', 'c']) {
    await until(
      `${host} has dropped b`,
      async () => !(await office.sh(host, 'wg show podwire0 peers')).includes(removed),
      30,
    )
  }
  await office.endAgent('c')
  await office.podwire('c', ['leave', 'prod'])
  assert.deepEqual(await office.traces('c'), office.bare)
  const left = JSON.parse(await office.podwire('a', ['node', 'list', '--json', ...asRoot])).nodes
  assert.deepEqual(
    left.map(({ name }: { name: string }) => name),
    ['a'],
  )
})
