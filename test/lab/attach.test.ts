// Namespaces that are there already become a part of the network, as `podwire attach` makes them: processes in namespaces of their
// own stand for containers.

import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Attachment } from '../../src/agent/attach.ts'
import { exec } from '../../src/base/exec.ts'
import { cli, device, Mesh, overlay } from './mesh.ts'
import { until } from './until.ts'

const limit = { timeout: 60_000 }

let mesh: Mesh
before(async () => {
  mesh = await Mesh.start('attach', { hosts: ['a', 'b'] })
  await mesh.join('a', 'b')
})
after(() => mesh[Symbol.asyncDispose]())

/** A process with a network of its own on host a. */
async function startContainer(): Promise<ChildProcess & { pid: number }> {
  const child = mesh.lab.spawn('a', ['unshare', '--net', 'sleep', 'infinity'], { stdio: 'ignore' })
  const [host, own] = [mesh.agent('a').child.pid, child.pid].map(pid => `/proc/${pid}/ns/net`)
  await until('it has its namespace', () => {
    const link = readlinkSync(own ?? '')
    return link !== readlinkSync('/proc/self/ns/net') && link !== readlinkSync(host ?? '')
  })
  return child as ChildProcess & { pid: number }
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

const podwire = async (...words: string[]): Promise<string> =>
  (await mesh.lab.exec('a', [process.execPath, cli, ...words])).stdout
const state = () => ['--state', join(mesh.folder, 'state-a')]

async function attach(target: string | number, ...more: string[]): Promise<Attachment> {
  const [attachment] = JSON.parse(await podwire('attach', `${target}`, ...state(), '--json', ...more))
  return attachment
}

const list = async (): Promise<Attachment[]> => JSON.parse(await podwire('attach', '--list', '--json'))

const inside = async ({ pid }: { pid: number }, ...command: string[]): Promise<string> =>
  (await exec(['nsenter', `--net=/proc/${pid}/ns/net`, ...command])).stdout

/** The way to the network is led through the tunnel both ways. */
async function reaches(child: { pid: number }, addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    await until(`it reaches ${address}`, () =>
      inside(child, 'ping', '-c', '1', '-W', '1', address).then(
        () => true,
        () => false,
      ),
    )
  }
}

test('attach: a process’s namespace is in the network, both families, and gone with it', limit, async () => {
  const child = await startContainer()
  const attachment = await attach(child.pid)
  assert.equal(attachment.device, device)
  assert.equal(attachment.target, `${child.pid}`)
  await reaches(child, mesh.boxAddresses('b'))
  for (const address of attachment.addresses) await mesh.ping('b/box', address)
  // The lab's own container had the first.
  assert.ok(!attachment.addresses.some(address => mesh.boxAddresses('a').includes(address)))
  const routes = await inside(child, 'sh', '-c', 'ip route; ip -6 route')
  for (const range of overlay) assert.ok(routes.includes(`${range} via `), routes)
  assert.ok(!routes.includes('default'))
  assert.match(await inside(child, 'ip', 'link', 'show', device), /mtu 1420/)
  assert.deepEqual(await list(), [attachment])
  assert.match(await podwire('attach', '--list'), new RegExp(`^${child.pid}  .*\\(${device}, by pw`))

  await end(child)
  await until('it is gone', async () => (await list()).length === 0)
  const next = await startContainer()
  assert.deepEqual((await attach(next.pid)).addresses, attachment.addresses)
  await end(next)
})

test('attach: many at once get addresses of their own', limit, async () => {
  const children = await Promise.all([1, 2, 3, 4].map(startContainer))
  const attachments = await Promise.all(children.map(({ pid }) => attach(pid)))
  const addresses = attachments.flatMap(attachment => attachment.addresses)
  assert.equal(new Set(addresses).size, 8)
  assert.deepEqual((await list()).length, 4)
  for (const child of children) await reaches(child, mesh.boxAddresses('b').slice(0, 1))
  await Promise.all(children.map(end))
  await until('all are gone', async () => (await list()).length === 0)
})

test('attach: by the name of a namespace, with all its traffic, and detached by that name', limit, async () => {
  const child = await startContainer()
  const name = `pwt-${process.pid}-attach`
  await mesh.lab.exec('a', ['ip', 'netns', 'attach', name, `${child.pid}`])
  try {
    const attachment = await attach(name, '--default')
    const routes = await inside(child, 'sh', '-c', 'ip route; ip -6 route')
    assert.match(routes, /^default via 169\.254\.1\.1 dev podwire0/m)
    assert.match(routes, /^default via fe80::1 dev podwire0/m)
    await reaches(child, mesh.boxAddresses('b'))
    assert.match(await podwire('detach', name, ...state()), new RegExp(`^${name}  ${attachment.addresses[0]} `))
    assert.deepEqual(await list(), [])
    assert.doesNotMatch(await inside(child, 'ip', 'link'), /podwire0/)
    await attach(name)
  } finally {
    await mesh.lab.exec('a', ['ip', 'netns', 'delete', name])
    await end(child)
  }
})

test('attach: a container is asked for by name', limit, async () => {
  const child = await startContainer()
  const programs = join(mesh.folder, 'programs')
  mkdirSync(programs)
  writeFileSync(
    join(programs, 'podman'),
    `#!/bin/sh\ntest "$1 $6" = "inspect web" && echo ${child.pid} || { echo no such container >&2; exit 125; }\n`,
  )
  chmodSync(join(programs, 'podman'), 0o755)
  const command = [process.execPath, cli, 'attach', 'web', ...state()]
  const { stdout } = await mesh.lab.exec('a', ['env', `PATH=${programs}:${process.env.PATH}`, ...command])
  assert.match(stdout, /^web {2}/)
  await reaches(child, mesh.boxAddresses('b').slice(0, 1))
  await end(child)
})

test('attach: what cannot be is refused with its reason, and nothing is made', limit, async () => {
  const child = await startContainer()
  await attach(child.pid)
  const before = await mesh.snapshot('a')
  const taken = await startContainer()
  await inside(taken, 'ip', 'link', 'add', device, 'type', 'veth', 'peer', 'name', 'other')
  const own = `${mesh.agent('a').child.pid}`
  const cases: [name: string, words: string[], said: RegExp][] = [
    ['twice', ['attach', `${child.pid}`, ...state()], /attached already.*ERR_PODWIRE_ATTACH/s],
    ['the name is taken', ['attach', `${taken.pid}`, ...state()], /an interface podwire0 already.*ERR_PODWIRE_ATTACH/s],
    ['the host itself', ['attach', own, ...state()], /this host's own network.*ERR_PODWIRE_ATTACH/s],
    ['no such name', ['attach', 'nobody', ...state()], /no running container.*ERR_PODWIRE_ATTACH/s],
    ['no such process', ['attach', '4194304', ...state()], /ERR_PODWIRE_ATTACH/],
    ['a file', ['attach', '/etc/hostname', ...state()], /no network namespace.*ERR_PODWIRE_ATTACH/s],
    ['two lines', ['attach', '/proc/1/ns/net\nlink', ...state()], /ERR_PODWIRE_ATTACH/],
    ['no network', ['attach', own, '--state', mesh.storeFolder], /devices there: none.*ERR_PODWIRE_NO_PLACE/s],
    [
      'another network',
      ['attach', own, '--device', 'wg9', ...state()],
      /devices there: podwire0.*ERR_PODWIRE_NO_PLACE/s,
    ],
    ['nothing', ['attach', ...state()], /ERR_PODWIRE_USAGE/],
    ['not attached', ['detach', 'nobody', ...state()], /ERR_PODWIRE_NOT_ATTACHED/],
  ]
  for (const [name, words, said] of cases)
    assert.match(await mesh.refusal('a', [process.execPath, cli, ...words]), said, name)
  assert.deepEqual(await mesh.snapshot('a'), before)
  assert.equal((await list()).length, 1)
  await Promise.all([end(child), end(taken)])
})
