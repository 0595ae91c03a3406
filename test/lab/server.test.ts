// `podwire server` as it is run: by its command, killed, on a full disk, and by its unit under a real systemd.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { exec } from '../../src/base/exec.ts'
import { createServerState } from '../../src/server/state.ts'
import { createToken } from '../../src/store/server-admin.ts'
import { openStore } from '../../src/store/store.ts'
import { testNetwork, testRecord } from '../unit/store/conformance.ts'
import { cli } from './tunnel.ts'
import { until } from './until.ts'

const answers = (folder: string) =>
  openStore(`server:${folder}`)
    .then(store => store.readNetwork())
    .then(
      () => true,
      () => false,
    )

test('podwire server: starts on its state, ends by a signal, and starts again after SIGKILL', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'podwire-server-'))
  const folder = join(scratch, 'state')
  const run = () => {
    // In a network namespace of its own, where its port is free; the socket of root is in the folder.
    const args = ['--net', process.execPath, cli, 'server', '--state', folder]
    return spawn('unshare', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  }
  const nothing = run()
  nothing.stdout.resume()
  nothing.stderr.resume()
  assert.deepEqual(await once(nothing, 'close'), [1, null], 'there is no state')
  await createServerState(folder, { address: 'server:https://192.0.2.1:7443', network: testNetwork })
  await assert.rejects(createServerState(folder, { address: 'server:https://192.0.2.1:7443' }), {
    code: 'ERR_PODWIRE_SERVER_STATE',
    message: /there is a server already/,
  })
  const ends: ReturnType<typeof run>[] = []
  try {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const server = run()
      ends.push(server)
      let said = ''
      for (const output of [server.stdout, server.stderr]) {
        output.on('data', chunk => {
          said += chunk
        })
      }
      await until('it answers', () => answers(folder), 30)
      const store = await openStore(`server:${folder}`)
      await store.writeNode(testRecord(signal.toLowerCase()))
      const { token } = await createToken(folder, {})
      for (const name of ['server.key', 'admin.sock', 'server.json', 'nodes/sigkill.json']) {
        assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name)
      }
      const closed = once(server, 'close')
      server.kill(signal)
      assert.deepEqual(await closed, signal === 'SIGKILL' ? [null, signal] : [0, null])
      assert.ok(
        !said.includes(token) && !said.includes((await readFile(join(folder, 'server.key'), 'utf8')).slice(30, 60)),
      )
      assert.match(said, /"the server is ready"/)
      if (signal === 'SIGTERM') assert.match(said, /"the server has ended"/)
      assert.equal(await answers(folder), false)
    }
    const server = run()
    ends.push(server)
    server.stdout.resume()
    server.stderr.resume()
    await until('it answers', () => answers(folder), 30)
    const names = (await (await openStore(`server:${folder}`)).listNodes()).map(({ name }) => name)
    assert.deepEqual(names, ['sigkill', 'sigterm'])
  } finally {
    for (const server of ends) server.kill('SIGKILL')
    await rm(scratch, { recursive: true })
  }
})

test('podwire server: on a full disk nothing is acknowledged, half written, or used up; with room again all goes on', async () => {
  const url = (file: string) => new URL(`../../src/${file}`, import.meta.url).href
  const script = `
    import { execFileSync } from 'node:child_process'
    import { createServerState, openServerState } from '${url('server/state.js')}'
    import { Routes } from '${url('server/routes.js')}'
    const silent = { debug() {}, info() {}, warn() {}, error() {} }
    const folder = '/mnt/state'
    await createServerState(folder, { address: 'server:https://192.0.2.1:1', network: ${JSON.stringify(testNetwork)} })
    const state = await openServerState(folder)
    const { secret } = await state.tokens.create({})
    const routes = new Routes(state, silent)
    const key = Buffer.alloc(32, 7).toString('base64')
    const ask = (method, path, value, caller = { kind: 'root' }) =>
      routes.answer(caller, { method, path, body: { file: 'x', path: '', value } }).then(
        answer => console.log(path, 'done'),
        error => console.log(path, error.code, /ENOSPC/.test(error.message)))
    const record = { name: 'a', publicKey: key, endpoints: [], prefixes: [] }
    const tries = async () => {
      await ask('POST', 'join', { node: 'a', secret }, { kind: 'remote', address: '192.0.2.9', key })
      await ask('PUT', 'nodes/a', record)
      await ask('POST', 'claims', { prefix: '10.99.0.0/24', node: 'a', sinceMs: 1 })
      const again = await openServerState(folder)
      console.log([state, again].map(({ records, tokens, identities }) =>
        [records.nodes().length, records.claims().length, tokens.list()[0].usedBy.length, identities.of(key)?.node].join()).join(' '))
    }
    const blocks = execFileSync('df', ['--output=used', '/mnt']).toString().trim().split('\\n')[1].trim()
    execFileSync('mount', ['-o', 'remount,size=' + blocks + 'k', '/mnt'])
    await tries()
    execFileSync('mount', ['-o', 'remount,size=1m', '/mnt'])
    await tries()`
  const shell = 'mount -t tmpfs -o size=1m none /mnt; exec "$0" --input-type=module -'
  const command: [string, ...string[]] = ['unshare', '-Urm', 'sh', '-c', shell, process.execPath]
  const { stdout } = await exec(command, { input: script, timeout: 30_000 })
  assert.deepEqual(stdout.trimEnd().split('\n'), [
    'join ERR_PODWIRE_STORE true',
    'nodes/a ERR_PODWIRE_STORE true',
    'claims ERR_PODWIRE_STORE true',
    '0,0,0, 0,0,0,',
    'join done',
    'nodes/a done',
    'claims done',
    '1,1,1,a 1,1,1,a',
  ])
})
