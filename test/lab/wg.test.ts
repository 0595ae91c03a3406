// `podwire wg`, through a link named `wg`, beside Debian's wg, on userspace devices (test/kernel has the same on the kernel's).

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { ended, podwire, startDevice } from './tunnel.ts'
import { assertConfiguresAsDebian } from './wg-conf.ts'
import { assertSetsAsDebian } from './wg-set.ts'
import { assertShowsAsDebian, assertShowsZone } from './wg-show.ts'
import { assertSame, type Backend, base64, privateKey, withTools } from './wg-tools.ts'

const userspace: Backend = {
  word: 'user',
  async startDevice(lab, host, name) {
    const child = await startDevice(lab, host, podwire, name)
    return async () => {
      child.kill()
      await ended(child)
    }
  },
}

test('wg: shows the same bytes as Debian’s, with the same exit status', () => assertShowsAsDebian(userspace))

test('wg: sets the same as Debian’s', () => assertSetsAsDebian(userspace))

test('wg: makes of a text what Debian’s does', () => assertConfiguresAsDebian(userspace))

test('wg: a link-local endpoint has its zone, and is reached', () => assertShowsZone(userspace))

test('wg: a device whose process was killed is none, though its socket is there', async () => {
  await withTools('wgstale', { word: 'user' }, async ({ lab, debian, ours }) => {
    const child = await startDevice(lab, 'a', podwire, 'wg0')
    assert.equal((await ours(['show', 'interfaces'])).stdout, 'wg0\n')
    child.kill('SIGKILL')
    await ended(child)
    assert.equal((await lab.exec('a', ['ls', '/var/run/wireguard'])).stdout, 'wg0.sock\n')
    for (const words of [['show', 'interfaces'], ['show']]) {
      const mine = await ours(words)
      assert.deepEqual([mine.status, mine.stdout], [0, ''])
      assertSame(words.join(' '), await debian(words), mine)
    }
  })
})

test('wg: makes keys as Debian’s does', async () => {
  await withTools('wgkey', { word: 'none' }, async ({ lab, folder, debian, ours }) => {
    for (const input of [
      privateKey,
      `${privateKey}\n`,
      `${privateKey}\n \n`,
      base64(new Uint8Array(32)),
      `${'/'.repeat(42)}8=`,
      base64(new Uint8Array(32).fill(255)),
    ]) {
      assertSame('pubkey', await debian(['pubkey'], { input }), await ours(['pubkey'], { input }))
    }
    for (const input of [
      '',
      ` ${privateKey}`,
      `${privateKey}x`,
      privateKey.slice(1),
      `${privateKey}\nx`,
      `${'A'.repeat(42)}B=`,
    ]) {
      const mine = await ours(['pubkey'], { input })
      assertSame('pubkey', await debian(['pubkey'], { input }), mine)
      assert.ok(!mine.stderr.includes(privateKey.slice(1, 40)))
    }
    for (const make of ['genkey', 'genpsk']) {
      const { status, stdout, stderr } = await ours([make])
      assert.deepEqual([status, stderr], [0, ''])
      assert.match(stdout, /^[A-Za-z0-9+/]{43}=\n$/)
      assert.notEqual((await ours([make])).stdout, stdout)
      for (const mode of ['600', '640', '644', '602', '601']) {
        const warns = ['wg', join(folder, 'wg')].map(program => {
          const script = `cd ${folder}; rm -f out; umask 077; : > out; chmod ${mode} out; exec "$0" ${make} >> out`
          const [tool, ...rest] = lab.command('a', ['sh', '-c', script, program])
          return spawnSync(tool, rest, { encoding: 'utf8' }).stderr !== ''
        })
        assert.equal(warns[1], warns[0], `${make} into a file of mode ${mode}`)
      }
    }
    const made = (await ours(['genkey'])).stdout
    assert.equal((await ours(['pubkey'], { input: made })).stdout, (await debian(['pubkey'], { input: made })).stdout)
    for (const words of [['help'], ['-h'], ['--help'], ['version'], ['-v'], ['--version']]) {
      const [theirs, mine] = [await debian(words), await ours(words)]
      assert.deepEqual(
        [mine.status, mine.stderr, mine.stdout !== ''],
        [theirs.status, theirs.stderr, theirs.stdout !== ''],
      )
    }
  })
})
