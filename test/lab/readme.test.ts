import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { assertNothingLeft, machineLinks } from './leftovers.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const main = join(root, 'build/src/cli/main.js')
const links = machineLinks()

/** What the README shows to be typed. */
const blocks = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^```\n([\s\S]*?)^```$/gm)].map(
  ([, text = '']) => text,
)
const commands = blocks.flatMap(block => block.split('\n')).map(line => line.replace(/ +#.*/, ''))
const starting = (words: string) => commands.filter(command => command.startsWith(words))

test('README: the network, the plan, the device and the lab that it shows work as they stand', () => {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-readme-test-'))
  const name = `readme-${process.pid}`
  const example = 'examples/lab/two-sites.json'
  const file = join(folder, 'lab.json')
  writeFileSync(file, readFileSync(join(root, example), 'utf8').replace('"two-sites"', `"${name}"`))
  /** As typed, but for what must be this test's own. */
  const run = (command: string, inHost = '') => {
    const own = command.replaceAll(example, file).replaceAll('/srv/podwire', folder)
    const script = `podwire() { ${inHost} "${process.execPath}" "${main}" "$@"; }\n${own}`
    const { status, stdout, stderr } = spawnSync('sh', ['-ec', script], { cwd: root, encoding: 'utf8' })
    assert.equal(status, 0, `${command}: ${stderr}`)
    return stdout
  }
  const inHost = `"${process.execPath}" "${main}" lab exec "${file}" a --`
  const [up = '', exec = '', down = ''] = starting('podwire lab ')
  const [network = ''] = blocks.filter(block => block.includes('network.json'))
  const [plan = ''] = starting('podwire plan ')
  try {
    assert.match(run(up), /is up/)
    assert.match(run(exec), / 0% packet loss/)
    run(network)
    assert.match(run(`${plan} --state ${folder}/state`, inHost), /podwire0/)
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
