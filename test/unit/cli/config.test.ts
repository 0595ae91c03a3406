import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'

const main = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url))
const schema = new URL('../../../../schema/config-check.json', import.meta.url)
const privateKey = 'yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk='
const peer = '[Peer]\nPublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\n'
const ini = `[Interface]\nAddress = 10.0.0.1/24\nPrivateKey = ${privateKey}\n\n${peer}`

interface Place {
  /** Writes a file that only its owner can read, and returns its name. */
  write(name: string, text: string, mode?: number): string
  read(name: string): string
  run(args: readonly string[], input?: string): { status: number | null; stdout: string; stderr: string }
  readonly folder: string
}

function inFolder(run: (place: Place) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-config-test-'))
  try {
    run({
      folder,
      write(name, text, mode = 0o600) {
        writeFileSync(join(folder, name), text)
        chmodSync(join(folder, name), mode)
        return name
      },
      read: name => readFileSync(join(folder, name), 'utf8'),
      run: (args, input = '') =>
        spawnSync(process.execPath, [main, 'config', ...args], { cwd: folder, encoding: 'utf8', input }),
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('podwire config check: says of each file what it is, or what is wrong with it and where', () => {
  inFolder(({ write, run, read }) => {
    write('a.conf', ini)
    write('b', read('a.conf').replace('Address', 'Adress'))
    write('c.conf', '{ "interface": { "listenPort": -1 } }')
    const { status: good, stderr: nothing } = run(['check', 'a.conf'])
    assert.deepEqual([good, nothing], [0, ''])
    const { status, stdout, stderr } = run(['check', 'a.conf', 'b', 'c.conf'])
    assert.deepEqual([status, stdout], [2, 'a.conf: good: an interface in INI with 1 peer\n'])
    assert.match(stderr, /^podwire: b: line 2, column 1: unknown key "Adress"; did you mean "Address"\?$/m)
    assert.match(
      stderr,
      /^podwire: c\.conf: interface\.listenPort \(line 1, column 32\): .*\n {2}.*\n {2}\(ERR_PODWIRE_D/m,
    )
  })
})

test('podwire config check --json: says the same, by its schema', () => {
  inFolder(({ write, run }) => {
    write('a.conf', `${ini}AllowedIPs = 10.0.0.1/8\n`)
    write('b.conf', '[Interface')
    const { status, stdout, stderr } = run(['check', '--json', 'a.conf', 'b.conf', 'none'])
    const said: { kind: string; peers: number; warnings: string[]; error: { code: string } | null }[] =
      JSON.parse(stdout)
    const isValid = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(
      JSON.parse(readFileSync(schema, 'utf8')),
    )
    assert.ok(isValid(said), JSON.stringify(isValid.errors))
    assert.equal(isValid(said.map(it => ({ ...it, more: 1 }))), false)
    assert.deepEqual(
      said.map(({ kind, peers, error }) => [kind, peers, error?.code]), // biome-ignore format: one line
      [
        ['interface-ini', 1, undefined],
        ['interface-ini', null, 'ERR_PODWIRE_DOCUMENT'],
        [null, null, 'ERR_PODWIRE_FILE'],
      ],
    )
    assert.match(said[0]?.warnings[0] ?? '', /taken as 10\.0\.0\.0\/8/)
    assert.deepEqual([status, stderr], [1, ''])
  })
})

test('podwire config check: warns of a file with keys that others can read', () => {
  inFolder(({ write, run, folder }) => {
    chmodSync(folder, 0o755)
    write('a.conf', ini, 0o644)
    write('b.conf', `[Interface]\n${peer}`, 0o644)
    const { status, stderr } = run(['check', 'a.conf', 'b.conf'])
    assert.equal(status, 0)
    assert.match(stderr, /^podwire: warning: a\.conf: it has keys, and others .* `chmod 600 a\.conf`\n/)
    assert.doesNotMatch(stderr, /b\.conf: it has keys/)
    chmodSync(folder, 0o700)
    assert.equal(run(['check', 'a.conf']).stderr, '') // nobody else gets that far
  })
})

test('podwire config check: warns of what brings nothing up, and shows no control characters', () => {
  inFolder(({ write, run }) => {
    write('a.conf', '')
    const { status, stderr } = run(['check', 'a.conf'])
    assert.deepEqual([status, stderr.match(/no \[Interface\] in it|no private key/g)], [0, ['no [Interface] in it', 'no private key']]) // biome-ignore format: one line
    write('b.conf', '[Interface]\nFoo\x1b[2J\x9b = 1\n')
    assert.match(run(['check', 'b.conf']).stderr, /unknown key "Foo\\x1b\[2J\\x9b"/)
    write('c.json', '{"interface": {"addresses": ["\\u001b[2J"]}}')
    assert.match(run(['check', 'a.conf', 'c.json', 'b.conf']).stderr, /"\\x1b\[2J" cannot be used/)
  })
})

test('podwire config convert: there and back is the same file, and only its owner can read it', () => {
  inFolder(({ write, run, read, folder }) => {
    write('a.conf', ini)
    assert.deepEqual(run(['convert', 'a.conf', '-o', 'a.json']).stderr, '')
    assert.equal(statSync(join(folder, 'a.json')).mode & 0o777, 0o600)
    assert.equal(run(['convert', 'a.json']).stdout, ini)
    assert.equal(run(['convert', '-'], ini).stdout, read('a.json'))
    assert.equal(run(['convert', '--to', 'ini', 'a.conf']).stdout, ini)
    assert.equal(run(['convert', '--to', 'json', '-'], read('a.json')).stdout, read('a.json'))
    assert.deepEqual(readdirSync(folder).sort(), ['a.conf', 'a.json'])
  })
})

test('podwire config convert: -o leaves links and pipes what they are, and takes the form from a name', () => {
  inFolder(({ write, run, read, folder }) => {
    write('a.conf', ini)
    const json = run(['convert', 'a.conf']).stdout
    write('b.json', 'before', 0o644)
    symlinkSync('b.json', join(folder, 'link'))
    symlinkSync('c.json', join(folder, 'dangling'))
    spawnSync('mkfifo', [join(folder, 'pipe')])
    const reader = spawnSync('sh', ['-c', 'cat pipe & "$0" "$@"; wait', process.execPath, main, 'config', 'convert', 'a.conf', '-o', 'pipe'], { cwd: folder, encoding: 'utf8' }) // biome-ignore format: one line
    assert.deepEqual([reader.stdout, reader.stderr], [json, ''])
    assert.ok(lstatSync(join(folder, 'pipe')).isFIFO())
    for (const [link, file] of [['link', 'b.json'], ['dangling', 'c.json']] as const) {
      assert.equal(run(['convert', 'a.conf', '-o', link]).stderr, '')
      assert.ok(lstatSync(join(folder, link)).isSymbolicLink())
      assert.deepEqual([read(file), statSync(join(folder, file)).mode & 0o777], [json, 0o600])
    } // biome-ignore format: a table
    assert.equal(run(['convert', 'a.conf', '-o', '/dev/stdout']).stdout, json)
    assert.equal(run(['convert', 'a.conf', '-o', 'd.conf']).status, 0)
    assert.equal(read('d.conf'), ini)
    symlinkSync('a.conf', join(folder, 'a.json'))
    const { status, stderr } = run(['convert', 'a.conf', '-o', 'a.json'])
    assert.deepEqual([status, read('a.conf')], [2, ini])
    assert.match(stderr, /-o a\.json is the file that is read: name another/)
  })
})

test('podwire config: a text that is not UTF-8 is refused, with its line, and stays as it is', () => {
  inFolder(({ write, run, folder }) => {
    const file = join(folder, write('a.conf', ''))
    const bytes = Buffer.from(`[Interface]\n# K\u00f6ln\n${peer}`, 'latin1')
    writeFileSync(file, bytes)
    for (const args of [['check'], ['convert'], ['convert', '-o', 'b.json'], ['fmt'], ['fmt', '--check']]) {
      const { status, stdout, stderr } = run([...args, 'a.conf'])
      assert.deepEqual([status, stdout], [2, ''], args.join(' '))
      assert.match(stderr, /a\.conf: line 2: the bytes are not UTF-8: .*iconv/)
    }
    assert.deepEqual([readFileSync(file), readdirSync(folder)], [bytes, ['a.conf']])
  })
})

const unconvertible: [name: string, text: string, says: RegExp][] = [
  ['a key in a file, to INI', '{"interface": {"privateKey": {"file": "/k"}}}', /privateKey cannot be said in INI: .*ERR_PODWIRE_INI/s],
  ['a peer twice, to JSON', `${peer}\n${peer}`, /peers\[1\]\.publicKey .*: peers\[0\] is the same peer/],
  ['what is wrong', '[Interface]\nPrivateKey = x', /line 2, column 14: PrivateKey: not a key/],
] // biome-ignore format: a table
for (const [name, text, says] of unconvertible) {
  test(`podwire config convert: refuses ${name}, and leaves the file as it was`, () => {
    inFolder(({ write, run, read }) => {
      write('a', text)
      write('b', 'before')
      const { status, stdout, stderr } = run(['convert', 'a', '-o', 'b'])
      assert.deepEqual([status, stdout, read('b')], [2, '', 'before'])
      assert.match(stderr, says)
    })
  })
}

test('podwire config fmt: lays files out in place, keeps mode and links, and is done in one go', () => {
  inFolder(({ write, run, read, folder }) => {
    write('a.conf', '[interface]\nmtu=1400#c\n', 0o640)
    write('b.json', '// c\n{"interface":{},}')
    symlinkSync('a.conf', join(folder, 'link'))
    assert.deepEqual(
      [run(['fmt', '--check', 'link', 'b.json']).status, read('a.conf')],
      [1, '[interface]\nmtu=1400#c\n'],
    )
    assert.equal(run(['fmt', '--check', 'link', 'b.json']).stdout, 'link\nb.json\n')
    assert.equal(run(['fmt', 'link', 'b.json']).stderr, '')
    assert.deepEqual(
      [read('a.conf'), read('b.json')],
      ['[Interface]\nMTU = 1400 # c\n', '// c\n{\n  "interface": {}\n}\n'],
    )
    assert.equal(statSync(join(folder, 'a.conf')).mode & 0o777, 0o640)
    assert.ok(lstatSync(join(folder, 'link')).isSymbolicLink())
    assert.deepEqual([run(['fmt', '--check', 'a.conf', 'b.json']).status, readdirSync(folder).length], [0, 3])
    assert.equal(run(['fmt', '-'], '[peer]\npublickey=x').status, 2)
    assert.equal(run(['fmt', '-'], '[INTERFACE]').stdout, '[Interface]\n')
  })
})

test('podwire config fmt: the examples are in our layout', () => {
  const examples = fileURLToPath(new URL('../../../../examples/', import.meta.url))
  const files = ['interface', 'network'].flatMap(folder =>
    readdirSync(`${examples}${folder}`).flatMap(name =>
      /\.(json|conf)$/.test(name) ? `${examples}${folder}/${name}` : [],
    ),
  )
  assert.ok(files.length > 10)
  inFolder(({ run }) => {
    const { status, stdout } = run(['fmt', '--check', ...files])
    assert.deepEqual([status, stdout], [0, ''])
  })
})

test('podwire config: a file that is not there, or cannot be written, is named', () => {
  inFolder(({ write, run }) => {
    write('a.conf', ini)
    assert.match(run(['convert', 'none']).stderr, /none cannot be read: there is no such file/)
    const { status, stderr } = run(['convert', 'a.conf', '-o', 'none/a.json'])
    assert.equal(status, 1)
    assert.match(stderr, /none\/a\.json cannot be written: ENOENT/)
    assert.equal(run(['convert', '--to', 'yaml', 'a.conf']).status, 2)
  })
})
