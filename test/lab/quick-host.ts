// Debian's wg-quick and `podwire quick` on a host of a lab, and all that either may leave there. DNS goes to a resolvconf that
// only writes down its calls.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { exec } from '../../src/base/exec.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { debianWgQuick } from './debian-wg-quick.ts'
import { cli, withTwoHosts } from './tunnel.ts'
import { until } from './until.ts'
import type { Outcome, Runner } from './wg-tools.ts'

type Command = readonly [string, ...string[]]

export type Tool = 'wg-quick' | 'podwire'

export interface QuickHost {
  readonly lab: Lab
  readonly host: string
  /** A folder of this host alone. */
  readonly folder: string
  /** Writes a file there and returns its path. */
  write(name: string, text: string, mode?: number): string
  quick(tool: Tool, args: readonly string[], env?: Record<string, string>): Promise<Outcome>
  /** A command for a shell, whose failure is an answer as well. */
  sh(command: string): Promise<string>
  /** Everything that a device, wg-quick or podwire may leave something in. */
  state(): Promise<Record<string, string>>
  /** Waits until the processes on the host are those of `before`, and returns the state. */
  settled(before: Record<string, string>): Promise<Record<string, string>>
}

/** How the programs are run in place of a process for each: see resident.ts. */
type StartRunner = (lab: Lab, host: string) => Promise<Runner>

/** Runs a test on both hosts of a lab; each has a default route, a way of a smaller MTU, and folders of its own. */
export async function withQuickHosts(
  word: string,
  test: (a: QuickHost, b: QuickHost) => Promise<void>,
  startRunner?: StartRunner,
): Promise<void> {
  await withTwoHosts(`quick-${word}`, async lab => {
    for (const [host, other] of [
      ['a', 2],
      ['b', 1],
    ] as const) {
      for (const route of [`default via 192.0.2.${other}`, `203.0.113.0/24 via 192.0.2.${other} mtu 1300`]) {
        await lab.exec(host, ['ip', 'route', 'add', ...route.split(' ')])
      }
      await lab.exec(host, ['ip', '-6', 'route', 'add', 'default', 'via', `2001:db8::${other}`])
    }
    await onHosts(lab, ['a', 'b'], ({ a, b }) => test(a, b), startRunner)
  })
}

/** Runs a test on hosts of a lab, with a folder for each. */
export async function onHosts<H extends string>(
  lab: Lab,
  hosts: readonly H[],
  test: (hosts: Record<H, QuickHost>) => Promise<void>,
  startRunner?: StartRunner,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-quick-test-'))
  try {
    const runners = await Promise.all(hosts.map(host => startRunner?.(lab, host)))
    const made = hosts.map((host, i) => [host, makeHost(lab, host, folder, runners[i])])
    await test(Object.fromEntries(made) as Record<H, QuickHost>)
    for (const runner of runners) await runner?.end()
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function makeHost(lab: Lab, host: string, parent: string, runner?: Runner): QuickHost {
  const folder = join(parent, host)
  mkdirSync(folder, { mode: 0o700 })
  const device = join(folder, 'podwire-device')
  symlinkSync(cli, device)
  const wgQuick = debianWgQuick(join(parent, `${host}-debian`))
  const calls = join(folder, 'resolvconf.log')
  writeFileSync(calls, '')
  const write = (name: string, text: string, mode = 0o600): string => {
    writeFileSync(join(folder, name), text, { mode })
    return join(folder, name)
  }
  write(
    'resolvconf',
    `#!/bin/sh\n[ "$1" != -l ] || exit 0\necho "$@" >> ${calls}\n[ "$1" != -a ] || cat >> ${calls}\n`,
    0o755,
  )

  const run = (command: Command): Promise<Outcome> => {
    const [program, ...args] = lab.command(host, ['env', '-C', folder, ...command])
    return runProgram(program, args)
  }
  const runFast = ([program, ...args]: Command, env: Record<string, string> = {}): Promise<Outcome> => {
    if (runner !== undefined) return runner.run([program, ...args], { folder, env: { ...process.env, ...env } })
    const words = Object.entries(env).map(([name, value]) => `${name}=${value}`)
    const command: Command = program === 'podwire' ? [process.execPath, cli, ...args] : [program, ...args]
    return run(['env', ...words, ...command])
  }
  const state = async () => {
    const { stdout } = await runFast(['sh', '-c', stateScript])
    const parts = stdout.split(/^# (\w+)\n/m).slice(1)
    const entries = parts.flatMap((word, i) => (i % 2 === 0 ? [[word, stateOf(word, parts[i + 1] ?? '')]] : []))
    const processes = (await exec(['ip', 'netns', 'pids', basename(lab.namespacePath(host))])).stdout
    return { ...Object.fromEntries(entries), processes }
  }
  return {
    lab,
    host,
    folder,
    write,
    sh: async command => (await run(['sh', '-c', command])).stdout,
    state,
    quick(tool, args, env = {}) {
      const variables = { WG_QUICK_USERSPACE_IMPLEMENTATION: device, PATH: `${folder}:${process.env.PATH}`, ...env }
      // Both on a userspace device, whether or not this kernel has the other; a runner's own kernel is what it is there for.
      const isOwn = runner === undefined
      if (tool === 'wg-quick') return runFast([...(isOwn ? wgQuick : (['wg-quick'] as const)), ...args], variables)
      const backend = isOwn && args[0] === 'up' && !args.includes('--backend') ? ['--backend', 'userspace'] : []
      return runFast(['podwire', 'quick', ...args, ...backend], variables)
    },
    async settled(before) {
      let now = await state()
      await until('what was started has ended', async () => {
        if (now.processes === before.processes && now.sockets === before.sockets) return true
        now = await state()
        return false
      })
      return now
    },
  }
}

/** In few programs: in the virtual machine of test/kernel each counts. */
const stateScript = `
echo '# links'; ip -o link
echo '# addresses'; ip -o address
echo '# routes'; ip -4 route show table all; ip -6 route show table all
echo '# rules'; ip -4 rule; ip -6 rule
echo '# firewall'; nft 'list ruleset ip; list ruleset ip6; list ruleset inet'
echo '# sockets'; ls /run/wireguard 2>/dev/null
echo '# work'; ls /run/podwire/quick 2>/dev/null`

/** Without what is another each time: numbers of links, and the order of routes. */
function stateOf(part: string, text: string): string {
  if (part === 'routes') return text.split('\n').sort().join('\n')
  if (part !== 'links' && part !== 'addresses') return text
  return text
    .replace(/^\d+: /gm, '')
    .replace(/@\S+/g, '')
    .replace(/(qlen|link\/ether).*/g, '')
}

/** Asserts that a program ended well. */
export function succeeded({ status, stderr }: Outcome, what: string): void {
  assert.equal(status, 0, `${what}: ${stderr}`)
}

function runProgram(program: string, args: readonly string[]): Promise<Outcome> {
  return new Promise(resolve => {
    const child = execFile(program, args, { maxBuffer: 1 << 26, timeout: 60_000 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 128
      resolve({ status, stdout, stderr })
    })
    child.stdin?.end()
  })
}

/** What resolvconf was told since the last look. */
export function takeDnsCalls({ folder }: QuickHost): string {
  const file = join(folder, 'resolvconf.log')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, '')
  return text
}
