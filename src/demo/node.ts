// One host of the demo with its agent, started as a user would start it, and its two containers with a web server each.

import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { addressAt, formatAddress, parsePrefix } from '../base/cidr.ts'
import { podwireError } from '../base/errors.ts'
import type { Lab } from '../lab/lab.ts'
import { network, range, serverHost } from './network.ts'

const device = 'podwire0'
export const webPort = 8080
const webServer = fileURLToPath(new URL('./web-server.js', import.meta.url))

/** A container, as the lab names it ("a/c1"), and its addresses. */
export interface Container {
  readonly name: string
  readonly node: string
  readonly addresses: readonly string[]
}

/** What all the demo's steps share. */
export interface Stage {
  readonly lab: Lab
  /** The command line of podwire: node and the file of its command. */
  readonly podwire: readonly [string, string]
  /** In every ping and every page, so that a capture in clear would show it: 16 bytes. */
  readonly canary: string
}

function logFile({ lab }: Stage, name: string): string {
  return join(lab.sharedFolder, 'logs', `${name}.log`)
}

/** Podwire on a host, with a root folder of its own, as if the host were a machine of its own. */
function podwireOn({ lab, podwire }: Stage, host: string, words: readonly string[]): [string, ...string[]] {
  return ['env', `PODWIRE_ROOT=${join(lab.sharedFolder, 'roots', host)}`, ...podwire, ...words]
}

async function run(stage: Stage, host: string, words: readonly string[]): Promise<string> {
  return (await stage.lab.exec(host, podwireOn(stage, host, words))).stdout
}

/** Sets the network up and starts its server: both go with the lab. */
export async function startServer(stage: Stage): Promise<void> {
  const { name, address } = serverHost
  mkdirSync(join(stage.lab.sharedFolder, 'logs'), { recursive: true })
  const ranges = range.flatMap(prefix => ['--range', prefix])
  await run(stage, name, ['init', network, ...ranges, '--store', `server:https://${address}:7443`])
  startApart(stage, name, 'server', podwireOn(stage, name, ['server']))
  await until('the server', () => readFileSync(logFile(stage, 'server'), 'utf8').includes('the server is ready'))
}

/** A token by which one host may join. */
export async function makeToken(stage: Stage): Promise<string> {
  return (await run(stage, serverHost.name, ['token', 'create'])).trim()
}

/** Makes a host a node, and starts its agent. */
export async function joinNetwork(stage: Stage, node: string, token: string): Promise<ChildProcess> {
  await run(stage, node, ['join', '--name', node, '--backend', 'userspace', token])
  return startAgent(stage, node)
}

/** Starts the agent of a host; what it says is added to the host's log. It goes with the lab, not with this process. */
export function startAgent(stage: Stage, node: string): ChildProcess {
  return startApart(stage, node, `agent-${node}`, podwireOn(stage, node, ['agent', network]))
}

function startApart(stage: Stage, host: string, log: string, command: [string, ...string[]]): ChildProcess {
  const output = openSync(logFile(stage, log), 'a')
  const child = stage.lab.spawn(host, command, { stdio: ['ignore', output, output], detached: true })
  child.unref()
  return child
}

/** The prefixes in a node's record, when it is written; an agent that has ended is an error with what it said last. */
export async function claimedPrefixes(stage: Stage, node: string, agent: ChildProcess): Promise<readonly string[]> {
  const written = () =>
    agentLog(stage, node)
      .split('\n')
      .find(line => line.includes('"own record written"'))
  await until(`the record of node ${node}`, () => {
    if (agent.exitCode === null && agent.signalCode === null) return written() !== undefined
    const output = logTail(stage, node)
    const command = `podwire agent ${network}`
    throw podwireError('ERR_PODWIRE_COMMAND_FAILED', { command, status: `status ${agent.exitCode}`, output })
  })
  return JSON.parse(written() ?? '').prefixes
}

/** All that the agents of a node have logged; nothing if the lab was taken down meanwhile. */
export function agentLog(stage: Stage, node: string): string {
  const file = logFile(stage, `agent-${node}`)
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

export function logTail(stage: Stage, node: string): string {
  return agentLog(stage, node).trim().split('\n').slice(-10).join('\n')
}

/**
 * What a node's device is set to, and when its sessions began: `wg show dump` without the private key, preshared keys and
 * counters.
 */
export async function deviceState({ lab }: Stage, node: string): Promise<string> {
  const { stdout } = await lab.exec(node, ['wg', 'show', device, 'dump'])
  const [own = [], ...peers] = stdout
    .trim()
    .split('\n')
    .map(line => line.split('\t'))
  const settings = peers.map(([key, , endpoint, allowedIps, handshake, , , keepalive]) =>
    [key, endpoint, allowedIps, handshake, keepalive].join(' '),
  )
  return [own.slice(1).join(' '), ...settings.sort()].join('\n')
}

/** Hangs containers c1 and c2 on a node, with addresses of its prefixes (the first one is the node's). */
export async function attachContainers(
  { lab }: Stage,
  node: string,
  prefixes: readonly string[],
): Promise<Container[]> {
  const containers = ['c1', 'c2'].map((name, i) => ({
    name: `${node}/${name}`,
    node,
    addresses: prefixes.map(text => formatAddress(addressAt(parsePrefix(text, node), BigInt(i + 2)))),
  }))
  for (const { name, addresses } of containers) await lab.attachContainer(node, name.slice(node.length + 1), addresses)
  return containers
}

/** Starts a web server in each container, and returns when all of them answer. */
export async function serveWeb(stage: Stage, containers: readonly Container[]): Promise<void> {
  const log = (name: string) => `web-${name.replace('/', '-')}`
  for (const { name } of containers) {
    const page = pageOf(name, stage.canary)
    startApart(stage, name, log(name), [stage.podwire[0], webServer, String(webPort), page])
  }
  for (const { name } of containers) {
    await until(`the web server of ${name}`, () => readFileSync(logFile(stage, log(name)), 'utf8') !== '')
  }
}

/** What a container's web server answers. */
export function pageOf(container: string, canary: string): string {
  return `${container} ${canary}`
}

/** Waits for a condition. Error: ERR_PODWIRE_LAB_TIMEOUT. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, seconds = 20): Promise<void> {
  const deadline = Date.now() + seconds * 1000
  while (!(await condition())) {
    if (Date.now() > deadline)
      throw podwireError('ERR_PODWIRE_LAB_TIMEOUT', { seconds, what, reason: 'it did not come' })
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
