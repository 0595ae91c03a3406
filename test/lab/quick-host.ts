// Debian's wg-quick and `podwire quick` on a host of a lab, and all that either may leave there. DNS goes to a resolvconf that
// only writes down its calls.

import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { exec } from '../../src/base/exec.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { debianWgQuick } from './debian-wg-quick.ts'
import { cli, withTwoHosts } from './tunnel.ts'
import { until } from './until.ts'

export type Tool = 'wg-quick' | 'podwire'

export interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

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

/** Runs a test on both hosts of a lab; each has a default route, a way of a smaller MTU, and folders of its own. */
export async function withQuickHosts(word: string, test: (a: QuickHost, b: QuickHost) => Promise<void>): Promise<void> {
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
    await onHosts(lab, ['a', 'b'], ({ a, b }) => test(a, b))
  })
}

/** Runs a test on hosts of a lab, with a folder for each. */
export async function onHosts<H extends string>(
  lab: Lab,
  hosts: readonly H[],
  test: (hosts: Record<H, QuickHost>) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-quick-test-'))
  try {
    const made = hosts.map(host => [host, makeHost(lab, host, folder)])
    await test(Object.fromEntries(made) as Record<H, QuickHost>)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function makeHost(lab: Lab, host: string, parent: string): QuickHost {
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

  const run = (command: [string, ...string[]]): Promise<Outcome> => {
    const [program, ...args] = lab.command(host, ['env', '-C', folder, ...command])
    return runProgram(program, args)
  }
  const sh = async (command: string) => (await run(['sh', '-c', command])).stdout
  const state = async () => {
    const words = await sh(
      [
        "echo '# links'; ip -o link | sed -E 's/^[0-9]+: //; s/@[^ ]*//; s/qlen.*//; s/link.ether.*//'",
        "echo '# addresses'; ip -o address | sed -E 's/^[0-9]+: //'",
        "echo '# routes'; ip -4 route show table all | sort; ip -6 route show table all | sort",
        "echo '# rules'; ip -4 rule; ip -6 rule",
        "echo '# firewall'; nft list ruleset ip; nft list ruleset ip6; nft list ruleset inet",
        "echo '# sockets'; ls /run/wireguard 2>/dev/null",
        "echo '# work'; ls /run/podwire/quick 2>/dev/null",
      ].join('; '),
    )
    const parts = words.split(/^# (\w+)\n/m).slice(1)
    const pids = (await exec(['ip', 'netns', 'pids', basename(lab.namespacePath(host))])).stdout
    const entries = parts.flatMap((word, i) => (i % 2 === 0 ? [[word, parts[i + 1] ?? '']] : []))
    return { ...Object.fromEntries(entries), processes: pids }
  }
  return {
    lab,
    host,
    folder,
    write,
    sh,
    state,
    quick(tool, args, env = {}) {
      const variables = { WG_QUICK_USERSPACE_IMPLEMENTATION: device, PATH: `${folder}:${process.env.PATH}`, ...env }
      const words = Object.entries(variables).map(([name, value]) => `${name}=${value}`)
      // Both on the same kind of device, whether or not this kernel has the other.
      const backend = tool === 'podwire' && args[0] === 'up' ? ['--backend', 'userspace'] : []
      const command = tool === 'podwire' ? [process.execPath, cli, 'quick'] : wgQuick
      return run(['env', ...words, ...command, ...args, ...backend])
    },
    async settled(before) {
      await until('what was started has ended', async () => {
        const { processes, sockets } = await state()
        return processes === before.processes && sockets === before.sockets
      })
      return state()
    },
  }
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
