// Debian's wg and `podwire wg` on one host, on devices of whichever backend a test makes: every invocation by both. Standard output is
// the same bytes, the exit status is the same, and both or neither say something on standard error; where wg says that a device cannot
// be reached, podwire says the same sentence.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Lab } from '../../src/lab/lab.ts'
import { generatePresharedKey, generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { cli, withTwoHosts } from './tunnel.ts'

export const newKey = (): string => publicKeyOf(generatePrivateKey())
export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
export const [keyA, keyB, keyC] = [newKey(), newKey(), newKey()]
export const privateKey = base64(generatePrivateKey().bytes)
export const psk = base64(generatePresharedKey().bytes)

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Invocation {
  readonly folder: string
  readonly input?: string
  readonly env: Readonly<Record<string, string | undefined>>
}

/** The WireGuard that the devices of a comparison have. */
export interface Backend {
  /** For the names of labs. */
  readonly word: string
  /** Makes a device, down; returns what ends it. */
  startDevice(lab: Lab, host: string, name: string): Promise<() => Promise<void>>
  /** Runs programs on host a in a way of its own. */
  startRunner?(lab: Lab): Promise<Runner>
}

/** Runs programs on a host, among them "podwire". */
export interface Runner {
  run(command: readonly [string, ...string[]], invocation: Invocation): Promise<Outcome>
  end(): Promise<void>
}

/** Both programs on host a; files that they are told to read are in `folder`. */
export interface Tools {
  readonly lab: Lab
  readonly folder: string
  debian(args: readonly string[], options?: RunOptions): Promise<Outcome>
  ours(args: readonly string[], options?: RunOptions): Promise<Outcome>
}

interface RunOptions {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  /** As a user who may nothing. */
  readonly nobody?: true
}

/** Runs a comparison in two hosts, without devices yet. */
export async function withTools(
  word: string,
  backend: Pick<Backend, 'word' | 'startRunner'>,
  use: (tools: Tools) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-wg-test-'))
  symlinkSync(cli, join(folder, 'wg'))
  // Without a name server: what is not in /etc/hosts cannot be looked up, and is tried once.
  const fewRetries = { WG_ENDPOINT_RESOLUTION_RETRIES: '0' }
  try {
    await withTwoHosts(`${word}-${backend.word}`, async lab => {
      const runner = await backend.startRunner?.(lab)
      const run = async (
        command: readonly [string, ...string[]],
        { input = '', env = {}, nobody }: RunOptions,
      ): Promise<Outcome> => {
        const variables = { ...process.env, ...fewRetries, ...env }
        if (runner !== undefined && !nobody) return runner.run(command, { folder, input, env: variables })
        const drop = nobody ? ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'] : []
        const program = command[0] === 'podwire' ? [join(folder, 'wg'), ...command.slice(2)] : command
        const words = ['sh', '-c', 'cd "$0" && exec "$@"', folder, ...drop, ...program]
        const [tool, ...rest] = lab.command('a', words)
        const { status, stdout, stderr } = spawnSync(tool, rest, { encoding: 'utf8', input, env: variables })
        return { status, stdout, stderr }
      }
      await use({
        lab,
        folder,
        debian: (args, options = {}) => run(['wg', ...args], options),
        ours: (args, options = {}) => run(['podwire', 'wg', ...args], options),
      })
      await runner?.end()
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Asserts that both did the same, as far as scripts see it. */
export function assertSame(what: string, debian: Outcome, ours: Outcome): void {
  const seen = ({ status, stdout, stderr }: Outcome) => ({ status, stdout, complains: stderr !== '' })
  assert.deepEqual(seen(ours), seen(debian), `wg ${what}\n${debian.stderr}\n${ours.stderr}`)
  // "Unable to access interface: No such device", and its like
  const sentences = ({ stderr }: Outcome) => stderr.match(/^Unable to (?!parse|find).*$/gm) ?? []
  assert.deepEqual(sentences(ours), sentences(debian), `wg ${what}\n${ours.stderr}`)
}

/** What both twins of a comparison have before each case. */
export const base = `[Interface]
PrivateKey = ${privateKey}
ListenPort = 51820
FwMark = 7
[Peer]
PublicKey = ${keyA}
PresharedKey = ${psk}
Endpoint = 192.0.2.9:9
PersistentKeepalive = 25
AllowedIPs = 10.0.0.0/8, fd00::/64
[Peer]
PublicKey = ${keyB}
AllowedIPs = 10.1.0.0/16
`

/** Two devices of the same, one for each program. */
export interface Twins extends Tools {
  /** Makes both what `base` says, unless they are. */
  reset(): Promise<void>
  /** Of both, sorted: the order of peers and AllowedIPs is the device's. */
  dumps(): Promise<Record<'debian' | 'ours', string[]>>
}

/** Runs a comparison on twins, "debian" and "ours". */
export async function withTwins(word: string, backend: Backend, use: (twins: Twins) => Promise<void>): Promise<void> {
  await withTools(word, backend, async tools => {
    const { lab, folder, debian } = tools
    const ends = [await backend.startDevice(lab, 'a', 'debian'), await backend.startDevice(lab, 'a', 'ours')]
    writeFileSync(join(folder, 'base'), base)
    const dumps = async () => {
      const lines = (await debian(['show', 'all', 'dump'])).stdout.split('\n')
      return { debian: sortedDump(lines, 'debian'), ours: sortedDump(lines, 'ours') }
    }
    let asBase: Awaited<ReturnType<typeof dumps>> | undefined
    let last: typeof asBase
    await use({
      ...tools,
      async dumps() {
        last = await dumps()
        return last
      },
      async reset() {
        if (last !== undefined && isDeepStrictEqual(last, asBase)) return
        for (const name of ['debian', 'ours']) assert.equal((await debian(['setconf', name, 'base'])).status, 0)
        asBase ??= await dumps()
      },
    })
    for (const end of ends) await end()
  })
}

/** The lines of a device in `wg show all dump`, but for its name. */
function sortedDump(lines: readonly string[], name: string): string[] {
  const own = lines.flatMap(line => (line.startsWith(`${name}\t`) ? line.slice(name.length + 1) : []))
  const sorted = own.map(line =>
    line
      .split('\t')
      .map(cell => cell.split(',').sort().join(','))
      .join('\t'),
  )
  return [...sorted.slice(0, 1), ...sorted.slice(1).sort()]
}
