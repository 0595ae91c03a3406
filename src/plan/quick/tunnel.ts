// What a configuration asks of the host around its device: MTU, routes, and, for a default route, the mark, table, rules and
// firewall that keep the device's own datagrams out of the tunnel. The choices are wg-quick's, measured by running it.

import { containsCidr, type Family, familyBits, maskCidr, parseCidr } from '../../base/cidr.ts'
import { type HostFacts, type LinkRoute, mainTable, type ReadyConfig } from './facts.ts'

/** What WireGuard, UDP and IPv6 take of each datagram. */
const overheadBytes = 80
const usualMtuBytes = 1500

export interface Tunnel {
  readonly mtuBytes: number
  /** Most specific first; default routes that need `full` are in it too, in their own table. */
  readonly routes: readonly LinkRoute[]
  /** Families whose default route is the tunnel. */
  readonly full: readonly Family[]
  /** The device's fwmark, 0 for none; where there are `full`, also their table. */
  readonly mark: number
}

export function planTunnel(config: ReadyConfig, facts: HostFacts): Tunnel {
  const { table } = config
  const destinations = [...new Set(config.peers.flatMap(({ allowedIps }) => allowedIps))]
    .map(text => ({ text, cidr: parseCidr(text, 'AllowedIPs') }))
    .sort((a, b) => b.cidr.length - a.cidr.length)
  const families = destinations.filter(({ cidr }) => cidr.length === 0).map(({ cidr }) => cidr.family)
  const full = table === 'auto' ? families : []
  const mark = config.fwmark || (full.length > 0 ? ownMark(facts) : 0)
  const connected = config.addresses.map(text => parseCidr(text, 'Address')).filter(makesRoute)
  const routes = destinations.flatMap(({ text, cidr }): LinkRoute[] => {
    if (table === 'off') return []
    if (table !== 'auto') return [{ destination: text, table }]
    if (cidr.length === 0) return [{ destination: text, table: mark }]
    const covered = connected.some(address => containsCidr(maskCidr(address), cidr))
    return covered ? [] : [{ destination: text, table: mainTable }]
  })
  return { mtuBytes: config.mtuBytes ?? mtuOf(facts), routes, full, mark }
}

/** The kernel makes a route to the prefix of an address, but for an IPv4 /32. */
function makesRoute({ family, length }: { family: Family; length: number }): boolean {
  return family === 6 || length < familyBits(4)
}

/** The mark that the device has for this already, or the number of a table that nobody uses. */
function ownMark({ device, link, freeTable }: HostFacts): number {
  const has = device?.fwmark ?? 0
  return has !== 0 && link?.routes.some(({ table }) => table === has) ? has : freeTable
}

function mtuOf({ pathMtus, defaultMtu }: HostFacts): number {
  return (pathMtus.length > 0 ? Math.max(...pathMtus) : (defaultMtu ?? usualMtuBytes)) - overheadBytes
}

/**
 * Replaces the table `wg-quick-IF` of one family, in one transaction. It drops what comes for the tunnel's addresses from
 * elsewhere, and carries the mark from what is sent to what answers it, so that the check of reverse paths finds the way.
 */
export function firewallScript(name: string, family: Family, addresses: readonly string[], mark: number): string {
  const ip = nftFamily(family)
  const table = `${ip} ${firewallTable(name)}`
  const own = addresses.map(text => text.split('/')[0] ?? '').filter(text => text.includes(':') === (family === 6))
  const drops = own.map(address => `    iifname != "${name}" ${ip} daddr ${address} fib saddr type != local drop`)
  return [
    `table ${table}`,
    `delete table ${table}`,
    `table ${table} {`,
    '  chain preraw {',
    '    type filter hook prerouting priority raw; policy accept;',
    ...drops,
    '  }',
    '  chain premangle {',
    '    type filter hook prerouting priority mangle; policy accept;',
    '    meta l4proto udp meta mark set ct mark',
    '  }',
    '  chain postmangle {',
    '    type filter hook postrouting priority mangle; policy accept;',
    `    meta l4proto udp meta mark ${mark} ct mark set meta mark`,
    '  }',
    '}',
    '',
  ].join('\n')
}

export function removeFirewallScript(name: string, family: Family): string {
  return `delete table ${nftFamily(family)} ${firewallTable(name)}\n`
}

/**
 * wg-quick's own name, so that either removes what the other made. nft takes no "+" and "=" in a name; what stands for them
 * is in no name of an interface. wg-quick makes no table for such a one.
 */
export function firewallTable(name: string): string {
  return `wg-quick-${name.replaceAll('+', '/p').replaceAll('=', '/e')}`
}

export function nftFamily(family: Family): 'ip' | 'ip6' {
  return family === 4 ? 'ip' : 'ip6'
}
