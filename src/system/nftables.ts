// A network's own nftables table, through the program nft: transactions in as text, the table's state out as JSON.

import { formatCidr, parseCidr } from '../base/cidr.ts'
import { PodwireError, podwireError } from '../base/errors.ts'
import { exec } from '../base/exec.ts'
import { parseFirewallSeal } from '../model/firewall-seal.ts'
import { type Firewall, firewallTable } from '../model/host-state.ts'

/** The table of one device in one network namespace. Errors: ERR_PODWIRE_TOOL_MISSING, _NEEDS_ROOT, _COMMAND_FAILED. */
export interface Nftables {
  /** What the table holds; everything empty when there is none. */
  observe(): Promise<Firewall>
  /** One transaction: all of the script, or on an error nothing of it. */
  run(script: string): Promise<void>
  /** What the tables of other devices, of other networks, hold. */
  others(): Promise<{ device: string; prefixes: readonly string[] }[]>
}

/** Of this process's network namespace, or of the one at `namespacePath` ("/run/netns/NAME"). */
export function openNftables(device: string, namespacePath?: string): Nftables {
  const nft = async (args: readonly string[], input = ''): Promise<string> => {
    const inside = namespacePath === undefined ? [] : ['nsenter', `--net=${namespacePath}`]
    const command = [...inside, 'nft', ...args] as [string, ...string[]]
    try {
      return (await exec(command, { input, env: { ...process.env, LC_ALL: 'C' } })).stdout
    } catch (error) {
      if (!failedWith(error, /Operation not permitted/)) throw error
      throw podwireError('ERR_PODWIRE_NEEDS_ROOT', { what: '`nft`' }, error)
    }
  }
  const own = firewallTable(device)
  const observe = async (table: string): Promise<Firewall> => {
    try {
      return parseTable(JSON.parse(await nft(['-j', 'list', 'table', 'inet', table])))
    } catch (error) {
      if (failedWith(error, /^Error: No such file or directory$/m)) return { device: '', overlay: [], shares: [] }
      throw error
    }
  }
  return {
    observe: () => observe(own),
    async others() {
      const { nftables }: { nftables: { table?: { name: string } }[] } = JSON.parse(
        await nft(['-j', 'list', 'tables', 'inet']),
      )
      const [start, accepts] = [firewallTable(''), firewallTable('accept-')]
      const names = nftables.flatMap(({ table }) => table?.name ?? [])
      const tables = names.filter(name => name !== own && name.startsWith(start) && !name.startsWith(accepts))
      return Promise.all(
        tables.map(async table => {
          const { overlay, shares } = await observe(table)
          return { device: table.slice(start.length), prefixes: [...overlay, ...shares] }
        }),
      )
    },
    async run(script) {
      await nft(['-f', '-'], script)
    },
  }
}

function failedWith(error: unknown, words: RegExp): boolean {
  if (!(error instanceof PodwireError) || error.code !== 'ERR_PODWIRE_COMMAND_FAILED') return false
  return words.test(error.message.replace(/^[^:]*: /, ''))
}

/** An element of a set of intervals, as nft writes it. */
type Prefix = string | { prefix: { addr: string; len: number } }
type Element = Prefix | { range: [string, string] }

interface Listing {
  nftables: { set?: { name: string; elem?: Element[] }; rule?: { comment?: string } }[]
}

function parseTable({ nftables }: Listing): Firewall {
  const elements = (name: string) =>
    nftables.flatMap(({ set }) => (set?.name === `${name}4` || set?.name === `${name}6` ? (set.elem ?? []) : []))
  const [overlay, shares] = [elements('overlay'), elements('shares')]
  const comments = nftables.flatMap(({ rule }) => (rule === undefined ? [] : [rule.comment ?? '']))
  const [comment = ''] = comments
  const seal = parseFirewallSeal(comment)
  const ours =
    seal?.ruleCount === comments.length &&
    comments.every(other => other === comment) &&
    [...overlay, ...shares].every(isPrefix)
  return {
    device: ours ? seal.device : '',
    overlay: overlay.filter(isPrefix).map(formatPrefix).sort(),
    shares: shares.filter(isPrefix).map(formatPrefix).sort(),
    ...(ours && { seal: comment }),
  }
}

/** podwire adds no other ranges: one is the work of a hand, and the table is put in order as a whole. */
function isPrefix(element: Element): element is Prefix {
  return typeof element === 'string' || 'prefix' in element
}

/** Canonical. */
function formatPrefix(element: Prefix): string {
  const text = typeof element === 'string' ? element : `${element.prefix.addr}/${element.prefix.len}`
  return formatCidr(parseCidr(text, 'nft'))
}
