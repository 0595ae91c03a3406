// Rules of other programs that drop what this host forwards, and with it what its containers send: Docker, ufw and firewalld write
// some. A packet has to pass every chain of the hook, so that no rule of our own table can let it through: who wants it let
// through has accepts inserted at the head of theirs, known again by their comment, the name of the network's table.

import { exec } from '../base/exec.ts'
import { firewallTable } from '../model/host-state.ts'

/** A chain that drops by its policy, or by its last rule. */
export interface ForwardChain {
  /** As nft names it: "ip filter FORWARD". */
  readonly name: string
  /** The program that writes it, if it is known. */
  readonly by?: string
  /** Our accepts in it: the table that each is for, and its handle. */
  readonly accepts: readonly { readonly table: string; readonly handle: number }[]
}

interface Listed {
  readonly chain?: { family: string; table: string; name: string; hook?: string; policy?: string }
  readonly rule?: { handle: number; comment?: string; expr?: readonly Record<string, unknown>[] }
}

const families = ['ip', 'ip6', 'inet']
/** Verdicts that end a packet, and what may stand before one in a rule for all packets. */
const ends = ['drop', 'reject']
const remarks = ['counter', 'log', 'limit']

/** Errors: ERR_PODWIRE_TOOL_MISSING, _NEEDS_ROOT, _COMMAND_FAILED. */
export async function observeForwardChains(): Promise<ForwardChain[]> {
  const chains = (await list('chains')).flatMap(({ chain }) => chain ?? [])
  const others = chains.filter(
    ({ family, table, hook }) =>
      hook === 'forward' && families.includes(family) && !table.startsWith(firewallTable('')),
  )
  const judged = await Promise.all(
    others.map(async ({ family, table, name, policy }): Promise<ForwardChain[]> => {
      const rules = (await list('chain', family, table, name)).flatMap(({ rule }) => rule ?? [])
      const expressions = rules.at(-1)?.expr?.filter(each => !remarks.some(key => key in each)) ?? []
      const lastEnds = expressions.length === 1 && ends.some(key => key in (expressions[0] ?? {}))
      if (policy !== 'drop' && !lastEnds) return []
      const by = writerOf(table, JSON.stringify(rules))
      const accepts = rules.flatMap(({ handle, comment }) =>
        comment?.startsWith(firewallTable('')) ? [{ table: comment, handle }] : [],
      )
      return [{ name: `${family} ${table} ${name}`, ...(by !== undefined && { by }), accepts }]
    }),
  )
  return judged.flat()
}

function writerOf(table: string, rules: string): string | undefined {
  if (table === 'firewalld') return 'firewalld'
  if (/"ufw6?-/.test(rules)) return 'ufw'
  return rules.includes('"DOCKER-') ? 'Docker' : undefined
}

/** Lets what comes from containers or goes to them pass the chains, as far as the network of that device has to do with it. */
export async function insertAccepts(chains: readonly ForwardChain[], device: string): Promise<void> {
  const ways = [
    ['pw*', device],
    [device, 'pw*'],
    ['pw*', 'pw*'],
  ]
  const lines = chains.flatMap(({ name }) =>
    ways.map(
      ([from, to]) =>
        `insert rule ${name} iifname "${from}" oifname "${to}" counter accept comment "${firewallTable(device)}"`,
    ),
  )
  if (lines.length > 0) await exec(['nft', '-f', '-'], { input: `${lines.join('\n')}\n` })
}

/** Takes out what `insertAccepts` put in for that device; whether there was anything. */
export async function removeAccepts(device: string): Promise<boolean> {
  const lines = (await observeForwardChains()).flatMap(({ name, accepts }) =>
    accepts.flatMap(({ table, handle }) =>
      table === firewallTable(device) ? [`delete rule ${name} handle ${handle}`] : [],
    ),
  )
  if (lines.length > 0) await exec(['nft', '-f', '-'], { input: `${lines.join('\n')}\n` })
  return lines.length > 0
}

async function list(...what: string[]): Promise<Listed[]> {
  const { stdout } = await exec(['nft', '-j', 'list', ...what], { env: { ...process.env, LC_ALL: 'C' } })
  return (JSON.parse(stdout) as { nftables: Listed[] }).nftables
}
