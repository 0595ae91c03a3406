// `podwire wg` beside Debian's wg on devices of the kernel: the tables of test/lab, and what an ordinary user is told.

import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { assertConfiguresAsDebian } from '../lab/wg-conf.ts'
import { assertSetsAsDebian } from '../lab/wg-set.ts'
import { assertShowsAsDebian, assertShowsZone } from '../lab/wg-show.ts'
import { assertSame, type Backend, withTools } from '../lab/wg-tools.ts'
import { startResident } from './resident.ts'

const kernel: Backend = {
  word: 'kernel',
  startRunner: lab => startResident(lab, 'a'),
  async startDevice(lab, host, name) {
    await lab.exec(host, ['ip', 'link', 'add', name, 'type', 'wireguard'])
    return async () => void (await lab.exec(host, ['ip', 'link', 'delete', name]))
  },
}

test('wg: shows the same bytes as Debian’s, with the same exit status', () => assertShowsAsDebian(kernel))

test('wg: a link-local endpoint has its zone, and is reached', () => assertShowsZone(kernel))

test('wg: sets the same as Debian’s', () => assertSetsAsDebian(kernel))

test('wg: makes of a text what Debian’s does', () => assertConfiguresAsDebian(kernel))

test('wg: an ordinary user is told the same', async () => {
  await withTools('nobody', { word: 'kernel' }, async ({ lab, folder, debian, ours }) => {
    const end = await kernel.startDevice(lab, 'a', 'wg0')
    chmodSync(folder, 0o755)
    writeFileSync(join(folder, 'text'), '[Interface]\nListenPort = 5\n')
    for (const words of [
      'show',
      'show interfaces',
      'show all dump',
      'show wg0',
      'show wg9',
      'showconf wg0',
      'set wg0 listen-port 5',
      'setconf wg0 text',
    ]) {
      const args = words.split(' ')
      assertSame(words, await debian(args, { nobody: true }), await ours(args, { nobody: true }))
    }
    assert.match((await debian(['show', 'wg0', 'listen-port'])).stdout, /^0\n$/)
    await end()
  })
})
