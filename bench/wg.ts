// `npm run bench -- wg`: `podwire wg` beside Debian's wg, on one userspace device of podwire's with 1,000 peers, and the bare start of
// Node.js, below which no command of it gets. Every round measures each command of both in turn; what is reported is the median.

import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { type Lab, startLab } from '../src/lab/lab.ts'
import { until } from './device/lab.ts'
import { root } from './device/programs.ts'
import { quantile } from './device/samples.ts'
import { type Machine, machine } from './machine.ts'

const peers = 1_000
const device = 'bench1'
const host = 'a'
const podwire = [process.execPath, `${root}build/src/cli/main.js`] as const

type Words = readonly [string, ...string[]]

interface Time {
  readonly wallMs: number
  /** User and system. */
  readonly cpuMs: number
}

/** What one command took, median and all samples, in the order of the rounds. */
interface Measured extends Time {
  readonly samples: readonly Time[]
}

export interface WgResult {
  readonly conditions: Machine & {
    readonly wg: string
    readonly rounds: number
    /** Runs that one sample is the mean of. */
    readonly runsEach: number
  }
  readonly rows: readonly { readonly command: string; readonly podwire: Measured; readonly wg?: Measured }[]
}

/** One sample is the mean of so many runs: a shell counts CPU in milliseconds, and wg takes two. */
const runsEach = 5

export async function benchWg({ quick, rounds = quick ? 3 : 20 }: { quick: boolean; rounds?: number }): Promise<void> {
  await using lab = await startLab({ name: `bench-wg-${process.pid}`, networks: {}, hosts: { [host]: {} } })
  const folder = mkdtempSync(join(tmpdir(), 'podwire-bench-'))
  try {
    const file = join(folder, `${device}.conf`)
    writeFileSync(file, configuration(), { mode: 0o600 })
    const alone: Case[] = [
      { command: '`node -e 0`', podwire: [process.execPath, '-e', '0'] },
      both('`wg --version`', ['--version']),
      both('`wg show`, no device', ['show']),
    ]
    const loaded: Case[] = [
      both('`wg show`', ['show']),
      both('`wg show all dump`', ['show', 'all', 'dump']),
      both('`wg syncconf`, nothing to change', ['syncconf', device, file]),
    ]
    const before = await measure(lab, alone, rounds)
    lab.spawn(host, [...podwire, 'device', '-f', device], { stdio: ['ignore', 'ignore', 'inherit'] })
    await until('the device has its peers', () => lab.exec(host, ['wg', 'setconf', device, file]))
    const rows = [...before, ...(await measure(lab, loaded, rounds))]
    const wg = (await lab.exec(host, ['wg', '--version'])).stdout.split(' ')[1] ?? 'unknown'
    writeResult({ conditions: { ...machine(), wg, rounds, runsEach }, rows }, quick || rounds < 20)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

interface Case {
  readonly command: string
  readonly podwire: Words
  readonly wg?: Words
}

const both = (command: string, words: readonly string[]): Case => ({
  command,
  podwire: [...podwire, 'wg', ...words],
  wg: ['wg', ...words],
})

/** A thousand peers with an endpoint and two AllowedIPs each, as in a network of a thousand nodes. */
function configuration(): string {
  const key = () => randomBytes(32).toString('base64')
  const peer = (_: unknown, i: number) => `[Peer]
PublicKey = ${key()}
Endpoint = 192.0.2.${i % 250}:${20_000 + i}
AllowedIPs = 10.${i >> 8}.${i & 255}.0/24, fd00:${i.toString(16)}::/64
`
  return `[Interface]\nPrivateKey = ${key()}\n\n${Array.from({ length: peers }, peer).join('\n')}`
}

async function measure(lab: Lab, cases: readonly Case[], rounds: number): Promise<WgResult['rows']> {
  const taken = cases.map(one => ({ ...one, ownSamples: [] as Time[], wgSamples: [] as Time[] }))
  for (let round = 1; round <= rounds; round++) {
    for (const { command, podwire, wg, ownSamples, wgSamples } of taken) {
      ownSamples.push(await time(lab, podwire))
      if (wg !== undefined) wgSamples.push(await time(lab, wg))
      const [own, other] = [ownSamples, wgSamples].map(samples => samples.at(-1)?.wallMs.toFixed(1) ?? '-')
      console.error(`${round}/${rounds}  ${command}: ${own} ms, wg ${other} ms`)
    }
  }
  return taken.map(({ command, wg, ownSamples, wgSamples }) => ({
    command,
    podwire: measured(ownSamples),
    ...(wg !== undefined && { wg: measured(wgSamples) }),
  }))
}

/** By the shell's own `time`, so that the start of the shell is not in it. A run that fails ends the bench. */
async function time(lab: Lab, command: Words): Promise<Time> {
  const loop = `for ((i = 0; i < ${runsEach}; i++)); do "$@" >/dev/null || exit 1; done`
  const script = `TIMEFORMAT='%R %U %S'; time ${loop}`
  const { stderr } = await lab.exec(host, ['bash', '-c', script, 'bash', ...command])
  const [wall = Number.NaN, user = 0, system = 0] = stderr.trim().split(' ').map(Number)
  const msEach = (seconds: number) => Number(((seconds * 1000) / runsEach).toFixed(1))
  return { wallMs: msEach(wall), cpuMs: msEach(user + system) }
}

function measured(samples: readonly Time[]): Measured {
  const median = (key: keyof Time) =>
    quantile(
      samples.map(sample => sample[key]),
      0.5,
    )
  return { wallMs: median('wallMs'), cpuMs: median('cpuMs'), samples }
}

/** A shorter run goes beside what is committed. */
function writeResult(result: WgResult, isShort: boolean): void {
  const folder = `${root}bench/results${isShort ? '/quick' : ''}`
  console.log(formatWg(result).trimEnd())
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/wg.json`, `${JSON.stringify(result, null, 2)}\n`)
  writeFileSync(`${folder}/wg.md`, formatWg(result))
  console.error(`wrote ${relative(process.cwd(), folder)}/wg.json and wg.md`)
}

export function formatWg({ conditions, rows }: WgResult): string {
  const { date, kernel, cpu, cores, node, wg, rounds, runsEach } = conditions
  const cells = (taken: Time | undefined) => [taken?.wallMs, taken?.cpuMs].map(ms => ms?.toFixed(1) ?? '-')
  const head = ['command', 'podwire', 'CPU', 'wg', 'CPU']
  const lines = rows.map(row => [row.command, ...cells(row.podwire), ...cells(row.wg)])
  const table = [head, ['---', ...head.slice(1).map(() => '---:')], ...lines].map(line => `| ${line.join(' | ')} |`)
  return `${table.join('\n')}

Milliseconds from start to end, and of CPU (user and system, which may be on two cores at once). \`node -e 0\` is what Node.js
takes to start and do nothing: podwire's part is what comes on top. The device is podwire's, with ${peers.toLocaleString('en-US')} peers of two AllowedIPs each,
and its own time to answer is in both. Medians of ${rounds} interleaved rounds of ${runsEach} runs each, on ${date}: Linux ${kernel},
${cores} cores of ${cpu}; Node.js ${node}, wireguard-tools ${wg}.
`
}
