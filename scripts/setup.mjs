// Makes a fresh clone ready: Debian packages, npm packages, wireguard-go for the interoperation tests, the addon and the
// TypeScript. No dependencies: it runs before there are any. It says first what it will do, and does nothing twice.
// All of that goes to standard error: standard output is that of the command which it precedes.
//   node scripts/setup.mjs [demo|test|check|bench|kernel|kubernetes]     PODWIRE_NO_INSTALL=1 prints the commands instead of running them

import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const purpose = process.argv[2] ?? 'test'
const isRoot = process.getuid() === 0
const usesWireguardGo = purpose === 'test' || purpose === 'bench'
const usesEtcd = purpose === 'test' || purpose === 'bench'
const printOnly = process.env.PODWIRE_NO_INSTALL === '1'

/** Program -> Debian package that has it. */
const demoPrograms = {
  ip: 'iproute2',
  tc: 'iproute2',
  nft: 'nftables',
  wg: 'wireguard-tools',
  ping: 'iputils-ping',
  iperf3: 'iperf3',
  tcpdump: 'tcpdump',
  curl: 'curl',
  nsenter: 'util-linux',
  cc: 'gcc',
}
const testPrograms = {
  ...demoPrograms,
  ss: 'iproute2',
  setpriv: 'util-linux',
  conntrack: 'conntrack',
  ethtool: 'ethtool',
  iptables: 'iptables', // the hooks of examples/interface call both
  ip6tables: 'iptables',
  python3: 'python3',
  openssl: 'openssl', // certificates of the tests
  script: 'bsdutils',
  systemctl: 'systemd', // a real one runs the units of deploy/systemd
}
const programs = {
  demo: demoPrograms,
  test: testPrograms,
  check: { cc: 'gcc' },
  bench: { ...testPrograms, chrt: 'util-linux' },
  kernel: {
    'qemu-system-x86_64': 'qemu-system-x86',
    busybox: 'busybox-static',
    cpio: 'cpio',
    ip: 'iproute2',
    wg: 'wireguard-tools',
    nft: 'nftables',
    ping: 'iputils-ping',
    ps: 'procps',
    nsenter: 'util-linux',
    cc: 'gcc',
  },
  kubernetes: { ip: 'iproute2', unshare: 'util-linux', openssl: 'openssl', cc: 'gcc' },
}[purpose]
if (programs === undefined) fail(`setup: "${purpose}" is not demo, test, check, bench, kernel or kubernetes`)

function fail(...lines) {
  console.error(lines.join('\n'))
  process.exit(3)
}

/** The path of a program, looked for where root's programs are too; undefined if there is none. */
function which(program) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders
    .map(folder => join(folder, program))
    .find(file => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

/** Node.js and Rust often are in the user's own folders, where sudo does not look by itself. */
const sudo = `sudo env "PATH=$PATH" "HOME=$HOME" npm run ${purpose}`

/** Where an optional step fails, that is said, and the others go on. */
const step = (says, command, { cwd = root, env = {}, quiet = false, optional = false } = {}) => ({
  says,
  command,
  cwd,
  env,
  quiet,
  optional,
})

/** Everything that is missing, as commands in order. */
function stepsNeeded() {
  const steps = []
  const missing = Object.keys(programs).filter(name => !which(name))
  const packages = [...new Set(missing.map(name => programs[name]))].sort()
  if (packages.length > 0 && which('apt-get') === undefined) {
    fail(
      `podwire needs these programs: ${missing.join(', ')}.`,
      'There is no apt-get here to install them: install them with the package manager of this system, and run this again.',
    )
  }
  if (packages.length > 0) {
    const apt = ['apt-get', '-o', 'DPkg::Lock::Timeout=120', '-y', '-q']
    const noninteractive = { DEBIAN_FRONTEND: 'noninteractive' }
    steps.push(step('Debian: refresh the package lists', ['apt-get', '-q', 'update'], { quiet: true }))
    steps.push(
      step(
        `Debian: install ${packages.join(', ')} (nothing is upgraded)`,
        [...apt, 'install', '--no-install-recommends', '--no-upgrade', ...packages],
        {
          env: noninteractive,
          quiet: true,
        },
      ),
    )
    for (const needsRoot of steps) needsRoot.root = true
  }
  if (purpose === 'kernel' && !existsSync(kernelFolder)) {
    const fetch = [
      'set -e; rm -rf "$0.new"; mkdir -p "$0.new"; cd "$0.new"',
      'apt-get -q download $(apt-cache depends linux-image-cloud-amd64 | grep -o "linux-image-[0-9].*")',
      'dpkg-deb -x ./*.deb .; rm ./*.deb; mv "$0.new" "$0"',
    ]
    steps.push(
      step(
        `Debian: download the kernel of linux-image-cloud-amd64 (27 MB) and unpack it into ${kernelFolder} (it is not installed)`,
        ['sh', '-c', fetch.join('\n'), kernelFolder],
        { quiet: true },
      ),
    )
  }
  if (usesEtcd && findEtcd() === undefined) {
    if (packages.length === 0) {
      const refresh = step('Debian: refresh the package lists', ['apt-get', '-q', 'update'], { quiet: true })
      steps.push({ ...refresh, root: true })
    }
    const fetch = [
      'set -e; rm -rf "$0.new"; mkdir -p "$0.new"; cd "$0.new"; apt-get -q download etcd-server',
      'dpkg-deb -x ./*.deb .; rm ./*.deb; rm -rf "$0"; mv "$0.new" "$0"',
    ]
    steps.push(
      step(
        `Debian: download etcd-server (8 MB) and unpack it into ${etcdFolder} (it is not installed, so that no service runs)`,
        ['sh', '-c', fetch.join('\n'), etcdFolder],
        { quiet: true },
      ),
    )
  }
  if (!hasLockedPackages()) {
    // Not `ci`: it refuses a lock file without the platform packages that a registry does not carry.
    const install = ['npm', 'install', '--no-save', '--no-fund', '--no-audit']
    steps.push(step('npm: install the packages of package-lock.json into node_modules', install))
  }
  if (usesWireguardGo && findWireguardGo() === undefined && which('go')) {
    steps.push(
      step(
        `Go: build wireguard-go (MIT; the tests talk to it) into ${cacheBin}`,
        ['go', 'install', 'golang.zx2c4.com/wireguard@latest'],
        {
          env: { GOBIN: cacheBin },
        },
      ),
    )
  }
  if (purpose === 'bench') {
    for (const [program, crate] of [
      ['gotatun', 'gotatun-cli'],
      ['boringtun-cli', 'boringtun-cli'],
    ]) {
      if (existsSync(join(cacheBin, program))) continue
      steps.push(
        step(
          `cargo: build ${crate} (compared with in the bench) into ${cacheBin}, which takes minutes`,
          ['nice', '-n', '10', 'cargo', 'install', '--quiet', '--locked', '--root', join(cacheBin, '..'), crate],
          { optional: true },
        ),
      )
    }
    steps.push(
      step('build: podwire-traffic, which sends and counts the UDP of the bench', [
        ...['cargo', 'build', '--release', '--locked', '--quiet', '-p', 'podwire-traffic'],
      ]),
    )
  }
  if (purpose === 'check' && process.env.CI && !existsSync(join(cacheBin, 'cargo-deny'))) {
    steps.push(
      step(`cargo: build cargo-deny into ${cacheBin}, which takes minutes`, [
        ...['cargo', 'install', '--quiet', '--locked', '--root', join(cacheBin, '..'), 'cargo-deny@0.20.2'],
      ]),
    )
  }
  steps.push(
    step('build: the addon (cargo, which fetches the crates of Cargo.lock) and the TypeScript (tsc) into build/', [
      process.execPath,
      'scripts/build.mjs',
    ]),
  )
  return steps
}

/** Whether node_modules has every package of package-lock.json in its version, but for other platforms' ones. */
function hasLockedPackages() {
  const installed = `${root}node_modules/.package-lock.json` // npm writes there what it has installed
  if (!existsSync(installed)) return false
  const [wanted, found] = [`${root}package-lock.json`, installed].map(
    file => JSON.parse(readFileSync(file, 'utf8')).packages,
  )
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' || (found[path] === undefined ? optional : found[path].version === version),
  )
}

const cacheBin = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'podwire/bin')

const kernelFolder = join(cacheBin, '../kernel')

const etcdFolder = join(cacheBin, '../etcd')

/** The etcd that the tests will use. */
function findEtcd() {
  const unpacked = join(etcdFolder, 'usr/bin/etcd')
  return which('etcd') ?? (existsSync(unpacked) ? unpacked : undefined)
}

/** The wireguard-go that the tests will use. */
function findWireguardGo() {
  const file = process.env.PODWIRE_WIREGUARD_GO ?? join(cacheBin, 'wireguard')
  return existsSync(file) ? file : undefined
}

/** Stops unless the compilers, which no registry here can bring, are there and new enough. */
function checkToolchains() {
  const cargo = spawnSync('cargo', ['--version'], { encoding: 'utf8' })
  const wanted = /rust-version = "(\d+)\.(\d+)"/.exec(readFileSync(`${root}Cargo.toml`, 'utf8'))
  const found = /cargo (\d+)\.(\d+)/.exec(cargo.stdout ?? '')
  const number = match => Number(match[1]) * 1000 + Number(match[2])
  if (found === null || number(found) < number(wanted)) {
    const which = found === null ? 'no cargo was found' : `this machine has ${found[0]}`
    fail(
      `podwire needs Rust ${wanted[1]}.${wanted[2]} or newer; ${which}.`,
      'Install it from https://rustup.rs and run this again.',
      ...(process.env.SUDO_USER ? [`If ${process.env.SUDO_USER} has it, hand it through: ${sudo}`] : []),
    )
  }
  if (purpose === 'kubernetes' && !which('go')) {
    fail('The programs of Kubernetes are built with Go 1.24 or newer, which was not found: https://go.dev/dl.')
  }
  if (usesWireguardGo && !which('go') && findWireguardGo() === undefined) {
    console.error(
      'Go was not found: what compares or interoperates with wireguard-go will be skipped. Install it from https://go.dev/dl.',
    )
  }
}

function run({ says, command, cwd, env, quiet, optional }) {
  const startMs = Date.now()
  process.stderr.write(`-- ${says}\n`)
  const { status, error, stdout, stderr } = spawnSync(command[0], command.slice(1), {
    cwd,
    env: { ...process.env, ...env },
    stdio: quiet ? 'pipe' : ['ignore', 2, 'inherit'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (error || status !== 0) {
    const failure = `setup: \`${command.join(' ')}\` failed (${error?.message ?? `status ${status}`}).`
    if (!optional) fail(`${stdout ?? ''}${stderr ?? ''}`, failure)
    console.error(`${failure} It goes on without.`)
  }
  const seconds = (Date.now() - startMs) / 1000
  if (seconds >= 1) process.stderr.write(`   done in ${seconds.toFixed(0)} s\n`)
}

const shell = ({ command, env }) =>
  [...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...command]
    .map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`))
    .join(' ')

if (purpose === 'demo' && !isRoot)
  fail('The demo makes network namespaces and TUN devices, which needs root.', `Run it with sudo: ${sudo}`)
checkToolchains()
const steps = stepsNeeded()
const installs = steps.slice(0, -1) // the build is always last; cargo and tsc do only what changed
if (printOnly && installs.length > 0) {
  fail(
    'PODWIRE_NO_INSTALL is set. Run these, then this command again:',
    ...steps.map(one => `  ${one.root && !isRoot ? 'sudo ' : ''}${shell(one)}`),
  )
}
if (installs.length > 0)
  console.error(`To get ready, podwire will:\n${steps.map(({ says }) => `  - ${says}`).join('\n')}\n`)
for (const one of steps) {
  if (one.root && !isRoot) {
    console.error(`-- ${one.says}\n   left out: it needs root (sudo ${shell(one)}); what needs it is skipped`)
    continue
  }
  run(one)
}
