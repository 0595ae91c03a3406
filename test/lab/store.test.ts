// The file store on a host that is short of something: each case in namespaces of its own, so that nobody else is.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exec } from '../../src/base/exec.ts'

/** Runs a module in which `store` is a file store in an empty tmpfs, after the lines of shell; what it printed. */
async function withStore(shell: string, module: string): Promise<string[]> {
  const url = new URL('../../src/store/store.js', import.meta.url).href
  const script = `import { openStore } from '${url}'
    const store = await openStore('file:/mnt')
    const record = (name, prefixes = []) =>
      ({ name, publicKey: Buffer.alloc(32, name).toString('base64'), endpoints: [], prefixes })
    ${module}`
  const lines = `set -e
    mount -t tmpfs none /mnt
    echo '{"name": "x", "range": ["10.99.0.0/16"]}' > /mnt/network.json
    ${shell}
    exec "$0" --input-type=module -`
  const command: [string, ...string[]] = ['unshare', '-Urm', 'sh', '-c', lines, process.execPath]
  return (await exec(command, { input: script, timeout: 20_000 })).stdout.trimEnd().split('\n')
}

test('file store: where no watch can be had it says so, and looks by itself', async () => {
  const lines = await withStore(
    'echo 0 > /proc/sys/user/max_inotify_instances',
    `const ending = new AbortController()
    store.watch(async event => {
      console.log(event.kind, event.reason ?? event.record?.name ?? '')
      if (event.kind === 'inSync') await store.writeNode(record('b'))
      if (event.kind === 'node') ending.abort()
    }, ending.signal)`,
  )
  assert.match(lines[1] ?? '', /^problem changes are seen late, as no watch can be had: EMFILE/)
  assert.deepEqual([lines[0], ...lines.slice(2)], ['network ', 'inSync ', 'node b'])
})

test('file store: on a full disk nothing is half written, and what was there stays', async () => {
  const lines = await withStore(
    'mount -o remount,size=12k /mnt',
    `await store.writeNode(record('a'))
    await store.claim({ prefix: '10.99.0.0/24', node: 'a', sinceMs: 1 })
    const said = error => console.log(error.code, /ENOSPC/.test(error.message))
    await store.writeNode(record('a', ['10.99.0.0/24'])).catch(said)
    await store.writeNode(record('b')).catch(said)
    await store.claim({ prefix: '10.99.1.0/24', node: 'b', sinceMs: 1 }).catch(said)
    const { readdirSync } = await import('node:fs')
    console.log(readdirSync('/mnt', { recursive: true }).sort().join(' '))
    console.log((await store.readNode('a')).prefixes.length)`,
  )
  const left = 'claims claims/10.99.0.0_24.json network.json nodes nodes/a.json removals'
  assert.deepEqual(lines, [...Array(3).fill('ERR_PODWIRE_STORE true'), left, '0'])
})
