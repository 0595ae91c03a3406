// What a node lets in from its device, as nft text: whatever is closed and not accepted is dropped, and replies pass.
//
// One chain, in prerouting behind connection tracking and before DNAT: it sees what is for the host, for containers and for the
// LAN behind it alike, with the destination that the sender chose, so that a published port opens nothing. It only drops, and
// looks at one interface only. It is a table of its own: `table inet podwire` belongs to the agent, which puts it in place as a
// whole and checks it by its seal, while these rules also serve a plain wg-quick, and each of several interfaces.
//
//   from the device:  a reply                                  -- passes
//                     to what is not the network's             -- dropped
//                     to what an entry lets its sender open    -- passes
//                     to what is closed                        -- dropped
//                     anything else: open, or passing through  -- passes

import { podwireError } from '../base/errors.ts'
import type { AcceptPort } from '../config/accept-ports.ts'

export interface AcceptRules {
  /** Every prefix of the network, shares included: from the device comes nothing to anywhere else. */
  readonly network: readonly string[]
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
  /** Prefixes of its containers and shares that it is about. */
  readonly prefixes: readonly string[]
  /** Absent: all. */
  readonly ports?: readonly AcceptPort[]
}

const headers = ['ip', 'ip6'] as const
type Header = (typeof headers)[number]

/**
 * One transaction that puts the rules in place of those that are there, or nothing if there are none. `device` may be "%i" for wg-quick to fill in; on one
 * line it has no "#" and no single quote, so that it can stand in a hook.
 */
export function renderAcceptRules(
  rules: AcceptRules | undefined,
  device: string,
  form: 'lines' | 'one line' = 'lines',
): string {
  const table = acceptTable(device)
  const gone = [`table ${table}`, `delete table ${table}`]
  if (rules === undefined) return form === 'lines' ? `${gone.join('\n')}\n` : gone.join('; ')
  const chain = [
    'type filter hook prerouting priority mangle; policy accept;',
    `iifname != "${device}" accept`,
    'ct state { established, related } accept',
    ...headers.flatMap(header =>
      matchPrefixes(header, 'daddr !=', rules.network).map(match => `${match} counter drop`),
    ),
    ...rules.entries.flatMap(renderEntry),
    ...headers.flatMap(header => matchPrefixes(header, 'daddr', rules.closed).map(match => `${match} counter drop`)),
    ...(rules.closesSelf ? ['fib daddr type local counter drop'] : []),
  ]
  if (form === 'one line') {
    const rest = chain.slice(1).join('; ')
    return `${gone.join('; ')}; table ${table} { chain arriving { ${chain[0]} ${rest}; }; }`
  }
  const lines = [...gone, `table ${table} {`, '  chain arriving {']
  return `${[...lines, ...chain.map(rule => `    ${rule}`), '  }', '}'].join('\n')}\n`
}

/** The table's family and name. Error: ERR_PODWIRE_NAME. */
export function acceptTable(device: string): string {
  if (!/^(%i|[A-Za-z0-9_.-]{1,15})$/.test(device)) {
    const reason = 'where nftables has its name, an interface has 1 to 15 letters, digits or "_.-"'
    throw podwireError('ERR_PODWIRE_NAME', { where: 'the device', text: device, reason })
  }
  return `inet podwire-accept-${device}`
}

/** A family that the network has no prefix of is another's altogether: then all of it is outside. */
function matchPrefixes(header: Header, field: 'saddr' | 'daddr' | 'daddr !=', prefixes: readonly string[]): string[] {
  const those = prefixes.filter(prefix => prefix.includes(':') === (header === 'ip6'))
  const short = those.map(prefix => prefix.replace(header === 'ip' ? /\/32$/ : /\/128$/, ''))
  if (those.length > 0) return [`${header} ${field} { ${short.join(', ')} }`]
  return field === 'daddr !=' ? [`meta nfproto ${header === 'ip' ? 'ipv4' : 'ipv6'}`] : []
}

function renderEntry({ sources, self, prefixes, ports }: AcceptTarget): string[] {
  return headers.flatMap(header =>
    matchPrefixes(header, 'saddr', sources).flatMap(from =>
      [...(self ? ['fib daddr type local'] : []), ...matchPrefixes(header, 'daddr', prefixes)].flatMap(to =>
        matchPorts(header, ports).map(port => [from, to, ...port, 'accept'].join(' ')),
      ),
    ),
  )
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
