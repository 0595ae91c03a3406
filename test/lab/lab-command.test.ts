// `podwire lab`, as it is typed.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cli, folder, links, podwire, root, writeExample } from './example-lab.ts'
import { assertNothingLeft } from './leftovers.ts'
import { until } from './until.ts'

test('podwire lab: up, status, exec and down, and again', async () => {
  const { file, name } = writeExample('two-sites.json', 'cli')
  try {
    const up = podwire('up', file)
    assert.equal(up.status, 0, up.stderr)
    assert.match(up.stdout, new RegExp(`^The lab "${name}" is up: a, a2, berlin-gw, paris-gw, b\\.\n`))

    const again = podwire('up', file)
    assert.equal(again.status, 1)
    assert.match(again.stderr, /ERR_PODWIRE_LAB_IN_USE/)
    assert.ok(again.stderr.includes(`\`podwire lab down ${file}\``), again.stderr)

    const status = podwire('status', file)
    assert.equal(status.status, 0)
    assert.match(status.stdout, /^host +b +paris +up +1500 +0 +10\.2\.0\.2\/24 fd02::2\/64$/m)
    assert.match(status.stdout, /^container +b\/web +eth0 +up +1500 +0 +10\.99\.1\.2\/32 fd99:0:1::2\/128$/m)
    const json = JSON.parse(podwire('status', '--json', file).stdout)
    assert.equal(json.owner, null)
    assert.deepEqual(
      json.places.map((place: { kind: string; name: string }) => `${place.kind} ${place.name}`),
      [
        'lan berlin',
        'host a',
        'host a2',
        'host b',
        'container b/db',
        'container b/web',
        'host berlin-gw',
        'host paris-gw',
      ],
    )

    const run = podwire('exec', file, 'a', '--', 'ping', '-c', '1', '10.99.1.2')
    assert.equal(run.status, 0, run.stderr)
    assert.match(run.stdout, /1 received/)
    assert.equal(podwire('exec', file, 'b/web', '--', 'sh', '-c', 'exit 7').status, 7)
    assert.equal(podwire('exec', file, 'a', '--', 'sh', '-c', 'kill -9 $$').status, 137)
    assert.equal(podwire('exec', file, 'z', '--', 'true').status, 2)
  } finally {
    assert.equal(podwire('down', file).status, 0)
  }
  assertNothingLeft(name, links)
  assert.match(podwire('down', file).stdout, /was not up/)
  const gone = podwire('exec', file, 'a', '--', 'true')
  assert.equal(gone.status, 1)
  assert.match(gone.stderr, /ERR_PODWIRE_LAB_NOT_UP/)
})

test('podwire lab: Ctrl-C at any moment of `up` leaves nothing', async () => {
  const { file, name } = writeExample('two-sites.json', 'ctrl-c')
  const moments = {
    'the folder is there': () => existsSync(`/run/podwire-lab/${name}`),
    'the first namespace is there': () => existsSync(`/run/netns/pwlab-${name}.a`),
    'the LAN is there': () => existsSync(`/run/netns/pwlab-${name}._berlin`),
    'a container is there': () => existsSync(`/run/netns/pwlab-${name}.b.web`),
  }
  for (const [moment, come] of Object.entries(moments)) {
    // A process group of its own, all of which gets the signal: as from a terminal.
    const child = spawn(process.execPath, [cli, 'lab', 'up', file], { detached: true, stdio: 'ignore' })
    await until(moment, come)
    assert.ok(child.pid)
    process.kill(-child.pid, 'SIGINT')
    const [status, signal] = await once(child, 'exit')
    assert.equal(signal, 'SIGINT', `${moment}: status ${status}`)
    assertNothingLeft(name, links)
  }
})

test('podwire lab: without root, and without a tool, it says so and changes nothing', async () => {
  const { file, name } = writeExample('two-sites.json', 'poor')
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, cli, 'lab', 'up']
  // Nobody may not read this test's folder.
  const readable = join(root, 'examples/lab/two-sites.json')
  const unprivileged = spawnSync('setpriv', [...nobody, readable], { encoding: 'utf8' })
  assert.equal(unprivileged.status, 3, unprivileged.stderr)
  assert.match(unprivileged.stderr, /a lab needs root[\s\S]*sudo[\s\S]*ERR_PODWIRE_NEEDS_ROOT/)

  assert.equal(podwire('up', file).status, 0)
  for (const verb of ['status', 'exec', 'down'] as const) {
    const args = [cli, 'lab', verb, readable, ...(verb === 'exec' ? ['a', '--', 'true'] : [])]
    const refused = spawnSync('setpriv', [...nobody.slice(0, 4), ...args], { encoding: 'utf8' })
    assert.match(refused.stderr, /ERR_PODWIRE_NEEDS_ROOT/, verb)
    const env = { ...process.env, PATH: '/nonexistent' }
    const without = spawnSync(
      process.execPath,
      args.map(arg => (arg === readable ? file : arg)),
      { encoding: 'utf8', env },
    )
    assert.match(without.stderr, /the program "(ip|nsenter|umount)" was not found/, verb)
    assert.equal(without.status, 3)
  }
  assert.equal(podwire('down', file).status, 0)
  assertNothingLeft(name, links)

  const path = mkdtempSync(join(folder, 'path-'))
  for (const tool of ['sh', 'ip', 'nsenter', 'unshare', 'mount', 'umount', 'touch']) {
    const found = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim()
    symlinkSync(found, join(path, tool))
  }
  const env = { ...process.env, PATH: path }
  const poor = spawnSync(process.execPath, [cli, 'lab', 'up', file], { encoding: 'utf8', env })
  assert.equal(poor.status, 3, poor.stderr)
  assert.match(
    poor.stderr,
    /the program "tc" was not found[\s\S]*apt-get install iproute2[\s\S]*ERR_PODWIRE_TOOL_MISSING/,
  )
  assertNothingLeft(name, links)

  const missing = podwire('up', join(folder, 'missing.json'))
  assert.equal(missing.status, 2)
  assert.match(missing.stderr, /missing\.json: .*cannot be read/)
})
