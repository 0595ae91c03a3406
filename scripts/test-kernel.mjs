// Tests that need the kernel's WireGuard, in a virtual machine: Debian's kernel, booted by qemu without KVM from an initramfs with
// busybox, the programs that podwire and its lab call, the modules, Node.js and the built project. test/kernel/init.sh runs the tests there; their TAP comes over the
// serial console. Ends with "N passed, N failed, N skipped". Needs no root; `scripts/setup.mjs kernel` brings the programs.
//   node scripts/test-kernel.mjs control     only the files whose name contains "control"
//
// The machine's clock counts instructions and jumps ahead while it is idle (-icount sleep=off): a loaded host makes the run longer and
// no test fail, and a wait of two minutes takes a moment.

import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const kernel = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'podwire/kernel')
/** Many times what a run takes on a busy machine: one that is silent for good is ended. */
const timeLimitMs = 60 * 60_000

const scratch = mkdtempSync(join(tmpdir(), 'podwire-kernel-'))
const image = join(scratch, 'root')
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

function output(command, args, options) {
  const { status, stdout, error } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 30, ...options })
  if (error || status !== 0) throw error ?? new Error(`${command} ended with status ${status}`)
  return stdout
}

function copy(from, to) {
  mkdirSync(dirname(join(image, to)), { recursive: true })
  cpSync(from, join(image, to), { recursive: true, dereference: true })
}

/** A program of this machine, with the libraries that it loads. */
function copyProgram(file, to = file) {
  copy(realpathSync(file), to)
  const { stdout } = spawnSync('ldd', [file], { encoding: 'utf8' }) // fails for a static program, which needs none
  for (const [, library] of stdout.matchAll(/(\/\S+) \(0x/g)) copy(realpathSync(library), library)
}

/**
 * What the lab, Debian's wg and wg-quick, and podwire itself call, where busybox lacks it or takes other options: `sh` too, as
 * busybox's calls its own programs first.
 */
const programs = 'sh bash ip wg wg-quick nft ping ps ss env nsenter unshare mount umount setpriv flock setsid'.split(
  ' ',
)
const netfilter = ['nft_ct', 'nft_nat', 'nft_masq', 'nft_chain_nat', 'nft_fib_inet', 'nft_reject_inet']
const modules = ['veth', 'bridge', 'tun', 'wireguard', ...netfilter]

const which = name => output('sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin; command -v ${name}`]).trim()

/** Copies modules with those that they depend on, and lists all in the order in which they load. */
function copyModules(names) {
  const folder = join(kernel, 'lib/modules')
  const files = readdirSync(folder, { recursive: true }).filter(name => name.endsWith('.ko'))
  const nameOf = file => file.split('/').pop().replace(/\.ko$/, '').replaceAll('-', '_')
  const byName = new Map(files.map(file => [nameOf(file), file]))
  const order = []
  const add = name => {
    if (order.includes(`${name}.ko`)) return
    const file = byName.get(name)
    if (file === undefined) throw new Error(`the kernel has no module ${name}`)
    const [, depends] = /\0depends=([^\0]*)\0/.exec(readFileSync(join(folder, file), 'latin1')) ?? []
    for (const other of (depends ?? '').split(',').filter(Boolean)) add(other.replaceAll('-', '_'))
    copy(join(folder, file), `modules/${name}.ko`)
    order.push(`${name}.ko`)
  }
  for (const name of names) add(name)
  writeFileSync(join(image, 'modules/order'), order.join('\n'))
}

/** The compiled tests: those whose source still exists. */
const tests = readdirSync(join(root, 'test/kernel'))
  .filter(name => name.endsWith('.test.ts') && name.includes(process.argv[2] ?? ''))
  .map(name => `build/test/kernel/${name.replace(/\.ts$/, '.js')}`)

/** Packages of the tests. */
const testPackages = ['ajv', 'fast-deep-equal', 'fast-uri', 'json-schema-traverse', 'require-from-string'].map(
  name => `node_modules/${name}`,
)

/** The built project and the packages that it has when installed. */
function copyProject() {
  const shared = ['kernel', 'lab'].flatMap(suite =>
    readdirSync(join(root, 'test', suite))
      .filter(name => name.endsWith('.ts') && !name.endsWith('.test.ts'))
      .map(name => `build/test/${suite}/${name.replace(/\.ts$/, '.js')}`),
  )
  for (const path of ['package.json', 'build/src', 'build/podwire.node', 'schema', ...shared, ...tests]) {
    copy(join(root, path), join('podwire', path))
  }
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  for (const [path, { dev, devOptional, optional }] of Object.entries(packages)) {
    const isNeeded = !dev && !devOptional && !optional
    if (path !== '' && (isNeeded || testPackages.includes(path))) copy(join(root, path), join('podwire', path))
  }
}

function makeInitramfs() {
  copyProgram(which('busybox'), '/bin/busybox')
  copyProgram(process.execPath, '/usr/bin/node')
  for (const program of programs) copyProgram(which(program), `/usr/bin/${program}`)
  for (const file of ['/etc/services', '/etc/protocols']) copy(file, file)
  copyModules(modules)
  copyProject()
  cpSync(join(root, 'test/kernel/init.sh'), join(image, 'init'))
  const file = join(scratch, 'initramfs')
  output('sh', ['-c', `find . | cpio --quiet -o -H newc -R 0:0 >${file}`], { cwd: image })
  rmSync(image, { recursive: true })
  return file
}

const total = { pass: 0, fail: 0, skipped: 0 }
let counted = 0
const boot = join(kernel, 'boot')
const initramfs = makeInitramfs()
const machine = spawn(
  'nice',
  [
    ...['-n', '10', 'qemu-system-x86_64', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-accel', 'tcg', '-cpu', 'max', '-smp', '1', '-m', '1024', '-icount', 'shift=1,sleep=off'],
    ...['-kernel', join(boot, readdirSync(boot).find(name => name.startsWith('vmlinuz')) ?? 'vmlinuz')],
    ...['-initrd', initramfs, '-append', 'console=ttyS0 quiet panic=-1 rdinit=/init', '-serial', 'stdio'],
  ],
  { stdio: ['ignore', 'pipe', 'inherit'] },
)
const timer = setTimeout(() => machine.kill(), timeLimitMs)
for await (const line of createInterface({ input: machine.stdout })) {
  console.log(line)
  const [, kind, number] = /^# (pass|fail|skipped) (\d+)$/.exec(line) ?? []
  if (kind === undefined) continue
  total[kind] += Number(number)
  if (kind === 'pass') counted += 1
}
clearTimeout(timer)
// A file that did not come to its end is a failure too.
total.fail += tests.length - counted
console.log(`\n${total.pass} passed, ${total.fail} failed, ${total.skipped} skipped`)
if (total.fail > 0) process.exitCode = 1
