// Tests that need a real Kubernetes: its programs are built from Go modules (test/kubernetes/hyperkube) into the user's cache
// folder, which takes 5 minutes the first time. Ends with "N passed, N failed, N skipped".
//   node scripts/test-kubernetes.mjs store     only the files whose name contains "store"
//
// All of it runs in namespaces of its own: no port of this machine is taken, and when this process ends, whatever it started does.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = join(root, 'test/kubernetes/hyperkube')
const [filter = '', inside] = process.argv.slice(2)

function must(command, args, options) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', ...options })
  if (error || status !== 0) throw error ?? new Error(`${command} ended with status ${status}`)
}

/** The programs, built if these sources were not built yet. */
function buildHyperkube() {
  const hash = createHash('sha256')
  for (const file of ['main.go', 'go.mod', 'go.sum', 'build.sh']) hash.update(readFileSync(join(source, file)))
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'podwire/kubernetes')
  const program = join(cache, `hyperkube-${hash.digest('hex').slice(0, 16)}`)
  if (!existsSync(program)) {
    console.error(`-- Go: build Kubernetes into ${dirname(program)}, which takes 5 minutes on 2 cores`)
    const startMs = Date.now()
    mkdirSync(cache, { recursive: true })
    must(join(source, 'build.sh'), [program])
    console.error(`   done in ${((Date.now() - startMs) / 1000).toFixed(0)} s`)
  }
  return program
}

function runInside() {
  // Process 1 of the new namespace is unshare's child: when it ends, all in it end.
  const own = process.getuid() === 0 ? [] : ['--map-root-user']
  const { status } = spawnSync(
    'unshare',
    [
      ...[...own, '--net', '--pid', '--fork', '--kill-child', '--mount-proc', process.execPath],
      ...[fileURLToPath(import.meta.url), filter, 'inside'],
    ],
    { stdio: 'inherit', env: { ...process.env, PODWIRE_HYPERKUBE: buildHyperkube() } },
  )
  process.exitCode = status ?? 1
}

async function runTests() {
  must('ip', ['link', 'set', 'lo', 'up'])
  must('ip', ['address', 'add', '192.0.2.1/32', 'dev', 'lo'])
  const files = readdirSync(join(root, 'test/kubernetes'))
    .filter(name => name.endsWith('.test.ts') && name.includes(filter))
    .map(name => join(root, 'build/test/kubernetes', name.replace(/\.ts$/, '.js')))
  const total = { passed: 0, failed: 0, skipped: 0 }
  const count = kind => event => {
    if (event.details?.type !== 'suite') total[event.skip !== undefined ? 'skipped' : kind] += 1
  }
  const stream = run({ files, concurrency: false, timeout: 10 * 60_000 })
  stream.on('test:pass', count('passed'))
  stream.on('test:fail', count('failed'))
  for await (const text of stream.compose(new spec())) process.stdout.write(text)
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
  if (total.failed > 0 || total.passed === 0) process.exitCode = 1
}

if (inside === undefined) runInside()
else await runTests()
