// Runs the tests and ends with "N passed, N failed, N skipped".
//   node scripts/test.mjs              everything: rust, unit, lab (the lab needs root: without it, it is skipped by name)
//   node scripts/test.mjs unit         one suite
//   node scripts/test.mjs lab device   the files of a suite whose name contains "device"
// Files of `lab` run one after the other: they measure loss and would disturb one another.

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const suites = ['rust', 'unit', 'lab']
const [chosen, filter = ''] = process.argv.slice(2)
if (chosen !== undefined && !suites.includes(chosen)) {
  console.error(`test: no suite "${chosen}"; there are ${suites.join(', ')}`)
  process.exit(2)
}

const total = { passed: 0, failed: 0, skipped: 0 }

function runRust() {
  const { stdout, status, error } = spawnSync('cargo', ['test', '--release', '--locked', '--workspace'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (error) throw error
  process.stdout.write(stdout)
  for (const [, passed, failed, ignored] of stdout.matchAll(/(\d+) passed; (\d+) failed; (\d+) ignored/g)) {
    total.passed += Number(passed)
    total.failed += Number(failed)
    total.skipped += Number(ignored)
  }
  if (status !== 0 && total.failed === 0) total.failed = 1 // it did not compile
}

/** Compiled files of a suite: those whose source still exists. */
function filesOf(suite) {
  return readdirSync(`${root}test/${suite}`, { recursive: true })
    .filter(name => name.endsWith('.test.ts') && name.includes(filter))
    .sort()
    .map(name => `${root}build/test/${suite}/${name.replace(/\.ts$/, '.js')}`)
}

async function runNode(suite) {
  if (suite === 'lab' && process.getuid() !== 0) {
    const files = filesOf(suite)
    console.log(`lab: ${files.length} files skipped: they make network namespaces and TUN devices, which needs root`)
    total.skipped += files.length
    return
  }
  const stream = run({ files: filesOf(suite), concurrency: suite !== 'lab' })
  const count = kind => event => {
    if (event.details?.type === 'suite') return
    total[event.skip !== undefined ? 'skipped' : kind] += 1
  }
  stream.on('test:pass', count('passed'))
  stream.on('test:fail', count('failed'))
  for await (const text of stream.compose(new spec())) process.stdout.write(text)
}

for (const suite of chosen === undefined ? suites : [chosen]) {
  console.log(`\n== ${suite}`)
  if (suite === 'rust') runRust()
  else await runNode(suite)
}
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
if (total.failed > 0 || total.passed === 0) process.exitCode = 1
