// The package as others use it: packed, installed into a project of its own, imported with types; and the examples run.

import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { exec } from '../../src/base/exec.ts'
import { cli, startDevice, withTwoHosts } from './tunnel.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** A project that has the package as npm would lay it out: what `npm pack` packs, beside the dependencies. */
async function withProject(run: (project: string) => Promise<void>): Promise<void> {
  const project = mkdtempSync(join(tmpdir(), 'podwire-project-'))
  try {
    await exec(['npm', 'pack', root, '--pack-destination', project, '--silent', '--ignore-scripts'])
    const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))
    const modules = join(project, 'node_modules')
    mkdirSync(join(modules, '@types'), { recursive: true })
    await exec(['tar', '-xzf', join(project, `podwire-${version}.tgz`), '-C', project])
    cpSync(join(project, 'package'), join(modules, 'podwire'), { recursive: true })
    for (const name of ['@noble', 'commander', 'listr2', 'pino', 'zod', '@types/node', 'undici-types']) {
      symlinkSync(`${root}node_modules/${name}`, join(modules, name))
    }
    writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
    await run(project)
  } finally {
    rmSync(project, { recursive: true })
  }
}

test('library: a fresh project imports it, with types, and what is not public cannot be imported', async () => {
  await withProject(async project => {
    const program = `
      import { documentKind, type InterfaceConfig, parseInterfaceIni } from 'podwire/config'
      import { generatePrivateKey, publicKeyOf, parsePublicKey, PodwireError, type DeviceChange } from 'podwire/wireguard'
      const key = publicKeyOf(generatePrivateKey())
      const change: DeviceChange = { listenPort: 51820, peers: [{ publicKey: parsePublicKey(key, 'key') }] }
      console.log(change.peers?.[0]?.publicKey === key)
      const config: InterfaceConfig = parseInterfaceIni('[Interface]\\nListenPort = 7', 'wg0.conf')
      console.log(config.listenPort, documentKind('[Interface]'))
      try { parsePublicKey('no key', 'mine') } catch (error) { console.log(error instanceof PodwireError && error.code) }
    `
    writeFileSync(join(project, 'main.ts'), program)
    const options = ['--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--outDir', 'out']
    const compile = ['node', `${root}node_modules/typescript/bin/tsc`, ...options, 'main.ts']
    await exec(['sh', '-c', 'cd "$0" && exec "$@"', project, ...compile])
    const { stdout } = await exec(['sh', '-c', 'cd "$0" && exec node out/main.js', project])
    assert.equal(stdout, 'true\n7 interface-ini\nERR_PODWIRE_KEY\n')
    const inner = 'await import("podwire/build/src/wireguard/noise.js")'
    await assert.rejects(
      exec(['sh', '-c', 'cd "$0" && exec node -e "$1"', project, inner]),
      /ERR_PACKAGE_PATH_NOT_EXPORTED/,
    )
  })
})

test('library: the example turns a wg-quick file into the JSON that the command makes of it', async () => {
  const file = `${root}examples/interface/full-tunnel-client.conf`
  const example = await exec([process.execPath, `${root}examples/library/convert.mjs`, file])
  const command = await exec([process.execPath, cli, 'config', 'convert', file, '--to', 'json'])
  assert.equal(example.stdout, command.stdout)
  assert.ok(JSON.parse(example.stdout).peers.length > 0)
})

test('library: what is public, by name', async () => {
  const namesOf = async (path: string) => Object.keys(await import(path)).sort()
  assert.deepEqual(await namesOf('podwire'), ['PodwireError'])
  assert.deepEqual(await namesOf('podwire/wireguard'), [
    'PodwireError',
    'Secret',
    'connectUapi',
    'generatePresharedKey',
    'generatePrivateKey',
    'listDevices',
    'openDevice',
    'parsePublicKey',
    'parseSecretKey',
    'publicKeyOf',
    'requestStatus',
  ])
  assert.deepEqual(await namesOf('podwire/config'), [
    'PodwireError',
    'Secret',
    'describeNetworkDiff',
    'diffNetworks',
    'documentKind',
    'formatInterfaceIni',
    'formatInterfaceJson',
    'networkAccess',
    'parseInterfaceIni',
    'parseInterfaceJson',
    'parseNetworkDocument',
    'planNode',
  ])
})

test('library: the example joins two devices, and they answer', async () => {
  await withTwoHosts('library', async lab => {
    await startDevice(lab, 'a')
    await startDevice(lab, 'a', undefined, 'wg1')
    await lab.exec('a', ['ip', 'link', 'set', 'lo', 'up'])
    const { stdout } = await lab.exec('a', [process.execPath, `${root}examples/library/two-devices.mjs`])
    assert.equal(stdout, '51830 127.0.0.1:51831 10.9.0.2/32\n51831 127.0.0.1:51830 10.9.0.1/32\n')
    for (const name of ['wg0', 'wg1']) await lab.exec('a', ['ip', 'link', 'set', name, 'up'])
    await lab.exec('a', ['ip', 'address', 'add', '10.9.0.1/32', 'dev', 'wg0'])
    await lab.exec('a', ['ip', 'route', 'add', '10.9.0.2/32', 'dev', 'wg0'])
    await lab.exec('a', ['ping', '-c', '1', '-W', '3', '10.9.0.2']).catch(() => {}) // its answer has no way: two devices of one host
    const handshake = (await lab.exec('a', ['wg', 'show', 'wg1', 'latest-handshakes'])).stdout.split('\t')[1]
    assert.ok(Number(handshake) > 0, 'they have a session')
  })
})
