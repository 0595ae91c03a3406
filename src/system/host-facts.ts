// Looks at a machine for what podwire needs; changes nothing. What it comes to is said by src/plan/examine-host.ts.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { accessSync, closeSync, existsSync, constants as fsConstants, openSync, readFileSync, statSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { reasonOf } from '../base/errors.ts'
import { exec } from '../base/exec.ts'
import type { Found, HostFacts } from '../model/host-facts.ts'

/** The bits of capabilities(7) that a node needs: devices, addresses, routes and rules. */
const neededCapabilities = { CAP_NET_ADMIN: 12 } as const
const neededTools = { ip: 'iproute2', nft: 'nftables' } as const

/** `devicePorts` are those of the WireGuard devices that are there. */
export async function observeHostFacts(options: {
  readonly port: number
  readonly devicePorts: readonly number[]
  readonly underlayMtuBytes: number
}): Promise<HostFacts> {
  const { port, devicePorts, underlayMtuBytes } = options
  const missingTools = Object.entries(neededTools).flatMap(([tool, name]) =>
    isOnPath(tool) ? [] : [{ tool, package: name }],
  )
  const ruleset = await readRuleset()
  return {
    kernelRelease: release(),
    kernelWireguard: observeKernel(),
    tun: attempt(() => closeSync(openSync('/dev/net/tun', 'r+'))),
    missingCapabilities: missingCapabilities(readFileSync('/proc/self/status', 'utf8')),
    nftables: typeof ruleset === 'string' ? { ok: false, reason: ruleset } : { ok: true },
    missingTools,
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
    port: {
      number: port,
      held: devicePorts.includes(port) ? 'device' : (await isFree(port)) ? 'free' : 'other',
      closed: typeof ruleset !== 'string' && isClosed(ruleset, port),
    },
  }
}

function attempt(action: () => void): Found {
  try {
    action()
    return { ok: true }
  } catch (error) {
    return { ok: false, reason: reasonOf(error) }
  }
}

function isOnPath(tool: string): boolean {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']
  return folders.some(folder => attempt(() => accessSync(join(folder || '.', tool), fsConstants.X_OK)).ok)
}

function observeKernel(): HostFacts['kernelWireguard'] {
  if (existsSync('/sys/module/wireguard')) return 'there'
  const lists = ['modules.dep', 'modules.builtin'].map(file => `/lib/modules/${release()}/${file}`)
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

/** An item of `nft -j list ruleset`. */
export interface RulesetItem {
  readonly chain?: { table: string; name: string; hook?: string; policy?: string }
  readonly rule?: { table: string; expr: unknown[] }
}

/** The rules, or why they cannot be read. */
async function readRuleset(): Promise<readonly RulesetItem[] | string> {
  try {
    const { stdout } = await exec(['nft', '-j', 'list', 'ruleset'], { env: { ...process.env, LC_ALL: 'C' } })
    return (JSON.parse(stdout) as { nftables: RulesetItem[] }).nftables
  } catch (error) {
    return reasonOf(error)
  }
}

/** Whether a base chain drops what comes in by default, in a table none of whose rules names the port, as far as that can be told. */
export function isClosed(ruleset: readonly RulesetItem[], port: number): boolean {
  return ruleset.some(({ chain }) => {
    if (chain?.hook !== 'input' || chain.policy !== 'drop') return false
    const rules = ruleset.flatMap(({ rule }) => (rule?.table === chain.table ? [JSON.stringify(rule.expr)] : []))
    // Rules of iptables' own matches are not told in words.
    return !rules.some(text => text.includes('"xt"') || new RegExp(`\\b${port}\\b`).test(text))
  })
}

async function isFree(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  try {
    socket.bind(port)
    await once(socket, 'listening')
    return true
  } catch {
    return false
  } finally {
    socket.close()
  }
}
