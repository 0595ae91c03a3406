// Looks at a machine for what podwire needs; changes nothing. What it comes to is said by src/plan/examine-host.ts.

import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs'
import { release } from 'node:os'
import { fileURLToPath } from 'node:url'
import { reasonOf } from '../base/errors.ts'
import { exec, packageOf } from '../base/exec.ts'
import type { Found, FoundDevice, HostFacts } from '../model/host-facts.ts'
import type { Links } from '../native/link.ts'
import { hasProgram } from './find-program.ts'
import { observeForwardChains } from './forward-rules.ts'
import { tryPort } from './port-trial.ts'
import { holderOf, isPortTaken } from './udp-port.ts'
import { observeWaysOut } from './ways-out.ts'

/** The bits of capabilities(7) that a node needs: devices, addresses, routes and rules. */
const neededCapabilities = { CAP_NET_ADMIN: 12 } as const
const modules = `/lib/modules/${release()}`
const neededTools = ['ip', 'nft', 'bash']
/** Programs that only some configurations need, and for what. */
const usefulTools = { resolvconf: '`DNS` of `podwire quick`' } as const

/** Errors: ERR_PODWIRE_SYSTEM. */
export async function observeHostFacts(options: {
  readonly port: number
  readonly links: Pick<Links, 'links' | 'addresses' | 'routes'>
  readonly isTunnel: (link: string) => boolean
  readonly devices: readonly FoundDevice[]
  readonly underlayMtuBytes: number
}): Promise<HostFacts> {
  const { port, links, isTunnel, devices, underlayMtuBytes } = options
  const waysOut = observeWaysOut(links, isTunnel)
  const rules = await readRuleset()
  const trial = { port, waysOut, links: links.links().map(({ name }) => name) }
  const isTaken = await isPortTaken(port)
  const program = isTaken ? await holderOf(port) : undefined
  return {
    kernelRelease: release(),
    kernelWireguard: observeKernel(),
    hasModuleList: existsSync(`${modules}/modules.dep`),
    tun: attempt(() => closeSync(openSync('/dev/net/tun', 'r+'))),
    missingCapabilities: missingCapabilities(readFileSync('/proc/self/status', 'utf8')),
    nftables: rules.ok ? { ok: true } : rules,
    missingTools: missingTools([...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']),
    forwarding: {
      ...switchOf('ipv4', 'net/ipv4/ip_forward'),
      ...switchOf('ipv6', 'net/ipv6/conf/all/forwarding'),
    },
    clock: {
      nowMs: Date.now(),
      notBeforeMs: statSync(fileURLToPath(import.meta.url)).mtimeMs,
      ...(await observeSynchronisation()),
    },
    underlayMtuBytes,
    waysOut,
    port: { number: port, isTaken, ...(program !== undefined && { program }) },
    firewall: rules.ok ? await tryPort({ ...trial, ruleset: rules.text }) : { untried: 'its rules cannot be read' },
    ...(await observeForward()),
    devices,
  }
}

async function observeForward(): Promise<Pick<HostFacts, 'forwardChains'>> {
  const chains = await observeForwardChains().catch(() => undefined)
  return chains
    ? { forwardChains: chains.map(({ accepts, ...chain }) => ({ ...chain, isOpen: accepts.length > 0 })) }
    : {}
}

function attempt(action: () => void): Found {
  try {
    action()
    return { ok: true }
  } catch (error) {
    return { ok: false, reason: reasonOf(error) }
  }
}

/** The programs that are in none of the folders. */
export function missingTools(folders: readonly string[]): HostFacts['missingTools'] {
  const needed = neededTools.map(tool => ({ tool, package: packageOf(tool) }))
  const useful = Object.entries(usefulTools).map(([tool, onlyFor]) => ({ tool, package: packageOf(tool), onlyFor }))
  return [...needed, ...useful].filter(({ tool }) => !hasProgram(folders, tool))
}

function observeKernel(): HostFacts['kernelWireguard'] {
  if (existsSync('/sys/module/wireguard')) return 'there'
  const lists = ['modules.dep', 'modules.builtin'].map(file => `${modules}/${file}`)
  const names = lists.filter(existsSync).map(file => readFileSync(file, 'utf8'))
  return names.some(text => text.includes('/wireguard.ko')) ? 'module' : 'none'
}

/** Names of the needed capabilities that are not in the effective set of /proc/PID/status. */
export function missingCapabilities(status: string): string[] {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`)
  const entries = Object.entries(neededCapabilities)
  return entries.flatMap(([name, bit]) => ((effective >> BigInt(bit)) & 1n ? [] : [name]))
}

function switchOf(family: 'ipv4' | 'ipv6', name: string): { ipv4?: boolean; ipv6?: boolean } {
  const file = `/proc/sys/${name}`
  return existsSync(file) ? { [family]: readFileSync(file, 'utf8').trim() !== '0' } : {}
}

async function observeSynchronisation(): Promise<{ synchronised?: boolean }> {
  try {
    const { stdout } = await exec(['timedatectl', 'show', '--property=NTPSynchronized', '--value'], { timeout: 5000 })
    return { synchronised: stdout.trim() === 'yes' }
  } catch {
    return {} // no systemd to ask
  }
}

/** The text of all rules, or why it cannot be read. */
async function readRuleset(): Promise<{ ok: true; text: string } | { ok: false; reason: string }> {
  try {
    const { stdout } = await exec(['nft', '-s', 'list', 'ruleset'], { env: { ...process.env, LC_ALL: 'C' } })
    return { ok: true, text: stdout }
  } catch (error) {
    return { ok: false, reason: reasonOf(error) }
  }
}
