// Network namespaces for one test: made, named after the process, and gone at its end, with everything in them.

import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { exec } from '../../src/base/exec.ts'

export interface Scratch {
  readonly name: string
  /** "/run/netns/NAME" */
  readonly path: string
  /** `ip -n NAME …`, and its JSON if it prints any. */
  ip(args: string): Promise<unknown>
  /** A link that leads nowhere and has its carrier (a veth pair: dummies are not in every kernel). */
  addLink(name: string): Promise<void>
  /** Runs a program inside; words are split at blanks. */
  run(command: string, input?: string): Promise<string>
}

/** Runs a test with a namespace for each of the words; loopback is up, and IPv6 has no addresses but those given. */
export async function withScratch<N extends string>(
  words: readonly N[],
  test: (namespaces: Record<N, Scratch>) => Promise<void>,
): Promise<void> {
  const prefix = `pwt-${process.pid}-`
  const list = async () =>
    (await exec(['ip', 'netns', 'list'])).stdout.split('\n').filter(line => line.startsWith(prefix))
  try {
    const made = words.map(word => scratch(`${prefix}${word}`))
    for (const { name, ip, run } of made) {
      await exec(['ip', 'netns', 'add', name])
      await ip('link set lo up')
      await run('sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0')
      // No link-local addresses that come when the carrier does: tests list what they have made.
      await run('sysctl -qw net.ipv6.conf.default.addr_gen_mode=1')
    }
    await test(Object.fromEntries(words.map((word, i) => [word, made[i]])) as Record<N, Scratch>)
  } finally {
    for (const line of await list()) await exec(['ip', 'netns', 'delete', line.split(' ')[0] ?? ''])
    assert.deepEqual(await list(), [])
  }
}

function scratch(name: string): Scratch {
  const ip = async (args: string): Promise<unknown> => {
    const { stdout } = await exec(['ip', '-n', name, ...args.split(' ')])
    return stdout.startsWith('[') ? JSON.parse(stdout) : undefined
  }
  return {
    name,
    path: `/run/netns/${name}`,
    ip,
    async addLink(link) {
      await ip(`link add ${link} type veth peer name ${link}-end`)
      await ip(`link set ${link}-end up`)
    },
    async run(command, input = '') {
      return (await exec(['ip', 'netns', 'exec', name, ...command.split(' ')], { input })).stdout
    },
  }
}

/** Waits until `done` says true; fails with `what` after five seconds. */
export async function until(what: string, done: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 5000; !(await done()); await delay(10)) {
    assert.ok(Date.now() < deadline, `within 5 s: ${what}`)
  }
}
