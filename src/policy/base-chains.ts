// The table `inet podwire-DEVICE` as nft text: what keeps traffic of the network from leaving in clear, and what keeps others
// from speaking in its name. Chains accept by policy and only ever drop, so that nobody else's rule is overruled.
//
//   in:   raw prerouting -- from pw*: only from the interface's own addresses (chain container)
//                        -- from elsewhere but the device and lo: no source of the network (chain arriving)
//   out:  forward, output, postrouting -- to the network: only by the device, pw* or lo (chain leaving)
//         postrouting -- from the range to anywhere else: only by those too, or masqueraded (chain unmasked)
//   here: forward -- from the network to a container of another one: never (chain crossing)
//
// And one rule that drops nothing: a TCP connection that is forwarded through the device begins with segments that fit the
// routes of both its ends, since what tells a sender of a narrower path (ICMP) may be dropped on its way.
//
// Forward and postrouting come late (priority 300), behind DNAT and whatever reroutes; what this host starts and DNAT
// redirects is judged there by its last destination and interface. Nothing here looks at connections: conntrack is not
// switched on by these rules, and no flow is established enough to pass them.

import { createHash } from 'node:crypto'
import { type Cidr, containsCidr, formatCidr, parsePrefix } from '../base/cidr.ts'
import { podwireError } from '../base/errors.ts'
import { formatFirewallSeal } from '../model/firewall-seal.ts'
import { type Firewall, firewallTable } from '../model/host-state.ts'

type SetName = 'overlay4' | 'overlay6' | 'shares4' | 'shares6'

/** The sets, and the header whose addresses they hold. */
const sets: readonly { name: SetName; header: 'ip' | 'ip6' }[] = [
  { name: 'overlay4', header: 'ip' },
  { name: 'overlay6', header: 'ip6' },
  { name: 'shares4', header: 'ip' },
  { name: 'shares6', header: 'ip6' },
]

interface Chain {
  readonly name: string
  /** Where a base chain is hooked in. */
  readonly hook?: string
  readonly rules: readonly string[]
}

function chainsOf(device: string): readonly Chain[] {
  const own = [`oifname { "lo", "${device}" } return`, 'oifname "pw*" return']
  const neighbours = 'icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }'
  return [
    {
      name: 'container',
      rules: [
        // Neighbour discovery is all that may come from an address that is not routed to the interface.
        `ip6 saddr { ::, fe80::/10 } ${neighbours} accept`,
        'ip6 saddr { ::, fe80::/10 } counter drop',
        // The lookup below lets 0.0.0.0 pass when it broadcasts.
        'ip saddr 0.0.0.0/8 counter drop',
        'fib saddr . iif oif missing counter drop',
      ],
    },
    { name: 'arriving', rules: matchSets(sets, 'saddr') },
    { name: 'leaving', rules: [...own, ...matchSets(sets, 'daddr')] },
    {
      name: 'crossing',
      rules: [
        'oifname != "pw*" return',
        ...sets.map(
          ({ name, header }) => `${header} saddr @${name} ${header} daddr != @overlay${name.slice(-1)} counter drop`,
        ),
      ],
    },
    // A share's source is its LAN's own business; an address of the range means nothing to anyone out there.
    { name: 'unmasked', rules: [...own, ...matchSets(sets.slice(0, 2), 'saddr')] },
    {
      name: 'prerouting',
      hook: 'prerouting priority raw',
      rules: ['iifname "pw*" goto container', `iifname != { "lo", "${device}" } goto arriving`],
    },
    // Before anything redirects it: later in this hook a packet may have a new destination and still its first interface.
    { name: 'output', hook: 'output priority raw', rules: ['goto leaving'] },
    {
      name: 'forward',
      hook: 'forward priority 300',
      rules: [...clampSegments(device), 'jump crossing', 'goto leaving'],
    },
    { name: 'postrouting', hook: 'postrouting priority 300', rules: ['jump leaving', 'goto unmasked'] },
  ]
}

/** Either way of a connection passes the device; the rule looks at the routes to both ends, and never makes segments longer. */
function clampSegments(device: string): string[] {
  return ['iifname', 'oifname'].map(
    direction => `${direction} "${device}" tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu`,
  )
}

function matchSets(among: typeof sets, field: 'saddr' | 'daddr'): string[] {
  return among.map(({ name, header }) => `${header} ${field} @${name} counter drop`)
}

/** A host has few devices, and each comparison asks for its seal. */
const seals = new Map<string, string>()

/** What every rule of a firewall for that device carries as its comment. */
export function firewallSeal(device: string): string {
  const seal = seals.get(device) ?? makeSeal(device)
  seals.set(device, seal)
  return seal
}

function makeSeal(device: string): string {
  const chains = chainsOf(device)
  const hash = createHash('sha256')
    .update(JSON.stringify([sets, chains]))
    .digest('hex')
    .slice(0, 16)
  const ruleCount = chains.reduce((count, { rules }) => count + rules.length, 0)
  return formatFirewallSeal({ device, hash, ruleCount })
}

/** Refuses a name that opens the rules, or that nftables cannot write. `where` is for the message. Error: ERR_PODWIRE_NAME. */
export function requireDeviceName(device: string, where: string): void {
  if (/^(?!pw|accept-|hosts-)[A-Za-z0-9_.-]{1,15}$/.test(device)) return
  const reason = device.startsWith('pw')
    ? 'names that begin with "pw" are for the interfaces of containers'
    : /^(accept|hosts)-/.test(device)
      ? 'nftables tables of that name are for other rules'
      : 'the name of an interface has 1 to 15 letters, digits or "_.-"'
  throw podwireError('ERR_PODWIRE_NAME', { where, text: device, reason })
}

/** One transaction that puts the whole table in the place of the one that is there. Error: ERR_PODWIRE_NAME. */
export function renderFirewall(firewall: Firewall): string {
  const { device } = firewall
  requireDeviceName(device, 'the device')
  const elements = elementsOf(firewall)
  const seal = firewallSeal(device)
  const table = `table inet ${firewallTable(device)}`
  const lines = [table, `delete ${table}`, `${table} {`]
  for (const { name, header } of sets) {
    lines.push(`  set ${name} {`, `    type ${header === 'ip' ? 'ipv4_addr' : 'ipv6_addr'}`, '    flags interval')
    if (elements[name].length > 0) lines.push(`    elements = { ${elements[name].join(', ')} }`)
    lines.push('  }')
  }
  for (const { name, hook, rules } of chainsOf(device)) {
    lines.push(`  chain ${name} {`)
    if (hook !== undefined) lines.push(`    type filter hook ${hook}; policy accept;`)
    lines.push(...rules.map(rule => `    ${rule} comment "${seal}"`), '  }')
  }
  return `${lines.join('\n')}\n}\n`
}

/** One transaction that changes the elements of the sets, and leaves the rules alone. */
export function renderElements(from: Firewall, to: Firewall): string {
  const before = elementsOf(from)
  const after = elementsOf(to)
  const lines = (verb: string, some: Record<SetName, string[]>, others: Record<SetName, string[]>): string[] =>
    sets.flatMap(({ name }) => {
      const without = new Set(others[name])
      const list = some[name].filter(prefix => !without.has(prefix))
      return list.length === 0
        ? []
        : [`${verb} element inet ${firewallTable(to.device)} ${name} { ${list.join(', ')} }`]
    })
  // Removed first: intervals of a set never overlap, and a transaction is seen as a whole or not at all.
  return `${[...lines('delete', before, after), ...lines('add', after, before)].join('\n')}\n`
}

/** The prefixes that lie in no other of them, in the order of their addresses: a set holds each address once. */
export function outermostPrefixes(prefixes: readonly string[]): string[] {
  const cidrs = prefixes.map(text => parsePrefix(text, 'the firewall'))
  cidrs.sort(
    (a, b) => a.family - b.family || Number(a.value > b.value) - Number(a.value < b.value) || a.length - b.length,
  )
  const outermost: Cidr[] = []
  for (const cidr of cidrs) {
    const last = outermost.at(-1)
    if (last === undefined || !containsCidr(last, cidr)) outermost.push(cidr)
  }
  return outermost.map(formatCidr)
}

function elementsOf({ overlay, shares }: Firewall): Record<SetName, string[]> {
  const ofFamily = (prefixes: readonly string[], six: boolean) =>
    outermostPrefixes(prefixes).filter(prefix => prefix.includes(':') === six)
  return {
    overlay4: ofFamily(overlay, false),
    overlay6: ofFamily(overlay, true),
    shares4: ofFamily(shares, false),
    shares6: ofFamily(shares, true),
  }
}
