// `podwire token`: what a host is given to join a network.

import type { Command } from 'commander'
import { podwireError } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import { formatJoinToken } from '../model/join-token.ts'
import { parseName } from '../model/name.ts'
import { defineStoreFlags, openChosenStore, type StoreFlags } from './store-flags.ts'

interface TokenFlags extends StoreFlags {
  readonly network?: string
  readonly node?: string
}

export function define(command: Command): void {
  const create = command
    .command('create')
    .summary('make a token, and print it')
    .description('Prints a token for `podwire join`.')
  defineStoreFlags(create)
    .option('--network <name>', 'of those that this host has joined')
    .option('--node <name>', 'the only name under which a host may join by it')
    .addHelpText(
      'after',
      `
What it is worth depends on the store. file: it says where the folder is, and whoever may write there is in.

Examples:
  podwire token create
  podwire token create --store file:/srv/podwire --node web-1`,
    )
    .action(createToken)
}

async function createToken(flags: TokenFlags): Promise<void> {
  const node = flags.node === undefined ? {} : { node: parseName(flags.node, '--node') }
  const { store } = await openChosenStore(flags, 'token create')
  try {
    const { name: network } = await store.readNetwork()
    const [form] = store.address.split(':')
    if (form !== 'file') {
      throw podwireError('ERR_PODWIRE_STORE_ADDRESS', { address: store.address, reason: 'no tokens are made for it' })
    }
    // Its right is the file system's: there is nothing to keep secret.
    console.log(formatJoinToken({ network, store: store.address, ...node, secret: new Secret(Buffer.from('none')) }))
  } finally {
    await store.close()
  }
}
