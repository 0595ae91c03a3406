// Debian's wg and `podwire wg` on one host, on devices of whichever backend a test makes: every invocation by both. Standard output is
// the same bytes, the exit status is the same, and both or neither say something on standard error; where wg says that a device cannot
// be reached, podwire says the same sentence.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
  readonly env: Readonly<Record<string, string>>
}

/** The WireGuard that the devices of a comparison have. */
export interface Backend {
  /** For the names of labs. */
  readonly word: string
  /** Makes a device, down; returns what ends it. */
  startDevice(lab: Lab, host: string, name: string): Promise<() => Promise<void>>
  /** How a command line of podwire is run on host a, where a program for each would be too slow; and what ends that. */
  startPodwire?(lab: Lab): Promise<PodwireRunner>
}

export interface PodwireRunner {
  run(args: readonly string[], invocation: Invocation): Promise<Outcome>
  end(): Promise<void>
}

/** Both programs on host a; files that they are told to read are in `folder`. */
export interface Tools {
  readonly lab: Lab
  readonly folder: string
  debian(args: readonly string[], options?: RunOptions): Outcome
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
  backend: Pick<Backend, 'word' | 'startPodwire'>,
  use: (tools: Tools) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-wg-test-'))
  symlinkSync(cli, join(folder, 'wg'))
  // Without a name server: what is not in /etc/hosts cannot be looked up, and is tried once.
  const fewRetries = { WG_ENDPOINT_RESOLUTION_RETRIES: '0' }
  try {
    await withTwoHosts(`${word}-${backend.word}`, async lab => {
      const run = (program: string, args: readonly string[], { input = '', env = {}, nobody }: RunOptions): Outcome => {
        const drop = nobody ? ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'] : []
        const words = ['sh', '-c', 'cd "$0" && exec "$@"', folder, ...drop, program, ...args]
        const [tool, ...rest] = lab.command('a', words)
        const variables = { ...process.env, ...fewRetries, ...env }
        const { status, stdout, stderr } = spawnSync(tool, rest, { encoding: 'utf8', input, env: variables })
        return { status, stdout, stderr }
      }
      const podwire = await backend.startPodwire?.(lab)
      await use({
        lab,
        folder,
        debian: (args, options = {}) => run('wg', args, options),
        async ours(args, { nobody, ...options } = {}) {
          if (podwire === undefined || nobody)
            return run(join(folder, 'wg'), args, { ...options, ...(nobody && { nobody }) })
          return podwire.run(['wg', ...args], { folder, ...options, env: { ...fewRetries, ...options.env } })
        },
      })
      await podwire?.end()
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
  reset(): void
  /** Sorted: the order of peers and AllowedIPs is the device's. */
  dumps(): string[][]
}

/** Runs a comparison on twins, "debian" and "ours". */
export async function withTwins(word: string, backend: Backend, use: (twins: Twins) => Promise<void>): Promise<void> {
  const names = ['debian', 'ours']
  await withTools(word, backend, async tools => {
    const { lab, folder, debian } = tools
    const ends = [await backend.startDevice(lab, 'a', 'debian'), await backend.startDevice(lab, 'a', 'ours')]
    writeFileSync(join(folder, 'base'), base)
    await use({
      ...tools,
      reset() {
        for (const name of names) assert.equal(debian(['setconf', name, 'base']).status, 0)
      },
      dumps: () => names.map(name => sortedDump(debian(['show', name, 'dump']).stdout)),
    })
    for (const end of ends) await end()
  })
}

function sortedDump(text: string): string[] {
  const [device = '', ...peers] = text.trimEnd().split('\n')
  const sorted = peers.map(line =>
    line
      .split('\t')
      .map(cell => cell.split(',').sort().join(','))
      .join('\t'),
  )
  return [device, ...sorted.sort()]
}
