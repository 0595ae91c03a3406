// The table `inet podwire-hosts-DEVICE` as nft text, of a network that encrypts what its hosts send one another: what goes to a
// node's own address is sent to an inner one instead, which leads through the tunnel, and the node turns it back.
//
//   output, what is forwarded --(inward: hosts4 192.0.2.2 : 10.99.2.0)--> device ==> device --(10.99.2.0 : 192.0.2.2)--> host
//   what was not redirected, and goes by another way out, or came in by one: dropped (chains leaving, arriving)
//
// So no route, rule or mark is needed, nor an address that two nodes behind one NAT would both claim. In clear stays what a host
// needs to become a node again: the tunnel's own packets, SSH and the store, which encrypt by themselves, and what ICMP has to
// say of the way. Replies go as they came: connections are looked at, here only.

import { createHash } from 'node:crypto'
import { firewallTable } from '../model/host-state.ts'

export interface HostTraffic {
  readonly device: string
  /** UDP ports of this host whose packets are the tunnel's own. */
  readonly ownPorts: readonly number[]
  /** TCP ports that stay in clear. */
  readonly clearPorts: readonly number[]
  readonly range: readonly string[]
  /** Addresses of other nodes' hosts; without an inner one nothing can be sent there but what stays in clear. */
  readonly hosts: readonly { readonly outer: string; readonly inner?: string }[]
  /** This node's own: what comes by the tunnel for the inner one is for the outer one. */
  readonly own: readonly { readonly outer: string; readonly inner: string }[]
}

const families = [
  { header: 'ip', digit: '4', type: 'ipv4_addr' },
  { header: 'ip6', digit: '6', type: 'ipv6_addr' },
] as const

export function hostTrafficTable(device: string): string {
  return firewallTable(`hosts-${device}`)
}

/** What tells one text from another: the comment of each of its rules. */
export function hostTrafficSeal(traffic: HostTraffic): string {
  return `podwire ${createHash('sha256').update(JSON.stringify(traffic)).digest('hex').slice(0, 16)}`
}

/** One transaction that puts the table in the place of the one that is there; without traffic, that removes it. */
export function renderHostTraffic(device: string, traffic: HostTraffic | undefined): string {
  const table = `table inet ${hostTrafficTable(device)}`
  const gone = [table, `delete ${table}`]
  if (traffic === undefined) return `${gone.join('\n')}\n`
  const chains = renderChains(traffic).map(({ head, lines: [hook = '', ...rules] }) => {
    const sealed = rules.map(rule => `${rule} comment "${hostTrafficSeal(traffic)}"`)
    return { head, lines: [hook, ...sealed] }
  })
  const blocks = [...families.flatMap(family => renderHosts(family, traffic)), ...chains]
  const lines = blocks.flatMap(({ head, lines }) => [`  ${head} {`, ...lines.map(line => `    ${line}`), '  }'])
  return `${[...gone, `${table} {`, ...lines, '}'].join('\n')}\n`
}

interface Block {
  readonly head: string
  readonly lines: readonly string[]
}

function renderHosts({ header, digit, type }: (typeof families)[number], { hosts, range }: HostTraffic): Block[] {
  const ofFamily = (text: string) => text.includes(':') === (header === 'ip6')
  const some = hosts.filter(({ outer }) => ofFamily(outer))
  const elements = (texts: readonly string[]) => (texts.length > 0 ? [`elements = { ${texts.join(', ')} }`] : [])
  const pairs = some.flatMap(({ outer, inner }) => (inner === undefined ? [] : `${outer} : ${inner}`))
  return [
    { head: `map hosts${digit}`, lines: [`type ${type} : ${type}`, ...elements(pairs)] },
    { head: `set outer${digit}`, lines: [`type ${type}`, ...elements(some.map(({ outer }) => outer))] },
    { head: `set range${digit}`, lines: [`type ${type}`, 'flags interval', ...elements(range.filter(ofFamily))] },
  ]
}

/** Of each chain the hook comes first, which of one that is only gone to is empty. */
function renderChains(traffic: HostTraffic): Block[] {
  const { device, own, ownPorts, clearPorts } = traffic
  const [tcp, udp] = [clearPorts, ownPorts].map(ports => `{ ${ports.join(', ')} }`)
  const inBoth = (rule: (family: (typeof families)[number]) => string) => families.map(rule)
  const errors = [
    'icmp type { destination-unreachable, time-exceeded, parameter-problem } return',
    'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } return',
    'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } return',
  ]
  const clear = [`tcp dport ${tcp} return`, 'ct direction reply return', ...errors]
  return [
    {
      head: 'chain inward',
      lines: [
        '',
        `udp sport ${udp} return`,
        `tcp dport ${tcp} return`,
        ...inBoth(({ header, digit }) => `dnat ${header} to ${header} daddr map @hosts${digit}`),
      ],
    },
    { head: 'chain output', lines: ['type nat hook output priority -100; policy accept;', 'goto inward'] },
    {
      head: 'chain prerouting',
      lines: [
        'type nat hook prerouting priority -100; policy accept;',
        ...own.map(({ inner, outer }) => {
          const header = inner.includes(':') ? 'ip6' : 'ip'
          return `iifname "${device}" ${header} daddr ${inner} dnat ${header} to ${outer}`
        }),
        `iifname != "${device}" goto inward`,
      ],
    },
    {
      // Whoever sends from outside the range does so by the node's own address, which is all that the other side takes.
      head: 'chain masked',
      lines: [
        'type nat hook postrouting priority 100; policy accept;',
        ...inBoth(
          ({ header, digit }) => `oifname "${device}" ct status dnat ${header} saddr != @range${digit} masquerade`,
        ),
      ],
    },
    {
      head: 'chain leaving',
      lines: [
        'type filter hook postrouting priority 300; policy accept;',
        `oifname { "lo", "${device}" } return`,
        `udp sport ${udp} return`,
        ...clear,
        ...inBoth(({ header, digit }) => `${header} daddr @outer${digit} counter drop`),
      ],
    },
    {
      head: 'chain arriving',
      lines: [
        'type filter hook prerouting priority -150; policy accept;',
        `iifname { "lo", "${device}" } return`,
        `udp dport ${udp} return`,
        ...clear,
        ...inBoth(({ header, digit }) => `${header} saddr @outer${digit} counter drop`),
      ],
    },
  ]
}
