// However a lab, or the process that holds it, ends: nothing of it is left.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startLab } from '../../src/lab/lab.ts'
import { example, links, ping, root, withLab } from './example-lab.ts'
import { assertNothingLeft } from './leftovers.ts'
import { until } from './until.ts'

test('lab: what fails on the way up leaves nothing', async () => {
  const lab = example('two-sites.json', 'fails')
  // The kernel refuses an IPv6 address on a link with an MTU below 1,280.
  await assert.rejects(startLab({ ...lab, networks: { ...lab.networks, berlin: { mtu: 600 } } }), {
    code: 'ERR_PODWIRE_COMMAND_FAILED',
    message: /^`ip -n \S+ address add fd01::\S+ dev berlin nodad` ended with status \d+: /,
  })
  assertNothingLeft(lab.name, links)
})

/** A process that brings a lab up with the library, starts a program in it, says "up", and waits. */
function holder(name: string): ChildProcess {
  const program = `
    import { startLab } from '${join(root, 'build/src/lab/lab.js')}'
    const lab = await startLab(${JSON.stringify({ ...example('two-sites.json', 'x'), name })})
    lab.spawn('a', ['sleep', '1000'], { detached: true, stdio: 'ignore' })
    console.log('up')
    if (process.argv[1] === 'throw') throw new Error('thrown')
    setInterval(() => {}, 1000)`
  return spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`lab: ${signal} to the process that holds it removes it, and the process dies of the signal`, async () => {
    const name = `signal-${signal.toLowerCase()}-${process.pid}`
    const child = holder(name)
    assert.ok(child.stdout)
    await once(child.stdout, 'data')
    child.kill(signal)
    assert.deepEqual(await once(child, 'exit'), [null, signal])
    assertNothingLeft(name, links)
  })
}

test('lab: SIGKILL leaves it, and the next start removes what is left, with what runs in it', async () => {
  const name = `killed-${process.pid}`
  const child = holder(name)
  assert.ok(child.stdout)
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.throws(() => assertNothingLeft(name, links), /namespaces/)
  const sleeper = spawnSync('ip', ['netns', 'pids', `pwlab-${name}.a`], { encoding: 'utf8' }).stdout.trim()
  assert.ok(existsSync(`/proc/${sleeper}`))
  await withLab({ ...example('two-sites.json', 'x'), name }, async lab => {
    await until('the old program is gone', () => !existsSync(`/proc/${sleeper}`))
    await ping(lab, 'a', '10.2.0.2')
  })
})
