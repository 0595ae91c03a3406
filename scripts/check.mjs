// Everything that must be clean before a commit, in the order in which it fails fastest. `--fix` formats.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = name => `${root}node_modules/.bin/${name}`
const fix = process.argv.includes('--fix')

const checks = [
  ['format and lint', bin('biome'), fix ? 'check' : 'ci', ...(fix ? ['--write'] : []), '--error-on-warnings', '.'],
  ['types', bin('tsc'), '-p', '.', '--noEmit'],
  ['dead code', bin('knip')],
  ['documents made from the code', process.execPath, 'scripts/docs.mjs', ...(fix ? [] : ['--check'])],
  ['package', bin('publint')],
  ['layers', process.execPath, '--test', 'build/test/unit/layers.test.js'],
  ['Rust format', 'cargo', 'fmt', '--all', ...(fix ? [] : ['--check'])],
  [
    'Rust lint',
    'cargo',
    'clippy',
    '--release',
    '--locked',
    '--workspace',
    '--all-targets',
    '--quiet',
    '--',
    '-D',
    'warnings',
  ],
]

// It takes minutes to build, so `npm run check` does not insist on it; CI does.
const deny = [join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'podwire/bin'), `${homedir()}/.cargo/bin`]
  .map(folder => `${folder}/cargo-deny`)
  .find(file => existsSync(file))
if (deny !== undefined) checks.push(['Rust licences and sources', deny, 'check', 'licenses', 'bans', 'sources'])
else console.log('left out: Rust licences and sources (`cargo install --locked cargo-deny` adds it)')

let failed = 0
for (const [name, command, ...args] of checks) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (error) throw error
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name}`)
  if (status === 0) continue
  failed += 1
  console.log(`${stdout}${stderr}`.trim().replace(/^/gm, '       '))
}
console.log(`\n${checks.length - failed} passed, ${failed} failed`)
if (failed > 0) process.exitCode = 1
