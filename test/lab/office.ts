// Hosts of a lab on which `podwire` is run as people run it: each has a root folder of its own (PODWIRE_ROOT), so that init,
// join and leave write where they would on machines of their own.
//
//   a 192.0.2.1, 2001:db8::1     b 192.0.2.2, 2001:db8::2     c …3          (LAN "wan")

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HostDescription } from '../../src/lab/description.ts'
import { type Lab, startLab } from '../../src/lab/lab.ts'
import { assertNothingLeft, machineLinks } from './leftovers.ts'
import { AgentProcess, cli, describe } from './mesh.ts'
import { until } from './until.ts'

export class Office implements AsyncDisposable {
  readonly lab: Lab
  readonly folder: string
  /** What `traces` says of a host that podwire has not touched. */
  bare = ''
  readonly #agents = new Map<string, AgentProcess>()
  readonly #linksBefore: readonly string[]

  private constructor(lab: Lab, folder: string, linksBefore: readonly string[]) {
    this.lab = lab
    this.folder = folder
    this.#linksBefore = linksBefore
  }

  /** A lab; `describeHost` says where its hosts are. */
  static async start(
    test: string,
    hosts: readonly string[],
    describeHost: (host: string) => HostDescription = describe,
  ): Promise<Office> {
    const linksBefore = machineLinks()
    const folder = mkdtempSync(join(tmpdir(), `podwire-${test}-`))
    const lab = await startLab({
      name: `${test}-${process.pid}`,
      networks: { wan: {} },
      hosts: Object.fromEntries(hosts.map(host => [host, describeHost(host)])),
    })
    const office = new Office(lab, folder, linksBefore)
    office.bare = await office.traces(hosts[0] ?? '')
    return office
  }

  readonly until = until
  /** Podwire's own. */
  readonly command = [process.execPath, cli] as const

  /** The number of a host, by which its addresses end. */
  place(host: string): number {
    return host.charCodeAt(0) - 96
  }

  /** Where a path of the host is on this machine. */
  path(host: string, path: string): string {
    return join(this.folder, host, path)
  }

  /** Runs a script on a host, with the command line of podwire as "$@". */
  async shell(host: string, script: string): Promise<string> {
    const command = this.#command(host, ['sh', '-ec', script, 'sh', process.execPath, cli])
    return (await this.lab.exec(host, command, { timeout: 60_000 })).stdout
  }

  /** With the host's own root folder, and its name as the machine's. */
  #command(host: string, command: readonly string[]): [string, ...string[]] {
    const root = this.path(host, '/')
    mkdirSync(root, { recursive: true })
    const name = ['unshare', '--uts', 'sh', '-ec', 'hostname "$0"; exec "$@"', host] as const
    return [...name, 'env', `PODWIRE_ROOT=${root}`, ...command]
  }

  sh(host: string, script: string): Promise<string> {
    return this.shell(host, script)
  }

  podwire(host: string, words: readonly string[]): Promise<string> {
    const quoted = words.map(word => `'${word}'`).join(' ')
    return this.shell(host, `"$@" ${quoted}`)
  }

  /** What a command says that ends with an error; that it does is asserted. */
  async refusal(host: string, words: readonly string[]): Promise<string> {
    const said = await this.podwire(host, words).catch((error: Error) => error)
    assert.ok(said instanceof Error, `${words.join(' ')} was not refused: ${said}`)
    // Without the command line, which is no part of what it says.
    return said.message.replace(/^.*? ended with /s, '').replaceAll('\n', ' ')
  }

  /** Starts `podwire agent NETWORK`, and waits until it is in sync. */
  async startAgent(host: string, network: string, ...more: string[]): Promise<AgentProcess> {
    const agent = this.start(host, ['agent', network, ...more])
    await agent.said('in sync with the store')
    return agent
  }

  /** Starts a command of podwire that stays: the agent or the server, whose log it keeps. */
  start(host: string, words: readonly string[]): AgentProcess {
    const command = this.#command(host, [process.execPath, cli, ...words])
    const child = new AgentProcess(this.lab.spawn(host, command, { stdio: ['ignore', 'pipe', 'pipe'] }))
    if (words[0] === 'agent') this.#agents.set(host, child)
    return child
  }

  /** Waits until the agent of a host has ended by itself; its exit status. */
  async agentEnded(host: string): Promise<number | null | undefined> {
    const agent = this.#agents.get(host)
    await until(`the agent of ${host} ends`, async () => agent?.hasEnded !== false)
    this.#agents.delete(host)
    return agent?.child.exitCode
  }

  async endAgent(host: string, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.#agents.get(host)?.end(signal)
    this.#agents.delete(host)
  }

  /** Waits until each of these nodes reaches each other at its overlay addresses. */
  async reach(...hosts: string[]): Promise<void> {
    const addresses = new Map<string, string[]>()
    for (const host of hosts) {
      await until(`${host} has its addresses`, async () => {
        const { stdout } = await this.lab.exec(host, ['ip', '-j', 'address'])
        const device = JSON.parse(stdout).find(({ ifname }: { ifname: string }) => ifname === 'podwire0')
        const found = (device?.addr_info ?? []).filter(({ scope }: { scope: string }) => scope === 'global')
        addresses.set(
          host,
          found.map(({ local }: { local: string }) => local),
        )
        return found.length === 2
      })
    }
    for (const from of hosts) {
      for (const address of hosts.filter(host => host !== from).flatMap(host => addresses.get(host) ?? [])) {
        const ping: [string, ...string[]] = ['ping', '-c', '1', '-W', '1', address]
        const answers = () =>
          this.lab.exec(from, ping).then(
            () => true,
            () => false,
          )
        await until(`${from} reaches ${address}`, answers, 20)
      }
    }
  }

  /** What podwire may leave on a host: links, routes, rules, sockets, processes. */
  async traces(host: string): Promise<string> {
    const { stdout } = await this.lab.exec(host, [
      'sh',
      '-c',
      `ip -o link | sed 's/^[0-9]*: //; s/@.*//' | cut -d: -f1
      ip route show table all | grep -v 'dev wan\\|dev lo'; ip -6 route show table all | grep -v 'dev wan\\|dev lo'
      nft list ruleset; ls /run/wireguard 2>/dev/null; true`,
    ])
    return stdout
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.stop()
    rmSync(this.folder, { recursive: true, force: true })
    assertNothingLeft(this.lab.name, this.#linksBefore)
  }
}
