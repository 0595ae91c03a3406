// What there is on this host that `podwire quick` plans with: the link, its device, routes and rules, what wg-quick or a run
// that was killed left, and the ways to the endpoints.

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { delimiter } from 'node:path'
import { canonicalPrefix } from '../base/canonical-prefix.ts'
import { type Family, formatCidr, parseCidr } from '../base/cidr.ts'
import { PodwireError } from '../base/errors.ts'
import { exec } from '../base/exec.ts'
import type { Device, DeviceState, PeerState } from '../model/device.ts'
import { type Links, openLinks } from '../native/link.ts'
import { findRenderedHooks } from '../plan/node-hooks.ts'
import { type HostFacts, type LinkFacts, type LinkRoute, mainTable, type ReadyConfig } from '../plan/quick/facts.ts'
import { firewallTable, nftFamily } from '../plan/quick/tunnel.ts'
import { acceptTable } from '../policy/accept-rules.ts'
import { hasProgram } from '../system/find-program.ts'
import { readSysctl } from '../system/sysctl.ts'
import { socketPath } from '../wireguard/uapi-client.ts'
import { namedZone } from '../wireguard/zone.ts'

const families: readonly Family[] = [4, 6]
const firstTable = 51820

export interface ObserveOptions {
  readonly openDevice: (name: string) => Promise<Device>
  /** IP addresses of the endpoints, whose ways tell the MTU. */
  readonly endpoints?: readonly string[]
}

/** `isWireGuard` is false for a link that is something else. Errors: those of ip and of the kernel. */
export async function observe(
  name: string,
  { openDevice, endpoints = [] }: ObserveOptions,
): Promise<HostFacts & { isWireGuard: boolean }> {
  const links = openLinks()
  try {
    const own = links.links().find(link => link.name === name)
    const device = own && (await observeDevice(name, openDevice))
    const rules = await Promise.all(families.map(rulesOf))
    const resolvconf = await findResolvconf()
    const defaultMtu = defaultMtuOf(links)
    return {
      ...(own !== undefined && { link: await observeLink(name, own.mtuBytes) }),
      ...(device !== undefined && { device }),
      isWireGuard: own?.kind === 'wireguard' || device !== undefined || existsSync(socketPath(name)),
      markRules: rules.flatMap(({ markRules }) => markRules),
      suppressRules: rules.flatMap(({ suppressRules }) => suppressRules),
      firewallMarks: await firewallMarksOf(name),
      pathMtus: await pathMtusOf(links, name, endpoints, device?.fwmark ?? 0),
      ...(defaultMtu !== undefined && { defaultMtu }),
      freeTable: await findFreeTable(),
      srcValidMark: (await readSysctl('ipv4/conf/all/src_valid_mark')) === '1',
      ...(resolvconf !== undefined && { resolvconf }),
    }
  } finally {
    links.close()
  }
}

/** Undefined if nobody answers for it: a device that died or hangs must not keep its link from being removed. */
export async function observeDevice(
  name: string,
  openDevice: ObserveOptions['openDevice'],
): Promise<DeviceState | undefined> {
  try {
    const state = await (await openDevice(name)).get()
    return { ...state, peers: state.peers.map(withNamedZone) }
  } catch (error) {
    if (error instanceof PodwireError) return undefined
    throw error
  }
}

/** As files say it: the number of a link is another after the next start. */
function withNamedZone(peer: PeerState): PeerState {
  return peer.endpoint === undefined ? peer : { ...peer, endpoint: namedZone(peer.endpoint) }
}

async function observeLink(name: string, mtuBytes: number): Promise<LinkFacts> {
  const addresses = await Promise.all(families.map(family => addressesOf(name, family)))
  const routes = await Promise.all(families.map(family => routesOf(name, family)))
  return { mtuBytes, addresses: addresses.flat(), routes: routes.flat() }
}

/** One address of `ip -json address`. */
interface AddressLine {
  readonly local: string
  readonly prefixlen: number
  /** By its number: 1 to 3 are the kernel's own. Absent before Linux 5.18 and iproute2 6.3; then the flags below tell. */
  readonly protocol?: string
  readonly 'stable-privacy'?: true
  readonly dynamic?: true
}

/** Of all scopes, but not those that the kernel made by itself, which nobody configured. */
async function addressesOf(name: string, family: Family): Promise<string[]> {
  const links = await ip<{ addr_info?: AddressLine[] }>(family, ['address', 'show', 'dev', name])
  return links
    .flatMap(({ addr_info = [] }) => addr_info)
    .filter(line => !(line.dynamic || line['stable-privacy'] || ['1', '2', '3'].includes(line.protocol ?? '')))
    .map(({ local, prefixlen }) => formatCidr(parseCidr(`${local}/${prefixlen}`, 'ip address')))
}

/** One line of `ip -json route`, with numbers for names. */
interface RouteLine {
  readonly dst: string
  readonly table?: string
  readonly type?: string
  /** Absent for "boot", which is what `ip route add` makes. */
  readonly protocol?: string
}

async function routesOf(name: string, family: Family): Promise<LinkRoute[]> {
  const lines = await ip<RouteLine>(family, ['route', 'show', 'table', 'all', 'dev', name])
  return lines
    .filter(({ type, protocol }) => type === undefined && protocol === undefined)
    .map(({ dst, table }) => ({
      destination: canonicalPrefix(dst === 'default' ? (family === 4 ? '0.0.0.0/0' : '::/0') : dst, 'ip route'),
      table: table === undefined ? mainTable : Number(table),
    }))
}

interface RuleLine {
  readonly priority: number
  readonly not?: null
  readonly fwmark?: string
  readonly table?: string
  readonly suppress_prefixlen?: number
}

async function rulesOf(family: Family): Promise<Pick<HostFacts, 'markRules' | 'suppressRules'>> {
  const lines = await ip<RuleLine>(family, ['rule', 'show'])
  const marked = lines.filter(({ not, fwmark, table }) => not === null && fwmark && Number(fwmark) === Number(table))
  const suppressing = lines.filter(line => Number(line.table) === mainTable && line.suppress_prefixlen === 0)
  return {
    markRules: marked.map(({ table, priority }) => ({ family, mark: Number(table), priority })),
    suppressRules: suppressing.map(({ priority }) => ({ family, priority })),
  }
}

/** Lines of `ip -json`; none for what is not there: a table, or IPv6 itself. */
async function ip<Line>(family: Family, words: readonly string[]): Promise<Line[]> {
  try {
    const { stdout } = await exec(['ip', '-json', '-N', `-${family}`, ...words], {
      env: { ...process.env, LC_ALL: 'C' },
    })
    return stdout.trim() === '' ? [] : JSON.parse(stdout)
  } catch (error) {
    if (says(error, /FIB table does not exist|not supported|unreachable|No route/)) return []
    throw error
  }
}

async function findFreeTable(): Promise<number> {
  for (let table = firstTable; ; table++) {
    const routes = await Promise.all(families.map(family => ip(family, ['route', 'show', 'table', String(table)])))
    if (routes.flat().length === 0) return table
  }
}

async function firewallMarksOf(name: string): Promise<HostFacts['firewallMarks']> {
  const marks = await Promise.all(families.map(family => firewallMarkOf(name, family)))
  return Object.fromEntries(families.flatMap((family, i) => (marks[i] === undefined ? [] : [[family, marks[i]]])))
}

/** 0 for a table of that name that is not wg-quick's. */
async function firewallMarkOf(name: string, family: Family): Promise<number | undefined> {
  const text = await tableText(`${nftFamily(family)} ${firewallTable(name)}`)
  return text === undefined ? undefined : Number(/meta mark (0x[0-9a-f]{8}) ct mark set/.exec(text)?.[1] ?? 0)
}

/** The accept rules that are there, for a file that says what they should be. Error: ERR_PODWIRE_NAME for nftables. */
export async function observeAcceptTable(name: string, config: ReadyConfig): Promise<Pick<HostFacts, 'acceptTable'>> {
  if (findRenderedHooks(config).acceptScript === undefined) return {}
  const text = await tableText(acceptTable(name))
  return text === undefined ? {} : { acceptTable: text }
}

/** A table of nftables as it lists it; undefined if there is none. */
async function tableText(table: string): Promise<string | undefined> {
  try {
    return (await exec(['nft', 'list', 'table', ...table.split(' ')])).stdout
  } catch (error) {
    const isMissing = error instanceof PodwireError && error.code === 'ERR_PODWIRE_TOOL_MISSING'
    // Who may not look, as in a dry run without root, may not make one either.
    if (isMissing || says(error, /No such file or directory|Operation not permitted|not supported/)) return undefined
    throw error
  }
}

function says(error: unknown, words: RegExp): boolean {
  return error instanceof PodwireError && words.test(error.message)
}

async function pathMtusOf(links: Links, name: string, endpoints: readonly string[], mark: number): Promise<number[]> {
  const mtus = await Promise.all(
    [...new Set(endpoints)].map(async address => {
      const path = links.routeTo(address)
      return path?.link === name ? markedMtu(links, name, address, mark) : path?.mtuBytes
    }),
  )
  return mtus.filter(mtu => mtu !== undefined)
}

/** The way of the device's own datagrams, while all others go through it. */
async function markedMtu(links: Links, name: string, address: string, mark: number): Promise<number | undefined> {
  interface Path {
    readonly dev: string
    readonly metrics?: readonly { readonly mtu?: number }[]
  }
  const words = ['route', 'get', address, 'mark', String(mark)]
  const [path] = await ip<Path>(address.includes(':') ? 6 : 4, words)
  if (path === undefined || path.dev === name) return undefined
  return path.metrics?.[0]?.mtu ?? links.links().find(link => link.name === path.dev)?.mtuBytes
}

function defaultMtuOf(links: Links): number | undefined {
  const [route] = links
    .routes()
    .filter(({ destination, type }) => destination === '0.0.0.0/0' && type === 'unicast')
    .sort((a, b) => a.metric - b.metric)
  return route?.mtuBytes ?? links.links().find(({ name }) => name === route?.link)?.mtuBytes
}

/** Debian's resolvconf takes the names of tunnels with what its own order of interfaces says of them. */
async function findResolvconf(): Promise<HostFacts['resolvconf']> {
  if (!hasProgram((process.env.PATH ?? '').split(delimiter), 'resolvconf')) return undefined
  const order = await readFile('/etc/resolvconf/interface-order', 'utf8').catch(() => '')
  const tunnels = /^([A-Za-z0-9-]+)\*$/m.exec(order)?.[1]
  return { prefix: tunnels === undefined ? '' : `${tunnels}.` }
}
