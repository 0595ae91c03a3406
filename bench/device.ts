// `npm run bench -- device [--quick]`: TCP through two userspace devices, podwire's and wireguard-go's, and over the bare
// link, in one lab and one interleaved run. Prints a Markdown table of medians and ratios; writes bench/results/device.json.
//
//   host a ── veth, MTU 1500 ── host b      a device on each, both on this machine

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, homedir, release } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exec } from '../src/base/exec.ts'
import type { Secret } from '../src/base/secret.ts'
import { type Lab, startLab } from '../src/lab/lab.ts'
import { generatePrivateKey, publicKeyOf } from '../src/wireguard/keys.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const podwire = [process.execPath, `${root}build/src/cli/main.js`, 'device', '-f'] as const
const wireguardGo =
  process.env.PODWIRE_WIREGUARD_GO ??
  join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'podwire/bin/wireguard')

interface Side {
  readonly host: 'a' | 'b'
  readonly link: string
  readonly inner: string
  readonly privateKey: Secret
}

interface Subject {
  readonly name: string
  /** Where the iperf3 server is reached. */
  readonly target: string
  /** Peak resident memory of the two device processes, in MB. */
  peakMemoryMb(): number[]
}

type Metric = 'TCP, 1 stream' | 'TCP, 4 streams'
const streams: Record<Metric, number> = { 'TCP, 1 stream': 1, 'TCP, 4 streams': 4 }

/** Runs the benchmark and prints its table. `quick` is 3 runs of 2 s instead of 5 of 5 s. */
export async function benchDevice({ quick }: { quick: boolean }): Promise<void> {
  if (!existsSync(wireguardGo))
    throw new Error(`no wireguard-go at ${wireguardGo}; \`npm run bench\` builds it with Go`)
  const [rounds, seconds] = quick ? [3, 2] : [5, 5]
  await using lab = await startLab({
    name: `bench-${process.pid}`,
    networks: { wire: { mtu: 1500 } },
    hosts: {
      a: { networks: [{ network: 'wire', addresses: ['192.0.2.1/24'] }] },
      b: { networks: [{ network: 'wire', addresses: ['192.0.2.2/24'] }] },
    },
  })
  const subjects = [
    { name: 'bare link', target: '192.0.2.2', peakMemoryMb: () => [] },
    await startDevices(lab, 'wireguard-go', [wireguardGo, '-f'], 1),
    await startDevices(lab, 'podwire', podwire, 2),
  ]
  lab.spawn('b', ['iperf3', '-s'], { stdio: 'ignore' })
  await listening(lab, 5201)

  const samples = new Map<string, number[]>()
  for (let round = 1; round <= rounds; round++) {
    for (const metric of Object.keys(streams) as Metric[]) {
      for (const subject of subjects) {
        const gbit = await throughput(lab, subject.target, streams[metric], seconds)
        const key = `${subject.name}/${metric}`
        samples.set(key, [...(samples.get(key) ?? []), gbit])
        console.error(
          `round ${round}/${rounds}  ${subject.name.padEnd(13)} ${metric.padEnd(15)} ${gbit.toFixed(2)} Gbit/s`,
        )
      }
    }
  }

  const medianOf = (subject: string, metric: Metric) => median(samples.get(`${subject}/${metric}`) ?? [])
  const rows = subjects.map(({ name, peakMemoryMb }) => ({
    subject: name,
    gbitPerSecond: Object.fromEntries(
      (Object.keys(streams) as Metric[]).map(metric => [metric, medianOf(name, metric)]),
    ),
    ratioToWireguardGo: Object.fromEntries(
      (Object.keys(streams) as Metric[]).map(metric => [
        metric,
        medianOf(name, metric) / medianOf('wireguard-go', metric),
      ]),
    ),
    peakMemoryMb: peakMemoryMb(),
  }))
  const conditions = {
    kernel: release(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    congestionControl: 'cubic',
    linkMtu: 1500,
    deviceMtu: 1420,
    rounds,
    secondsEach: seconds,
    wireguardGo: (await exec(['go', 'version', '-m', wireguardGo])).stdout.match(/mod\s+\S+\s+(\S+)/)?.[1] ?? 'unknown',
  }
  mkdirSync(`${root}bench/results`, { recursive: true })
  const document = { conditions, rows, samples: Object.fromEntries(samples) }
  writeFileSync(`${root}bench/results/device.json`, `${JSON.stringify(document, null, 2)}\n`)
  console.log(`| | ${Object.keys(streams).join(' | ')} | peak memory of each device |\n|---|---|---|---|`)
  for (const { subject, gbitPerSecond, ratioToWireguardGo, peakMemoryMb } of rows) {
    const cells = Object.keys(streams).map(
      metric => `${gbitPerSecond[metric]?.toFixed(2)} Gbit/s (${ratioToWireguardGo[metric]?.toFixed(2)}x)`,
    )
    console.log(
      `| ${subject} | ${cells.join(' | ')} | ${peakMemoryMb.map(mb => `${mb.toFixed(0)} MB`).join(', ') || '-'} |`,
    )
  }
  const { kernel, cpu, cores } = conditions
  console.log(
    `\nMedians of ${rounds} interleaved runs of ${seconds} s; Linux ${kernel}, ${cores} cores of ${cpu}, cubic, link MTU 1500,`,
  )
  console.log(
    `device MTU 1420, both ends on one machine; wireguard-go ${conditions.wireguardGo}; (x) is the ratio to it.`,
  )
}

/** Starts a pair of devices of one kind and joins them. `net` keeps pairs apart. */
async function startDevices(
  lab: Lab,
  name: string,
  command: readonly [string, ...string[]],
  net: number,
): Promise<Subject> {
  const sides: [Side, Side] = [
    { host: 'a', link: `bench${net}`, inner: `10.99.${net}.1`, privateKey: generatePrivateKey() },
    { host: 'b', link: `bench${net}`, inner: `10.99.${net}.2`, privateKey: generatePrivateKey() },
  ]
  const pids: number[] = []
  for (const { host, link } of sides) {
    const child = lab.spawn(host, [...command, link], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, LOG_LEVEL: 'error', WG_PROCESS_FOREGROUND: '1' },
    })
    if (child.pid !== undefined) pids.push(child.pid)
  }
  for (const [i, { host, link, inner, privateKey }] of sides.entries()) {
    const other = sides[1 - i] as Side
    await until(`${name} serves its socket on ${host}`, () => lab.exec(host, ['wg', 'show', link]))
    const config = [
      '[Interface]',
      `PrivateKey = ${Buffer.from(privateKey.bytes).toString('base64')}`,
      `ListenPort = ${51820 + net}`,
      '[Peer]',
      `PublicKey = ${publicKeyOf(other.privateKey)}`,
      `AllowedIPs = ${other.inner}/32`,
      `Endpoint = 192.0.2.${other.host === 'a' ? 1 : 2}:${51820 + net}`,
    ]
    // Node's pipes are sockets, which cannot be opened by name: hence the cat.
    await lab.exec(host, ['sh', '-c', `cat | wg setconf ${link} /dev/stdin`], { input: `${config.join('\n')}\n` })
    await lab.exec(host, ['ip', 'address', 'add', `${inner}/24`, 'dev', link])
    await lab.exec(host, ['ip', 'link', 'set', link, 'mtu', '1420', 'up'])
  }
  await until(`${name} passes a ping`, () => lab.exec('a', ['ping', '-c1', '-W1', sides[1].inner]))
  return {
    name,
    target: sides[1].inner,
    peakMemoryMb: () =>
      pids.map(pid => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000),
  }
}

async function throughput(lab: Lab, target: string, parallel: number, seconds: number): Promise<number> {
  const command = ['iperf3', '-c', target, '-t', `${seconds}`, '-P', `${parallel}`, '-C', 'cubic', '-J'] as const
  const { stdout } = await lab.exec('a', command)
  return JSON.parse(stdout).end.sum_received.bits_per_second / 1e9
}

async function listening(lab: Lab, port: number): Promise<void> {
  await until(`iperf3 listens on ${port}`, async () => {
    const { stdout } = await lab.exec('b', ['ss', '-Hltn', `sport = ${port}`])
    if (stdout === '') throw new Error('not yet')
  })
}

/** Tries until it succeeds, for at most 10 s. */
async function until(what: string, attempt: () => Promise<unknown>): Promise<void> {
  const deadlineMs = Date.now() + 10_000
  for (;;) {
    try {
      await attempt()
      return
    } catch (error) {
      if (Date.now() > deadlineMs) throw new Error(`waited 10 s until ${what}`, { cause: error })
    }
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}
