// `podwire token`: what a host is given to join a network.

import type { Command } from 'commander'
import { podwireError } from '../base/errors.ts'
import { parseName } from '../model/name.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import type { ListedToken, TokenWish } from '../store/server-admin.ts'
import type { Tokens } from '../store/tokens.ts'
import { defineStoreFlags, openChosenStore, type StoreFlags } from './store-flags.ts'
import { formatTable } from './table.ts'

interface TokenFlags extends StoreFlags {
  readonly network?: string
  readonly node?: string
  readonly uses?: string
  readonly lifetime?: string
  readonly json?: true
}

function defineSub(command: Command, words: string, summary: string): Command {
  const sub = command.command(words).summary(summary).description(summary)
  return defineStoreFlags(sub).option('--network <name>', 'of those that this host has joined')
}

export function define(command: Command): void {
  defineSub(command, 'create', 'make a token, and print it')
    .option('--node <name>', 'the only name under which a host may join by it')
    .option('--uses <number>', 'server: how many hosts may join by it (1)')
    .option('--lifetime <time>', 'server: how long it holds, as 30m, 12h or 7d (1h)')
    .addHelpText(
      'after',
      `
Standard output has the token and nothing else. What it is worth depends on the store:
  server   a secret for one host, for an hour; it is made on the host of the server, as root
  etcd     the password of a user that it makes for --node, with its prefixes; another takes the place of the last
  file     it says where the folder is; whoever may write there is in

Examples:
  podwire token create
  podwire token create --node web-1 --lifetime 10m
  podwire token create --store file:/srv/podwire`,
    )
    .action((flags: TokenFlags) =>
      withTokens(flags, 'token create', async tokens => {
        const { token, note } = await tokens.create(readWish(flags))
        console.log(token)
        console.error(note)
      }),
    )
  defineSub(command, 'list', 'the tokens there are, and who joined by them; no secret is shown')
    .option('--json', 'as JSON; its schema is schema/token-list.json')
    .action((flags: TokenFlags) =>
      withTokens(flags, 'token list', async tokens => {
        const list = (await tokens.list()).map(listed)
        console.log(flags.json ? JSON.stringify({ tokens: list }, undefined, 2) : formatTokens(list))
      }),
    )
  defineSub(
    command,
    'revoke <id>',
    'take a token back: nobody else joins by it, and who has joined stays (etcd: the right of a node, by its name)',
  ).action((id: string, flags: TokenFlags) =>
    withTokens(flags, 'token revoke', async tokens => {
      if (!(await tokens.revoke(id))) throw podwireError('ERR_PODWIRE_TOKEN_UNKNOWN', {})
      console.log(`The token ${id} is revoked.`)
    }),
  )
}

async function withTokens(flags: TokenFlags, command: string, run: (tokens: Tokens) => Promise<void>): Promise<void> {
  const [{ store, access }, { openTokens }, { claimPrefixes }] = [
    await openChosenStore(flags, command),
    await import('../store/tokens.ts'),
    await import('../agent/claim.ts'),
  ]
  try {
    const claim = (network: NetworkConfig, node: string) => claimPrefixes({ store, network, node })
    await run(await openTokens(store, { access, claim }))
  } finally {
    await store.close()
  }
}

const unitMs: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Errors: ERR_PODWIRE_NAME, ERR_PODWIRE_USAGE. */
function readWish({ node, uses, lifetime }: TokenFlags): TokenWish {
  const usage = (what: string) => podwireError('ERR_PODWIRE_USAGE', { what, command: 'token create' })
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(lifetime ?? '1h') ?? []
  if (count === undefined) throw usage(`--lifetime "${lifetime}" is no time, as 30m, 12h or 7d`)
  if (uses !== undefined && !/^\d{1,6}$/.test(uses)) throw usage(`--uses "${uses}" is no number`)
  return {
    ...(node !== undefined && { node: parseName(node, '--node') }),
    ...(uses !== undefined && { uses: Number(uses) }),
    ...(lifetime !== undefined && { lifetimeMs: Number(count) * (unitMs[unit] ?? 0) }),
  }
}

/** As schema/token-list.json says. */
function listed({ id, node, uses, usedBy, sinceMs, expiresMs, revokedMs }: ListedToken) {
  const time = (ms: number) => new Date(ms).toISOString()
  return {
    id,
    ...(node !== undefined && { node }),
    uses,
    usedBy,
    created: time(sinceMs),
    expires: time(expiresMs),
    ...(revokedMs !== undefined && { revoked: time(revokedMs) }),
  }
}

function formatTokens(tokens: readonly ReturnType<typeof listed>[]): string {
  if (tokens.length === 0) return 'There are no tokens.'
  const rows = [
    ['ID', 'FOR', 'USED', 'EXPIRES', ''],
    ...tokens.map(({ id, node, uses, usedBy, expires, revoked }) => [
      id,
      node ?? 'any name',
      `${usedBy.length} of ${uses}${usedBy.length > 0 ? `: ${usedBy.join(' ')}` : ''}`,
      expires,
      revoked === undefined ? '' : 'revoked',
    ]),
  ]
  return formatTable(rows)
}
