import assert from 'node:assert/strict'
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type AgentProcess, cli, describe, device, Mesh, until } from './mesh.ts'

let mesh: Mesh
before(async () => {
  mesh = await Mesh.start('agent')
})
after(() => mesh[Symbol.asyncDispose]())

test('agent: three hosts become a mesh in which every container reaches every other, IPv4 and IPv6', async () => {
  await mesh.join('a', 'b', 'c')
  for (const host of ['a', 'b', 'c']) assert.equal((await mesh.peers(host)).size, 2)
})

test('agent: a node that joins is one peer more on the others, and their sessions are not touched', async () => {
  const before = await mesh.peers('a')
  await mesh.lab.addHost('d', describe('d'))
  await mesh.join('d')
  const now = await mesh.peers('a')
  assert.equal(now.size, before.size + 1)
  for (const [key, state] of before) assert.equal(now.get(key), state)
})
