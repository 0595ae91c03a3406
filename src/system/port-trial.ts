// Whether this host's own rules let a datagram in: tried, and not guessed from their text, and without touching the host. The rules and
// the addresses are copied into a network namespace that has no name, and a datagram is sent to the copy from a second one.
//
//   sender: an address of the Internet ── veth, at this end named as the host's link ──> copy: the host's addresses and rules
//                                            counted where it comes in, and again behind the last rule
//
// Each namespace is held by a process that ends with its standard input, so that a kill leaves nothing.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Family } from '../base/cidr.ts'
import { podwireError, reasonOf } from '../base/errors.ts'
import { exec } from '../base/exec.ts'
import type { HostFacts, WayOut } from '../model/host-facts.ts'

interface Trial {
  /** The text of `nft list ruleset`. */
  readonly ruleset: string
  readonly port: number
  readonly waysOut: readonly WayOut[]
  /** Names of the host's links: rules may name them. */
  readonly links: readonly string[]
}

const deadlineMs = 10_000
/** Where datagrams seem to come from. They never leave the two namespaces; no rule is likely to name these. */
const sources: Readonly<Record<Family, string>> = { 4: '50.60.70.80/32', 6: '2600:3c00:50::60/128' }
const anywhere: Readonly<Record<Family, string>> = { 4: '0.0.0.0/0', 6: '::/0' }
const [hostMac, senderMac] = ['02:00:00:00:00:01', '02:00:00:00:00:02']

/** Which families the rules close to a UDP datagram for the port, or why that could not be tried. */
export async function tryPort(trial: Trial): Promise<HostFacts['firewall']> {
  const hooks = /hook (ingress|prerouting|input) /.test(trial.ruleset)
  if (trial.waysOut.length === 0) return { untried: 'the host has no address outside its tunnels' }
  try {
    const closed = hooks ? await tryCopy(trial) : []
    if (closed.length === 0 && hasLegacyRules())
      return { untried: 'iptables-legacy has rules, which podwire does not read' }
    return { closed }
  } catch (error) {
    const [reason = ''] = reasonOf(error).split('\n')
    return { untried: reason }
  }
}

/** Rules that nft does not show. */
function hasLegacyRules(): boolean {
  return ['ip_tables_names', 'ip6_tables_names'].some(name => {
    try {
      return readFileSync(`/proc/net/${name}`, 'utf8') !== ''
    } catch {
      return false // without root, or without the module
    }
  })
}

async function tryCopy(trial: Trial): Promise<Family[]> {
  const copy = await makeNamespace()
  try {
    const sender = await makeNamespace()
    try {
      await join(copy, sender, trial)
      await copy.run(['nft', '-f', '-'], trial.ruleset)
      await copy.run(['nft', '-f', '-'], countersOf(trial))
      return await sendAndCount(copy, sender, trial)
    } finally {
      await sender.end()
    }
  } finally {
    await copy.end()
  }
}

interface Namespace {
  readonly pid: number
  run(command: readonly [string, ...string[]], input?: string): Promise<string>
  end(): Promise<void>
}

async function makeNamespace(): Promise<Namespace> {
  const holder = spawn('unshare', ['--net', '--', 'cat'], { stdio: ['pipe', 'pipe', 'pipe'] })
  const said: string[] = []
  holder.stderr.on('data', chunk => said.push(String(chunk)))
  holder.stdin.on('error', () => {}) // it ended: `close` says so
  const closed = once(holder, 'close').catch(error => said.push(reasonOf(error)))
  holder.stdin.write('\n')
  // What comes back comes from the namespace.
  await Promise.race([once(holder.stdout, 'data'), closed])
  if (holder.pid === undefined || holder.exitCode !== null) {
    throw podwireError('ERR_PODWIRE_SYSTEM', { what: 'making a network namespace', reason: said.join('').trim() })
  }
  const enter = ['nsenter', `--net=/proc/${holder.pid}/ns/net`, '--'] as const
  return {
    pid: holder.pid,
    async run(command, input) {
      return (await exec([...enter, ...command], { timeout: deadlineMs, ...(input !== undefined && { input }) })).stdout
    },
    async end() {
      holder.stdin.end()
      await closed
    },
  }
}

/** Gives the copy the links that rules name; those by which datagrams come lead to the sender. */
async function join(copy: Namespace, sender: Namespace, { ruleset, waysOut, links }: Trial): Promise<void> {
  const ways = new Set(waysOut.map(({ link }) => link))
  const others = links.filter(name => name !== 'lo' && !ways.has(name) && ruleset.includes(name))
  const lines = [
    'link set lo up',
    ...others.map((name, i) => `link add name ${name} type veth peer name podwire-try${i}`),
    ...[...ways].flatMap((name, i) => [
      `link add name ${name} address ${hostMac} type veth peer name out${i} address ${senderMac} netns ${sender.pid}`,
      `link set ${name} up`,
    ]),
    ...waysOut.flatMap(({ family, link, address }) => [
      `address add ${address}/${family === 4 ? 32 : 128} dev ${link}${family === 6 ? ' nodad' : ''}`,
      `route add ${anywhere[family]} dev ${link}`, // or the source would be one that no answer reaches
    ]),
  ]
  await ip(copy, lines)
  const outOf = ({ link }: WayOut) => `out${[...ways].indexOf(link)}`
  await ip(sender, [
    ...[...ways].map((_, i) => `link set out${i} up`),
    ...waysOut.flatMap(way => [
      `address add ${sources[way.family]} dev ${outOf(way)}${way.family === 6 ? ' nodad' : ''}`,
      `route add ${anywhere[way.family]} dev ${outOf(way)}`,
      `neighbour add ${way.address} lladdr ${hostMac} dev ${outOf(way)}`, // no rule is asked for the way
    ]),
  ])
}

const ip = (namespace: Namespace, lines: readonly string[]) =>
  namespace.run(['ip', '-batch', '-'], `${lines.join('\n')}\n`)

/** Two counters a family, before the first rule and behind the last. */
function countersOf({ waysOut, port }: Trial): string {
  const rule = ({ family, address }: WayOut, name: string) =>
    `${family === 4 ? 'ip' : 'ip6'} daddr ${address} udp dport ${port} counter name ${name}${family}`
  const table = (family: string, name: string, hook: (way: WayOut) => string) =>
    [
      `table ${family} podwire_trial {`,
      ...waysOut.map(way => `counter ${name}${way.family} {\n}`),
      ...waysOut.map(way => `chain ${name}${way.family} {\ntype filter hook ${hook(way)};\n${rule(way, name)}\n}`),
      '}\n',
    ].join('\n')
  return (
    table('netdev', 'arrived', ({ link }) => `ingress device "${link}" priority -2147483648`) +
    table('inet', 'passed', () => 'input priority 2147483646')
  )
}

/** Sends until each family has passed once, or arrived twice: by then what became of the first is counted. */
async function sendAndCount(copy: Namespace, sender: Namespace, { waysOut, port }: Trial): Promise<Family[]> {
  for (const endMs = performance.now() + deadlineMs; performance.now() < endMs; await delay(10)) {
    for (const { address } of waysOut) {
      const send = ['bash', '-c', 'echo >"/dev/udp/$1/$2"', 'bash', address, String(port)] as const
      await sender.run(send).catch(() => {}) // a link that has just come up may take a moment
    }
    const counts = await readCounters(copy)
    const passed = ({ family }: WayOut) => (counts.get(`passed${family}`) ?? 0) > 0
    if (waysOut.every(way => passed(way) || (counts.get(`arrived${way.family}`) ?? 0) > 1)) {
      return waysOut.flatMap(way => (passed(way) ? [] : [way.family]))
    }
  }
  const what = 'trying a copy of the rules'
  throw podwireError('ERR_PODWIRE_SYSTEM', { what, reason: `no datagram came to it within ${deadlineMs / 1000} s` })
}

async function readCounters(copy: Namespace): Promise<Map<string, number>> {
  const { nftables }: { nftables: { counter?: { table: string; name: string; packets: number } }[] } = JSON.parse(
    await copy.run(['nft', '-j', 'list', 'counters']),
  )
  return new Map(
    nftables.flatMap(({ counter }) =>
      counter?.table === 'podwire_trial' ? [[counter.name, counter.packets] as const] : [],
    ),
  )
}
