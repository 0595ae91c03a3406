// The MTU of each path, found: agents on hosts that packets of different lengths reach.
//
//   a ---+                                                       +--- b, IPv4 only
//   c ---+-- left (9000) -- r -- middle (1500) -- s -- right ----+--- d, IPv6 only
//
// The middle narrows and widens. Whoever narrows it says so at first (ICMP), and then does not.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { addressAt, formatAddress, parsePrefix } from '../../src/base/cidr.ts'
import { startCapture } from '../../src/lab/capture.ts'
import { type Lab, startLab } from '../../src/lab/lab.ts'
import { parseFrame } from '../../src/lab/packet.ts'
import { parsePcap } from '../../src/lab/pcap.ts'
import { formatNetworkConfig } from '../../src/model/network-config.ts'
import { assertNothingLeft, machineLinks } from './leftovers.ts'
import { AgentProcess, device } from './mesh.ts'
import { until } from './until.ts'

const limit = { timeout: 300_000 }
const agentProgram = fileURLToPath(new URL('./path-agent.js', import.meta.url))
const tcpEnd = fileURLToPath(new URL('./tcp-end.js', import.meta.url))
const port = 51820

const places = {
  a: ['192.0.2.1', '2001:db8:1::1'],
  c: ['192.0.2.2', '2001:db8:1::2'],
  b: ['203.0.113.1'],
  d: ['2001:db8:3::2'],
} as const
type Host = keyof typeof places
const hosts = Object.keys(places) as Host[]

/** Those behind the middle, and what is outside the tunnel to them: IPv4 or IPv6, UDP, WireGuard. */
const far = [
  ['b', 60],
  ['d', 80],
] as const

class Paths implements AsyncDisposable {
  readonly lab: Lab
  readonly folder: string
  readonly agents = new Map<Host, AgentProcess>()
  readonly #linksBefore: readonly string[]

  private constructor(lab: Lab, folder: string, linksBefore: readonly string[]) {
    this.lab = lab
    this.folder = folder
    this.#linksBefore = linksBefore
  }

  static async start(): Promise<Paths> {
    const linksBefore = machineLinks()
    const folder = mkdtempSync(join(tmpdir(), 'podwire-mtu-'))
    const left = (host: number) => ({ network: 'left', addresses: [`192.0.2.${host}/24`, `2001:db8:1::${host}/64`] })
    const middle = (host: number) => ({ network: 'middle', addresses: [`10.1.0.${host}/24`, `2001:db8:2::${host}/64`] })
    const right = (host: number) => ({
      network: 'right',
      addresses: [`203.0.113.${host}/24`, `2001:db8:3::${host}/64`],
    })
    const lab = await startLab({
      name: `mtu-${process.pid}`,
      networks: { left: { mtu: 9000 }, middle: {}, right: {} },
      hosts: {
        a: { networks: [left(1)], gateways: ['192.0.2.9', '2001:db8:1::9'] },
        c: { networks: [left(2)], gateways: ['192.0.2.9', '2001:db8:1::9'] },
        r: { networks: [left(9), middle(1)], gateways: ['10.1.0.2', '2001:db8:2::2'], forward: true },
        s: { networks: [middle(2), right(9)], gateways: ['10.1.0.1', '2001:db8:2::1'], forward: true },
        b: { networks: [{ network: 'right', addresses: ['203.0.113.1/24'] }], gateways: ['203.0.113.9'] },
        d: { networks: [{ network: 'right', addresses: ['2001:db8:3::2/64'] }], gateways: ['2001:db8:3::9'] },
      },
    })
    const paths = new Paths(lab, folder, linksBefore)
    mkdirSync(paths.#store)
    const range = ['10.99.0.0/16', 'fd99:5eed:cafe::/48']
    const network = { name: 'mtu', range, nodePrefixLength: { ipv4: 24, ipv6: 64 } }
    writeFileSync(join(paths.#store, 'network.json'), formatNetworkConfig(network))
    // What a router said is forgotten after ten minutes otherwise.
    for (const host of hosts) {
      await lab.exec(host, ['sysctl', '-qw', 'net.ipv4.route.mtu_expires=1', 'net.ipv6.route.mtu_expires=1'])
    }
    return paths
  }

  get #store(): string {
    return join(this.folder, 'store')
  }

  async startAgent(name: Host): Promise<void> {
    const options = {
      store: `file:${this.#store}`,
      name,
      device,
      backend: 'userspace',
      listenPort: port,
      endpoints: places[name].map(address => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)),
      stateFolder: join(this.folder, `state-${name}`),
    }
    // A datagram is a frame: what a capture shows is what would be on a wire.
    const env = { ...process.env, PODWIRE_DEVICE_OPTIONS: '--no-gso' }
    const stdio = ['ignore', 'pipe', 'pipe'] as const
    const command = [process.execPath, agentProgram, JSON.stringify(options)] as const
    const agent = new AgentProcess(this.lab.spawn(name, command, { stdio: [...stdio], env }))
    this.agents.set(name, agent)
    await agent.said('in sync with the store')
  }

  prefixes(host: Host): string[] {
    const line = this.agents.get(host)?.lines.find(({ msg }) => msg === 'in sync with the store')
    return line?.prefixes as string[]
  }

  /** The host's own address in the network; or that of a container of it. */
  inner(host: Host, which = 1n): string[] {
    return this.prefixes(host).map(text => formatAddress(addressAt(parsePrefix(text, host), which)))
  }

  /** What the routes of a host to another say. */
  async mtus(from: Host, to: Host): Promise<number[]> {
    const read = async (family: string) => JSON.parse((await this.lab.exec(from, ['ip', family, '-j', 'route'])).stdout)
    const routes = [...(await read('-4')), ...(await read('-6'))]
    return this.prefixes(to).map(
      prefix => routes.find(({ dst, dev }) => dst === prefix && dev === device)?.metrics?.[0]?.mtu,
    )
  }

  async untilMtu(from: Host, to: Host, mtu: number): Promise<void> {
    let seen: number[] = []
    await until(
      `${from} has ${mtu} to ${to}`,
      async () => {
        seen = await this.mtus(from, to)
        return seen.every(found => found === mtu)
      },
      60,
    ).catch(error => {
      throw new Error(`${error.message}; it has ${seen}${this.#log(from)}`)
    })
  }

  /** Both ends of the middle; what is known of it before is forgotten within a second. */
  async narrow(mtu: number): Promise<void> {
    for (const host of ['r', 's']) await this.lab.exec(host, ['ip', 'link', 'set', 'middle', 'mtu', String(mtu)])
  }

  /** Routers say nothing of packets that are too long. */
  async silence(): Promise<void> {
    const rules = `table inet silent {
      chain out {
        type filter hook output priority 0
        icmp type destination-unreachable drop
        icmpv6 type packet-too-big drop
      }
    }\n`
    for (const host of ['r', 's']) await this.lab.exec(host, ['nft', '-f', '-'], { input: rules })
  }

  async ping(from: Host, to: Host): Promise<void> {
    const ping = ['ping', '-c', '1', '-W', '1', this.inner(to)[0] ?? ''] as [string, ...string[]]
    let said = ''
    const answered = async () => {
      const outcome = await this.lab.exec(from, ping).catch((error: Error) => error)
      said = outcome instanceof Error ? outcome.message : ''
      return said === ''
    }
    await until(`${from} reaches ${to}`, answered, 60).catch(error => {
      throw new Error(`${error.message}: ${said}${this.#log(from)}`)
    })
  }

  #log(host: Host): string {
    return (
      this.agents
        .get(host)
        ?.lines.slice(-12)
        .map(line => `\n${JSON.stringify(line)}`)
        .join('') ?? ''
    )
  }

  /** Of a host, or a container of one. */
  async receive(host: string): Promise<void> {
    const child = this.lab.spawn(host, [process.execPath, tcpEnd, 'receive', '7000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let ready = false
    child.stdout?.on('data', () => {
      ready = true
    })
    await until('it receives', () => ready)
  }

  /** Fails unless all of it comes, and when nothing moves for 15 s. */
  async transfer(from: Host, to: Host, bytes: number): Promise<void> {
    await this.lab.exec(from, [process.execPath, tcpEnd, 'send', '7000', String(bytes), ...this.inner(to)])
  }

  /** The longest packet of the tunnel on either side of the middle; fails if there is a fragment. */
  async longestDuring(run: () => Promise<void>): Promise<number> {
    const files = ['left', 'right'].map(network => join(this.folder, `${network}.pcap`))
    const captures = await Promise.all(
      files.map((file, i) => startCapture(this.lab, ['r', 's'][i] ?? '', ['left', 'right'][i] ?? '', file)),
    )
    await run()
    for (const capture of captures) assert.equal((await capture.stop()).dropped, 0)
    let longest = 0
    for (const file of files) {
      for (const { bytes } of parsePcap(readFileSync(file), file)) {
        const { fragment, udpPayload } = parseFrame(bytes)
        assert.equal(fragment, undefined, 'no fragment')
        // Messages of data: what asks for longer ones goes beside the tunnel.
        if (udpPayload?.[0] === 4) longest = Math.max(longest, bytes.length - 14)
      }
    }
    return longest
  }

  /** What each end of a connection between containers hears of the other's segments. */
  async segmentsOf(from: Host, to: Host): Promise<number[]> {
    const [address = ''] = this.inner(to, 2n)
    const heard = [from, to].map(host => {
      const filter = ['-i', 'pwbox', '-Q', 'out', '-nlv', 'tcp[tcpflags] & tcp-syn != 0']
      const dump = this.lab.spawn(host, ['tcpdump', ...filter], { stdio: ['ignore', 'pipe', 'pipe'] })
      const seen = { dump, text: '', ready: false }
      dump.stdout?.setEncoding('utf8').on('data', (text: string) => {
        seen.text += text
      })
      dump.stderr?.on('data', () => {
        seen.ready = true
      })
      return seen
    })
    await until('both captures', () => heard.every(({ ready }) => ready))
    await this.lab.exec(`${from}/box`, [process.execPath, tcpEnd, 'send', '7000', '100000', address])
    const segments = () => heard.flatMap(({ text }) => [/\bmss (\d+)/.exec(text)?.[1] ?? []].flat().map(Number))
    await until('both were heard', () => segments().length === 2)
    for (const { dump } of heard) dump.kill()
    return segments()
  }

  /** Transfers between a and those far away, both ways, until the MTUs are these; never stalls. */
  async untilMtus(expected: (overheadBytes: number) => { there: number; back: number }): Promise<void> {
    let ended = false
    const found = far.flatMap(([to, overheadBytes]) => {
      const { there, back } = expected(overheadBytes)
      return [this.untilMtu('a', to, there), this.untilMtu(to, 'a', back)]
    })
    const all = Promise.all(found).finally(() => {
      ended = true
    })
    const keep = async (from: Host, to: Host) => {
      while (!ended) await this.transfer(from, to, 200_000)
    }
    await Promise.all([all, ...far.flatMap(([to]) => [keep('a', to), keep(to, 'a')])])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.stop()
    rmSync(this.folder, { recursive: true, force: true })
    assertNothingLeft(this.lab.name, this.#linksBefore)
  }
}

/** The longest multiple of 16 that a path carries inside. */
const fit = (pathBytes: number, overheadBytes: number) =>
  Math.max(1280, pathBytes - overheadBytes - ((pathBytes - overheadBytes) % 16))
const both = (pathBytes: number) => (overheadBytes: number) => {
  const mtu = fit(pathBytes, overheadBytes)
  return { there: mtu, back: mtu }
}

test('path MTU: jumbo frames to one, paths that narrow and widen to others, over IPv4 and IPv6', limit, async () => {
  await using paths = await Paths.start()
  for (const host of hosts) await paths.startAgent(host)
  for (const host of ['a', 'b', 'd'] as const) {
    await paths.receive(host)
    await paths.lab.attachContainer(host, 'box', paths.inner(host, 2n))
    await paths.receive(`${host}/box`)
  }
  for (const to of ['b', 'c', 'd'] as const) await paths.ping('a', to)
  await paths.untilMtu('a', 'c', 8920)
  // The far ones have a device of 1420, and no route goes beyond it.
  await paths.untilMtus(overheadBytes => ({ there: fit(1500, overheadBytes), back: 1420 }))

  // A router that says so. Settled, all that passes fits, and nothing is cut on its way; segments begin with what fits.
  await paths.narrow(1420)
  await paths.untilMtus(both(1420))
  const longest = await paths.longestDuring(async () => {
    for (const [to] of far) {
      await paths.transfer('a', to, 200_000)
      await paths.transfer(to, 'a', 200_000)
    }
  })
  assert.ok(longest <= 1420 && longest > 1300, `${longest}`)
  for (const [to, overheadBytes] of far) {
    const segment = fit(1420, overheadBytes) - 40
    await until(
      `segments of ${segment}`,
      async () => (await paths.segmentsOf('a', to)).every(said => said === segment),
      60,
    )
  }

  // A black hole.
  await paths.silence()
  await paths.narrow(1370)
  await paths.untilMtus(both(1370))
  await paths.untilMtu('a', 'c', 8920)

  await paths.narrow(1500)
  await paths.untilMtus(overheadBytes => ({ there: fit(1500, overheadBytes), back: 1420 }))
})
