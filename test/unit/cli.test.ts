import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

const wrong: [args: string[], says: RegExp, command: string][] = [
  [['lb'], /unknown command 'lb' .*lab/, 'podwire'],
  [['help', 'lb'], /unknown command 'lb' .*lab/, 'podwire'],
  [['--fast'], /unknown option '--fast'/, 'podwire'],
  [['lab', 'upp'], /unknown command 'upp' .*up/, 'podwire lab'],
  [['lab', 'up'], /missing required argument 'file'/, 'podwire lab up'],
  [['lab', 'exec', 'f', 'a'], /missing required argument 'command'/, 'podwire lab exec'],
  [['lab', 'status', '--jsn', 'f'], /unknown option '--jsn' .*--json/, 'podwire lab status'],
  [['demo', 'now'], /too many arguments/, 'podwire demo'],
  [['init', 'x'], /'--range <prefix>' not specified/, 'podwire init'],
  [['token', 'make'], /unknown command 'make'/, 'podwire token'],
  [['node', 'show'], /missing required argument 'name'/, 'podwire node show'],
  [['leave'], /missing required argument 'network'/, 'podwire leave'],
  [['quick', 'upp'], /unknown command 'upp' .*up/, 'podwire quick'],
  [['quick', 'up'], /missing required argument 'config'/, 'podwire quick up'],
  [['quick', 'up', '--backend', 'x', 'wg0'], /'x' is invalid/, 'podwire quick up'],
  [['device'], /missing required argument 'interface'/, 'podwire device'],
  [['device', 'status', 'a', 'b'], /too many arguments/, 'podwire device status'],
  [['device', '--threads', 'x', 'wg0'], /'x' is invalid/, 'podwire device'],
]
for (const [args, says, command] of wrong) {
  test(`podwire ${args.join(' ')}: is refused, with a hint at the help of ${command}`, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })
    assert.deepEqual([status, stdout], [2, ''])
    assert.match(stderr, says)
    assert.ok(stderr.endsWith(`\n  See \`${command} --help\`.\n  (ERR_PODWIRE_USAGE)\n`), stderr)
  })
}

test('podwire device -f status: an interface of that name is refused', () => {
  for (const args of [
    ['-f', 'status'],
    ['--no-gso', 'status'],
    ['--', 'status'],
  ]) {
    const { status, stderr } = spawnSync(process.execPath, [main, 'device', ...args], { encoding: 'utf8' })
    assert.equal(status, 2)
    assert.match(stderr, /"status" cannot be used as a name[\s\S]*ERR_PODWIRE_NAME/)
  }
})

for (const args of [['wg', 'genkey'], ['wg', 'help'], ['--version'], ['quick', '--help']]) {
  test(`podwire ${args.join(' ')}: a full disk is said in one line`, () => {
    const full = openSync('/dev/full', 'w')
    try {
      const { status, stderr } = spawnSync(process.execPath, [main, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', full, 'pipe'],
      })
      assert.equal(stderr, 'podwire: standard output cannot be written: ENOSPC: no space left on device, write\n')
      assert.equal(status, 1)
    } finally {
      closeSync(full)
    }
  })
}

for (const [args, says] of [
  [['help'], /^Usage: podwire \[options\] \[command\][\s\S]*\n {2}help \[command\]/],
  [['help', 'wg'], /^Usage: podwire wg \[COMMAND\]/],
  [['help', 'quick'], /^Usage: podwire quick \[options\] \[command\]/],
  [['quick', 'help', 'up'], /^Usage: podwire quick up \[options\]/],
  [['quick', 'reload', '--help'], /No hook is run[\s\S]*left alone/],
] as const) {
  test(`podwire ${args.join(' ')}: says what there is`, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, says)
  })
}

test('podwire wg showconf --help: there is no such interface, so help was meant', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'wg', 'showconf', '--help'], {
    encoding: 'utf8',
  })
  assert.deepEqual([status, stdout], [1, ''])
  assert.match(stderr, /^Unable to access interface: .*\nUsage: podwire wg showconf <interface>\n$/)
})

test('podwire: a reader that goes away is no defect', () => {
  const script = `"$0" "$1" lab --help | true; test "$\{PIPESTATUS[0]}" = 0`
  const { status, stderr } = spawnSync('bash', ['-c', script, process.execPath, main], { encoding: 'utf8' })
  assert.deepEqual([status, stderr], [0, ''])
})

for (const [name, usage] of [
  ['podwire', /^Usage: podwire \[options\] \[command\]/],
  ['podwire-device', /^Usage: podwire device \[options\] <interface>/],
  ['wireguard-go', /^Usage: podwire device \[options\] <interface>/],
  ['wg', /^Usage: wg \[COMMAND\]/],
  ['wg-quick', /^Usage: podwire quick \[options\] \[command\]/],
] as const) {
  test(`podwire through a link named ${name}: is the command that it stands for`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'podwire-cli-test-'))
    try {
      const link = join(folder, name)
      symlinkSync(main, link)
      assert.match(spawnSync(link, ['--help'], { encoding: 'utf8' }).stdout, usage)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
}

test('podwire wg: starts without commander, zod, pino and the addon', () => {
  // A loader that says every module; what is said of those of Node itself does not matter.
  const hook = `export async function resolve(name, context, next) {
    if (/commander|zod|pino|listr/.test(name)) throw new Error('loaded ' + name)
    return next(name, context)
  }`
  const register = `import { register } from 'node:module'; register('data:text/javascript,' + ${JSON.stringify(encodeURIComponent(hook))})`
  const addon = `import { createRequire } from 'node:module'
    createRequire(${JSON.stringify(main)})('node:module')._extensions['.node'] = () => { throw new Error('loaded the addon') }`
  const imports = [register, addon].flatMap(text => ['--import', `data:text/javascript,${encodeURIComponent(text)}`])
  const key = spawnSync(process.execPath, [...imports, main, 'wg', 'genkey'], { encoding: 'utf8' })
  assert.deepEqual([key.status, key.stderr], [0, ''])
  // Devices of the kernel are asked for through the addon.
  const show = existsSync('/sys/module/wireguard') ? [] : [['show', 'interfaces']]
  for (const args of [['pubkey'], ['help'], ...show]) {
    const { status, stderr } = spawnSync(process.execPath, [...imports, main, 'wg', ...args], {
      encoding: 'utf8',
      input: key.stdout,
    })
    assert.deepEqual([status, stderr], [0, ''])
  }
  assert.match(
    spawnSync(process.execPath, [...imports, main, '--version'], { encoding: 'utf8' }).stderr,
    /loaded commander/,
  )
})

test('podwire device: npm installs it as one word, for wg-quick', () => {
  const { bin } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
  assert.equal(bin['podwire-device'], bin.podwire)
})
