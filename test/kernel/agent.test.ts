// `podwire agent` on the kernel's WireGuard: two hosts with a container each, a store in a folder.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { device, Mesh } from '../lab/mesh.ts'

let mesh: Mesh
before(async () => {
  mesh = await Mesh.start('agent', { hosts: ['a', 'b'], backend: 'auto' })
})
after(() => mesh[Symbol.asyncDispose]())

test('agent: takes the kernel’s WireGuard where there is one, and containers reach one another', async () => {
  await mesh.join('a', 'b')
  for (const host of ['a', 'b']) {
    assert.match((await mesh.lab.exec(host, ['ip', '-d', 'link', 'show', device])).stdout, /^\s+wireguard /m)
  }
})

test('agent: killed and started again, it leaves the device, its sessions, routes and rules as they were', async () => {
  const before = await mesh.snapshot('a')
  await mesh.agent('a').end('SIGKILL')
  assert.deepEqual(await mesh.snapshot('a'), before)
  const agent = await mesh.startAgent('a')
  await agent.end('SIGTERM')
  assert.match(agent.lines.at(-1)?.msg ?? '', /^stopped; .* stay as they are/)
  assert.ok(!agent.lines.some(({ msg }) => msg === 'applied' || msg === 'device started'), JSON.stringify(agent.lines))
  assert.deepEqual(await mesh.snapshot('a'), before)
})

test('agent: a device of the kernel is not taken for a userspace one', async () => {
  const command = mesh.command('a', '--backend', 'userspace')
  assert.match(await mesh.refusal('a', command), /ERR_PODWIRE_NAME_IN_USE/)
})

test('agent: without its device the network’s packets go nowhere, and the agent makes it again', async () => {
  const [address = ''] = mesh.boxAddresses('b')
  await mesh.lab.exec('a', ['ip', 'link', 'delete', device])
  await assert.rejects(mesh.lab.exec('a', ['ip', 'route', 'get', address]), /unreachable|No route to host/)
  await mesh.startAgent('a')
  await mesh.ping('a/box', address)
})
