import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { assertNothingLeft, machineLinks } from './leftovers.ts'
import { withTwoHosts } from './tunnel.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const main = join(root, 'build/src/cli/main.js')
const links = machineLinks()

/** What the README shows to be typed. */
const text = readFileSync(join(root, 'README.md'), 'utf8')
const blocks = [...text.matchAll(/^```\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block)
const commands = blocks.flatMap(block => block.split('\n')).map(line => line.replace(/ +#.*/, ''))
const starting = (words: string) => commands.filter(command => command.startsWith(words))

test('README: the device and the lab that it shows work as they stand', () => {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-readme-test-'))
  const name = `readme-${process.pid}`
  const example = 'examples/lab/two-sites.json'
  const file = join(folder, 'lab.json')
  writeFileSync(file, readFileSync(join(root, example), 'utf8').replace('"two-sites"', `"${name}"`))
  /** As typed, but for what must be this test's own. */
  const run = (command: string, inHost = '') => {
    const own = command.replaceAll(example, file)
    const script = `podwire() { ${inHost} "${process.execPath}" "${main}" "$@"; }\n${own}`
    const { status, stdout, stderr } = spawnSync('sh', ['-ec', script], { cwd: root, encoding: 'utf8' })
    assert.equal(status, 0, `${command}: ${stderr}`)
    return stdout
  }
  const inHost = `"${process.execPath}" "${main}" lab exec "${file}" a --`
  const [up = '', exec = '', down = ''] = starting('podwire lab ')
  try {
    assert.match(run(up), /is up/)
    assert.match(run(exec), / 0% packet loss/)
    const [device = ''] = starting('podwire device ')
    run(device, inHost)
    const [show = ''] = starting('wg show ')
    assert.match(run(`${inHost} ${show}`), /^interface: wg0/)
    assert.match(run(down), /is down/)
  } finally {
    spawnSync(process.execPath, [main, 'lab', 'down', file])
    rmSync(folder, { recursive: true })
  }
  assertNothingLeft(name, links)
})

test('README: the way from wg-quick and back, and the configurations that it shows, work as they stand', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-readme-test-'))
  const example = (name: string) => join(root, 'examples', name)
  copyFileSync(example('interface/two-peers-a.conf'), join(folder, 'wg0.conf'))
  for (const name of ['network.json', 'network.new.json']) {
    copyFileSync(example('network/star.json'), join(folder, name))
  }
  chmodSync(join(folder, 'wg0.conf'), 0o600)
  symlinkSync(main, join(folder, 'podwire-device'))
  try {
    await withTwoHosts('readme', async lab => {
      /** In a place where that folder is /etc/wireguard. */
      const run = async (commands: readonly string[]) => {
        const script = [
          'mount --bind . /etc/wireguard',
          `export PATH="$PWD:$PATH" WG_QUICK_USERSPACE_IMPLEMENTATION=podwire-device`,
          `podwire() { "${process.execPath}" "${main}" "$@"; }`,
          ...commands,
        ].join('\n')
        return (await lab.exec('a', ['env', '-C', folder, 'unshare', '-m', 'sh', '-ec', script])).stdout
      }
      const [there = ''] = blocks.filter(block => block.startsWith('wg-quick down wg0'))
      const back = ['podwire quick down wg0', 'wg-quick up wg0']
      for (const command of back) assert.ok(text.includes(`\`${command}\``), command)
      assert.match(await run(['wg-quick up wg0', there, ...back, 'wg-quick down wg0']), /^interface: wg0\n/m)
      const printed = await run(starting('podwire config '))
      for (const said of ['wg0.json: ', 'PrivateKey', 'ListenPort', 'sessions']) assert.ok(printed.includes(said), said)
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('README: every other command exists, with the options shown', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const scriptsShown = starting('npm ').map(command => command.split(/ +/).at(-1) ?? '')
  assert.deepEqual(scriptsShown, ['demo', 'test'])
  for (const script of scriptsShown) assert.ok(scripts[script], script)
  const help = (command: string) => execFileSync(process.execPath, [main, command, '--help'], { encoding: 'utf8' })
  const options = [['demo', '--keep', '--json'], ...starting('podwire ').map(line => line.split(' ').slice(1))]
  for (const [command = '', ...words] of options) {
    for (const option of words.filter(word => word.startsWith('--') && word !== '--')) {
      assert.ok(help(command).includes(option), `podwire ${command} ${option}`)
    }
  }
})

test('documents: every file that they name is there', () => {
  for (const document of ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md']) {
    const text = readFileSync(join(root, document), 'utf8')
    const linked = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
    const named = [...text.matchAll(/`((?:src|test|scripts|native|docs|examples|schema)\/[\w./-]*)`/g)]
    for (const [, path = ''] of [...linked, ...named]) assert.ok(existsSync(join(root, path)), `${document}: ${path}`)
  }
})
