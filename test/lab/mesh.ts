// A lab in which agents run: hosts on one LAN, a store in a folder, a container on each host once it has its prefix.
//
//   a 192.0.2.1, 2001:db8::1     b 192.0.2.2, 2001:db8::2     c …3          (LAN "wan")
//   a/box at the second address of a's prefixes, and so on

import assert from 'node:assert/strict'
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { AgentOptions } from '../../src/agent/agent.ts'
import { addressAt, formatAddress, parsePrefix } from '../../src/base/cidr.ts'
import { exec } from '../../src/base/exec.ts'
import type { HostDescription } from '../../src/lab/description.ts'
import { type Lab, startLab } from '../../src/lab/lab.ts'
import { formatNetworkConfig, type NetworkConfig } from '../../src/model/network-config.ts'
import { assertNothingLeft, machineLinks } from './leftovers.ts'

export const cli = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

const network: NetworkConfig = {
  name: 'mesh',
  range: ['10.99.0.0/16', 'fd99:5eed:cafe::/48'],
  nodePrefixLength: { ipv4: 24, ipv6: 64 },
}
export const overlay = network.range
export const device = 'podwire0'

interface LogLine {
  readonly msg: string
  readonly [value: string]: unknown
}

/** An agent in a host of the lab, and what it logged. */
export class AgentProcess {
  readonly child: ChildProcess
  readonly lines: LogLine[] = []
  errors = ''

  constructor(child: ChildProcess) {
    this.child = child
    if (child.stdout) createInterface({ input: child.stdout }).on('line', line => this.lines.push(JSON.parse(line)))
    child.stderr?.on('data', chunk => {
      this.errors += chunk
    })
  }

  async said(msg: string): Promise<LogLine> {
    return await until(`the agent says "${msg}"`, () => {
      assert.equal(this.child.exitCode, null, this.errors)
      return this.lines.find(line => line.msg === msg)
    })
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (this.hasEnded) return
    const closed = once(this.child, 'close')
    this.child.kill(signal)
    await closed
  }
}

/** Looks often until `look` finds something, and returns it; gives up after ten seconds. */
export async function until<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
  more: () => string = () => '',
): Promise<T> {
  for (const deadline = performance.now() + 10_000; ; await delay(10)) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > deadline) assert.fail(`not within 10 s: ${what} ${more()}`)
  }
}

type Backend = AgentOptions['backend']

export class Mesh implements AsyncDisposable {
  readonly lab: Lab
  readonly folder: string
  readonly agents = new Map<string, AgentProcess>()
  readonly #linksBefore: readonly string[]

  readonly #backend: Backend

  private constructor(lab: Lab, folder: string, linksBefore: readonly string[], backend: Backend) {
    this.#backend = backend
    this.lab = lab
    this.folder = folder
    this.#linksBefore = linksBefore
  }

  /** A lab and a store, and no agent yet. `gateways`: whose default route leads to whom. */
  static async start(
    test: string,
    {
      hosts,
      gateways = {},
      backend = 'userspace',
    }: { hosts: readonly string[]; gateways?: Record<string, string>; backend?: Backend },
  ): Promise<Mesh> {
    const linksBefore = machineLinks()
    const folder = mkdtempSync(join(tmpdir(), `podwire-${test}-`))
    chmodSync(folder, 0o755) // one test is not root
    const lab = await startLab({
      name: `${test}-${process.pid}`,
      networks: { wan: {} },
      hosts: Object.fromEntries(hosts.map(host => [host, describe(host, gateways[host])])),
    })
    const mesh = new Mesh(lab, folder, linksBefore, backend)
    mesh.makeStore()
    return mesh
  }

  get storeFolder(): string {
    return join(this.folder, 'store')
  }

  makeStore(): void {
    mkdirSync(this.storeFolder)
    writeFileSync(join(this.storeFolder, 'network.json'), formatNetworkConfig(network))
  }

  command(host: string, ...more: string[]): [string, ...string[]] {
    const state = join(this.folder, `state-${host}`)
    const where = ['--store', `file:${this.storeFolder}`, '--state', state, '--name', host, '--backend', this.#backend]
    return [process.execPath, cli, 'agent', ...where, '--endpoint', `${addresses(host)[0]}:51820`, ...more]
  }

  spawnAgent(host: string, ...more: string[]): AgentProcess {
    const stdio: SpawnOptions = { stdio: ['ignore', 'pipe', 'pipe'] }
    const agent = new AgentProcess(this.lab.spawn(host, this.command(host, ...more), stdio))
    this.agents.set(host, agent)
    return agent
  }

  /** Starts the agent of a host, and waits until it is in sync. */
  async startAgent(host: string, ...more: string[]): Promise<AgentProcess> {
    const agent = this.spawnAgent(host, ...more)
    await agent.said('in sync with the store')
    return agent
  }

  agent(host: string): AgentProcess {
    const agent = this.agents.get(host)
    assert.ok(agent)
    return agent
  }

  /** Starts agents, hangs a container on each host, and waits until each container reaches every other. */
  async join(...hosts: string[]): Promise<void> {
    for (const host of hosts) {
      await this.startAgent(host)
      await this.lab.attachContainer(host, 'box', this.boxAddresses(host))
    }
    const all = [...this.agents.keys()]
    for (const host of hosts) {
      for (const other of all.filter(name => name !== host)) {
        for (const address of this.boxAddresses(other)) await this.ping(`${host}/box`, address)
      }
    }
  }

  /** Until there is an answer: the first may be lost to a handshake or to a record not yet read. */
  async ping(from: string, address: string): Promise<void> {
    const host = from.split('/')[0] ?? from
    const log = () => JSON.stringify(this.agents.get(host)?.lines.slice(-8), null, 1)
    await until(
      `${from} reaches ${address}`,
      () => this.lab.exec(from, ['ping', '-c', '1', '-W', '1', address]).catch(() => undefined),
      log,
    )
  }

  /** What the host's agent said that it claimed. */
  prefixes(host: string): string[] {
    const lines = this.agents.get(host)?.lines ?? []
    return (lines.find(({ msg }) => /^in sync/.test(msg))?.prefixes ?? []) as string[]
  }

  /** Runs an agent that should refuse to start; what it said. */
  async refusal(host: string, args: readonly string[], wrap: readonly string[] = []): Promise<string> {
    const [command, ...rest] = [...wrap, ...args] as [string, ...string[]]
    const said = await this.lab.exec(host, [command, ...rest], { timeout: 20_000 }).catch(error => String(error))
    assert.equal(typeof said, 'string', `it did not refuse: ${JSON.stringify(said)}`)
    return String(said)
  }

  boxAddresses(host: string): string[] {
    return this.prefixes(host).map(text => formatAddress(addressAt(parsePrefix(text, host), 2n)))
  }

  /** The peers of a host's device by key, without counters. */
  async peers(host: string): Promise<Map<string, string>> {
    const { stdout } = await this.lab.exec(host, ['wg', 'show', device, 'dump'])
    const [, ...lines] = stdout.trimEnd().split('\n')
    return new Map(
      lines.map(line => {
        const [key = '', psk, endpoint, allowed, handshake, , , keepalive] = line.split('\t')
        return [key, [psk, endpoint, allowed, handshake, keepalive].join(' ')]
      }),
    )
  }

  /** All that a host is: device, links, addresses, routes, rules with their handles. Counters apart. */
  async snapshot(host: string): Promise<Record<string, unknown>> {
    const read = async (...command: [string, ...string[]]) => (await this.lab.exec(host, command)).stdout
    const [dump = ''] = (await read('wg', 'show', device, 'dump')).split('\n')
    const table = await read('nft', '-a', 'list', 'table', 'inet', 'podwire-podwire0')
    return {
      interface: dump,
      peers: [...(await this.peers(host))].sort(),
      addresses: JSON.parse(await read('ip', '-j', 'address', 'show', 'dev', device)),
      routes: [
        ...JSON.parse(await read('ip', '-j', 'route')),
        ...JSON.parse(await read('ip', '-6', '-j', 'route')),
      ].map(({ expires: _, ...route }) => route),
      rules: table.replace(/packets \d+ bytes \d+/g, ''),
    }
  }

  /** The process of a host's device. */
  async devicePid(host: string): Promise<number> {
    const namespace = statSync(this.lab.namespacePath(host)).ino
    const { stdout } = await exec(['ps', '-e', '-o', 'pid=,args='])
    const pids = stdout.split('\n').flatMap(line => {
      const [, pid = '', args = ''] = /^ *(\d+) (.*)$/.exec(line) ?? []
      const mine = args.includes(` device ${device}`) && statSync(`/proc/${pid}/ns/net`, { throwIfNoEntry: false })
      return mine && mine.ino === namespace ? Number(pid) : []
    })
    assert.equal(pids.length, 1)
    return pids[0] ?? 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.stop()
    rmSync(this.folder, { recursive: true, force: true })
    assertNothingLeft(this.lab.name, this.#linksBefore)
  }
}

function addresses(host: string): [string, string] {
  const place = host.charCodeAt(0) - 96
  return [`192.0.2.${place}`, `2001:db8::${place}`]
}

export function describe(host: string, gateway?: string): HostDescription {
  const [ipv4, ipv6] = addresses(host)
  return {
    networks: [{ network: 'wan', addresses: [`${ipv4}/24`, `${ipv6}/64`] }],
    ...(gateway !== undefined && { gateways: addresses(gateway) }),
  }
}
