// A lab: hosts, networks and containers as namespaces of one machine, to run programs in. `startLab` makes it, `stop`
// removes it; so does the end of this process, however it ends but by SIGKILL, and then the next start does.

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { PodwireError, podwireError } from '../base/errors.ts'
import { type Execution, exec } from '../base/exec.ts'
import {
  configureHost,
  enter,
  joinLan,
  makeContainer,
  makeNamespaces,
  makeNetwork,
  membersOf,
  waitUntilUp,
} from './build.ts'
import { checkContainer, checkLab, type HostDescription, type LabDescription, withHost } from './description.ts'
import {
  claimLab,
  endLab,
  heardSignals,
  namespacesOf,
  readState,
  releaseLab,
  requireRoot,
  writeState,
} from './lifetime.ts'
import { hostNamespace, lanNamespace, mountPin, netnsPath, sharedFolder } from './names.ts'

type Command = readonly [string, ...string[]]
type ExecOptions = Parameters<typeof exec>[1]

/**
 * Brings a lab up. `file` is where the description came from, for messages.
 * Errors: ERR_PODWIRE_DOCUMENT, ERR_PODWIRE_LAB_IN_USE, ERR_PODWIRE_NEEDS_ROOT, ERR_PODWIRE_TOOL_MISSING,
 * ERR_PODWIRE_COMMAND_FAILED, ERR_PODWIRE_LAB_TIMEOUT; after any of them nothing is left.
 */
export async function startLab(given: LabDescription, options: { file?: string } = {}): Promise<Lab> {
  const description = checkLab(given)
  const { name, networks, hosts } = description
  await claimLab(description, options.file)
  const lab = new Lab(description, options.file)
  try {
    await makeNamespaces(
      name,
      Object.keys(hosts).map(host => hostNamespace(name, host)),
    )
    await Promise.all(
      Object.entries(networks).map(([network, settings]) =>
        makeNetwork(name, network, membersOf(description, network), settings),
      ),
    )
    await Promise.all(Object.entries(hosts).map(([host, settings]) => configureHost(name, host, settings)))
    for (const [host, { containers = {} }] of Object.entries(hosts)) {
      for (const [container, addresses] of Object.entries(containers)) {
        await makeContainer(name, host, container, addresses)
      }
    }
    await waitUntilUp(namespacesOf(name))
    return lab
  } catch (error) {
    await lab.stop()
    throw error
  }
}

/** The lab of that name that is up, whoever started it. Errors: ERR_PODWIRE_LAB_NOT_UP, ERR_PODWIRE_NEEDS_ROOT. */
export function openLab(name: string, file = 'FILE.json'): Lab {
  requireRoot('a lab')
  const state = readState(name)
  if (state === undefined) throw podwireError('ERR_PODWIRE_LAB_NOT_UP', { name, file })
  return new Lab(state.description, state.file)
}

export class Lab {
  #description: LabDescription
  readonly #file: string | undefined
  readonly #children = new Set<ChildProcess>()

  /** For startLab and openLab. */
  constructor(description: LabDescription, file: string | undefined) {
    this.#description = description
    this.#file = file
  }

  get name(): string {
    return this.#description.name
  }

  /** With the hosts that were added. */
  get description(): LabDescription {
    return this.#description
  }

  /** A folder that all hosts see, at this same path; it goes with the lab. */
  get sharedFolder(): string {
    return sharedFolder(this.name)
  }

  /** The file of the network namespace of a host ("a") or a container ("a/c1"), for setns(2). */
  namespacePath(host: string): string {
    return netnsPath(this.#namespace(host))
  }

  /** Where the network namespace of a LAN's bridge is; its ports have the names of the hosts. */
  lanNamespacePath(network: string): string {
    return netnsPath(lanNamespace(this.name, network))
  }

  /** The command line that runs a program in a host ("a") or a container ("a/c1"). Error: ERR_PODWIRE_USAGE. */
  command(host: string, program: readonly string[]): [string, ...string[]] {
    return [...enter(this.name, this.#namespace(host)), ...program]
  }

  /**
   * Runs a program in a host ("a") or a container ("a/c1") to its end.
   * Errors: ERR_PODWIRE_COMMAND_FAILED, ERR_PODWIRE_TOOL_MISSING, ERR_PODWIRE_USAGE for a host that is not there.
   */
  async exec(host: string, command: Command, options: ExecOptions = {}): Promise<Execution> {
    const prefix = this.command(host, [])
    try {
      return await exec([...prefix, ...command], options)
    } catch (error) {
      if (!(error instanceof PodwireError)) throw error
      if (error.message.includes(`exec: ${command[0]}: not found`)) {
        const values = { tool: command[0], what: `a command in the host ${host}`, package: command[0] }
        throw podwireError('ERR_PODWIRE_TOOL_MISSING', values, error)
      }
      const message = error.message.replace(prefix.join(' '), `[${host}]`)
      throw new PodwireError(error.code, message, error.hint, { cause: error.cause })
    }
  }

  /** Starts a program in a host or a container. The child's pid is the program's own; it is killed when the lab stops. */
  spawn(host: string, command: Command, options: SpawnOptions = {}): ChildProcess {
    const [tool, ...args] = this.command(host, command)
    const child = spawn(tool, args, options)
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  /** Adds a host to the running lab. Its networks must be LANs. Errors: ERR_PODWIRE_DOCUMENT and those of startLab. */
  async addHost(name: string, host: HostDescription): Promise<void> {
    const description = withHost(this.#description, name, host)
    for (const { network } of host.networks ?? []) {
      if (existsSync(this.lanNamespacePath(network))) continue
      const reason = 'a link has two ends; describe the network with three members, and it is a LAN'
      const path = `hosts.${name}.networks`
      throw podwireError('ERR_PODWIRE_DOCUMENT', { file: 'lab description', path, reason: `${network}: ${reason}` })
    }
    await makeNamespaces(this.name, [hostNamespace(this.name, name)])
    for (const { network } of host.networks ?? []) {
      await joinLan(this.name, network, name, description.networks[network] ?? {})
    }
    await configureHost(this.name, name, host)
    for (const [container, addresses] of Object.entries(host.containers ?? {})) {
      await makeContainer(this.name, name, container, addresses)
    }
    await waitUntilUp([hostNamespace(this.name, name)])
    this.#description = description
    const detached = readState(this.name)?.owner === null
    writeState(description, { detached, ...(this.#file !== undefined && { file: this.#file }) })
  }

  /** Hangs a container with these addresses on a host. Its interface on the host is "pw" and its name. */
  async attachContainer(host: string, name: string, addresses: readonly string[]): Promise<void> {
    checkContainer(host, name, addresses)
    const inside = hostNamespace(this.name, `${host}/${name}`)
    if (existsSync(netnsPath(inside))) {
      const values = {
        file: `host ${host}`,
        path: `containers.${name}`,
        reason: 'the host has a container of that name',
      }
      throw podwireError('ERR_PODWIRE_DOCUMENT', values)
    }
    this.#namespace(host)
    await makeContainer(this.name, host, name, addresses)
    await waitUntilUp([inside])
  }

  /** Leaves the lab up when this process ends. */
  detach(): void {
    writeState(this.#description, { detached: true, ...(this.#file !== undefined && { file: this.#file }) })
    releaseLab(this.name)
  }

  /** Kills what runs in the lab and removes it. Again is no error. */
  async stop(): Promise<void> {
    const exits = [...this.#children].map(child => {
      child.ref() // it may have been let go, and is waited for now
      return new Promise(resolve => child.once('exit', resolve))
    })
    await endLab(this.name)
    await heardSignals()
    releaseLab(this.name)
    await Promise.all(exits)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #namespace(host: string): string {
    const namespace = hostNamespace(this.name, host)
    if (!existsSync(mountPin(this.name, namespace))) {
      const hosts = Object.keys(this.#description.hosts).join(', ')
      const what = `the lab "${this.name}" has no host or container "${host}"; its hosts are ${hosts}`
      throw podwireError('ERR_PODWIRE_USAGE', { what, command: 'lab' })
    }
    return namespace
  }
}
