// What a node lets in, as nft text. From its device only what is for the network, and of that what is not closed; from elsewhere
// nobody who speaks in the network's name, nobody to the node's own part of the range. So it holds on a node that forwards, too.
//
// Prerouting, behind connection tracking and before DNAT: it sees what is for the host, for containers and for the LAN behind it
// alike, with the destination that the sender chose, so that a published port opens nothing. It only drops. It is a table of its
// own: `table inet podwire-DEVICE` belongs to the agent, which puts it in place as a whole and checks it by its seal, while these rules
// also serve a plain wg-quick, and each of several interfaces.
//
//   from elsewhere:   from what lies at this node, and from where it is routed  -- passes
//                     from any other source of the network                      -- dropped
//                     to the node's own part of the range                       -- dropped
//   from the device:  to what is not the network's                              -- dropped
//                     to what does not lie here, and not back out by the device -- dropped
//                     a reply                                                   -- passes
//                     to what an entry lets its sender open                     -- passes
//                     to what is closed                                         -- dropped
//                     anything else: open, or passing through                   -- passes

import { podwireError } from '../base/errors.ts'
import type { AcceptPort } from '../config/accept-ports.ts'

export interface AcceptRules {
  /** Every prefix of the network, shares included: from the device comes nothing to anywhere else. */
  readonly network: readonly string[]
  /** The node's own part of the range. */
  readonly prefixes: readonly string[]
  /** What lies behind the node. */
  readonly shares: readonly string[]
  readonly entries: readonly AcceptTarget[]
  /** Whether the node itself is closed, by any of its addresses. */
  readonly closesSelf: boolean
  /** Prefixes that are closed. */
  readonly closed: readonly string[]
}

/** Who may open to what. */
interface AcceptTarget {
  readonly sources: readonly string[]
  /** Whether it is about the node itself. */
  readonly self: boolean
  /** Prefixes of its containers that it is about. */
  readonly prefixes: readonly string[]
  /** Prefixes of its shares that it is about. */
  readonly shares: readonly string[]
  /** Absent: all. */
  readonly ports?: readonly AcceptPort[]
}

const headers = ['ip', 'ip6'] as const
type Header = (typeof headers)[number]

/**
 * One transaction that puts the rules in place of those that are there, or nothing if there are none. `device` may be "%i" for
 * wg-quick to fill in; on one line it has no "#" and no single quote, so that it can stand in a hook.
 */
export function renderAcceptRules(
  rules: AcceptRules | undefined,
  device: string,
  form: 'lines' | 'one line' = 'lines',
): string {
  const table = acceptTable(device)
  const gone = [`table ${table}`, `delete table ${table}`]
  if (rules === undefined) return form === 'lines' ? `${gone.join('\n')}\n` : gone.join('; ')
  const blocks = [
    ...renderSet('network', rules.network),
    ...renderSet('prefixes', rules.prefixes),
    ...renderSet('here', [...rules.prefixes, ...rules.shares]),
    ...sourceLists(rules).flatMap((sources, i) => renderSet(`from${i + 1}`, sources)),
    { head: 'chain elsewhere', lines: elsewhere },
    { head: 'chain arriving', lines: renderArriving(rules, device) },
  ]
  if (form === 'one line') {
    const texts = blocks.map(({ head, lines }) => `${head} { ${lines.join('; ')}; }`)
    return `${gone.join('; ')}; table ${table} { ${texts.join('; ')}; }`
  }
  const texts = blocks.flatMap(({ head, lines }) => [`  ${head} {`, ...lines.map(line => `    ${line}`), '  }'])
  return `${[...gone, `table ${table} {`, ...texts, '}'].join('\n')}\n`
}

/** The set of each family; one that the network has no prefix of is empty, and then all of it is outside. */
function renderSet(name: string, prefixes: readonly string[]): { head: string; lines: string[] }[] {
  return headers.map(header => {
    const elements = ofFamily(header, prefixes)
    return {
      head: `set ${setName(header, name)}`,
      lines: [
        `type ${header === 'ip' ? 'ipv4_addr' : 'ipv6_addr'}`,
        'flags interval',
        ...(elements.length > 0 ? [`elements = { ${elements.join(', ')} }`] : []),
      ],
    }
  })
}

function setName(header: Header, name: string): string {
  return `${name}_${header === 'ip' ? 4 : 6}`
}

/** Each once, however many entries have it: of a large network these are most of the text. */
function sourceLists({ entries }: AcceptRules): string[][] {
  const lists = new Set(entries.flatMap(({ sources }) => (sources.length > 0 ? [sources.join()] : [])))
  return [...lists].map(list => list.split(','))
}

/** Containers and the LAN come by the interface to which the host routes them; no other host has an address of the network. */
const elsewhere = [
  ...inBoth(at => `${at('saddr', 'here')} fib saddr . iif oif missing counter drop`),
  ...inBoth(at => `${at('saddr', 'here')} accept`),
  ...inBoth(at => `${at('saddr', 'network')} counter drop`),
  ...inBoth(at => `${at('daddr', 'prefixes')} counter drop`),
]

function inBoth(rule: (at: (field: 'saddr' | 'daddr' | 'daddr !=', set: string) => string) => string): string[] {
  return headers.map(header => rule((field, set) => `${header} ${field} @${setName(header, set)}`))
}

function renderArriving(rules: AcceptRules, device: string): string[] {
  const { entries, closed, closesSelf } = rules
  const lists = sourceLists(rules).map(list => list.join())
  return [
    'type filter hook prerouting priority mangle; policy accept',
    'iifname "lo" accept',
    `iifname != "${device}" goto elsewhere`,
    ...inBoth(at => `${at('daddr !=', 'network')} counter drop`),
    ...inBoth(at => `${at('daddr !=', 'here')} fib daddr oifname != "${device}" counter drop`),
    // Without entries there is nothing to reply to, and connections need not be tracked.
    ...(entries.length > 0 ? ['ct state { established, related } accept'] : []),
    ...entries.flatMap(entry =>
      entry.sources.length === 0
        ? []
        : renderEntry(entry, `from${lists.indexOf(entry.sources.join()) + 1}`, closesSelf),
    ),
    ...headers.flatMap(header => matchDestination(header, closed).map(match => `${match} counter drop`)),
    ...(closesSelf ? ['fib daddr type local counter drop'] : []),
  ]
}

/** The table's family and name. Error: ERR_PODWIRE_NAME. */
export function acceptTable(device: string): string {
  if (!/^(%i|[A-Za-z0-9_.-]{1,15})$/.test(device)) {
    const reason = 'where nftables has its name, an interface has 1 to 15 letters, digits or "_.-"'
    throw podwireError('ERR_PODWIRE_NAME', { where: 'the device', text: device, reason })
  }
  return `inet podwire-accept-${device}`
}

function ofFamily(header: Header, prefixes: readonly string[]): string[] {
  const those = prefixes.filter(prefix => prefix.includes(':') === (header === 'ip6'))
  return those.map(prefix => prefix.replace(header === 'ip' ? /\/32$/ : /\/128$/, ''))
}

function matchDestination(header: Header, prefixes: readonly string[]): string[] {
  const those = ofFamily(header, prefixes)
  return those.length === 0 ? [] : [`${header} daddr { ${those.join(', ')} }`]
}

/** What is let in to a share does not open a node that is closed, which has an address there as well. */
function renderEntry(entry: AcceptTarget, set: string, closesSelf: boolean): string[] {
  return headers.flatMap(header => {
    if (ofFamily(header, entry.sources).length === 0) return []
    const shares = matchDestination(header, entry.shares)
    const destinations = [
      ...(entry.self ? ['fib daddr type local'] : []),
      ...matchDestination(header, entry.prefixes),
      ...(closesSelf ? shares.map(match => `${match} fib daddr type != local`) : shares),
    ]
    return destinations.flatMap(to =>
      matchPorts(header, entry.ports).map(port =>
        [`${header} saddr @${setName(header, set)}`, to, ...port, 'accept'].join(' '),
      ),
    )
  })
}

/** A match for each protocol; one that matches everything if no ports are named. */
function matchPorts(header: Header, ports: readonly AcceptPort[] | undefined): string[][] {
  if (ports === undefined) return [[]]
  const ofProtocol = (protocol: 'tcp' | 'udp') => {
    const ranges = ports.flatMap(port => (port.protocol === protocol ? [[port.first, port.last] as const] : []))
    const texts = mergeRanges(ranges).map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`))
    return texts.length === 0 ? [] : [[`${protocol} dport { ${texts.join(', ')} }`]]
  }
  const icmp = ports.some(({ protocol }) => protocol === 'icmp')
  const echo = header === 'ip' ? 'meta l4proto icmp' : 'meta l4proto ipv6-icmp'
  return [...ofProtocol('tcp'), ...ofProtocol('udp'), ...(icmp ? [[echo]] : [])]
}

/** Sorted, and joined where they overlap: a set holds each port once. */
function mergeRanges(ranges: readonly (readonly [number, number])[]): [number, number][] {
  const merged: [number, number][] = []
  for (const [first, last] of [...ranges].sort(([a], [b]) => a - b)) {
    const before = merged.at(-1)
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last)
    else merged.push([first, last])
  }
  return merged
}
