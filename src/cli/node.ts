// `podwire node`: the nodes of a network, one of them, and taking one out.

import type { Command } from 'commander'
import { nodeList } from '../agent/node-list.ts'
import { podwireError } from '../base/errors.ts'
import { formatNode, formatNodes } from './node-table.ts'
import { defineStoreFlags, openChosenStore, type StoreFlags } from './store-flags.ts'

interface NodeFlags extends StoreFlags {
  readonly network?: string
  readonly json?: true
}

function defineSub(command: Command, words: string, summary: string): Command {
  const sub = command.command(words).summary(summary).description(summary)
  return defineStoreFlags(sub).option('--network <name>', 'of those that this host has joined')
}

export function define(command: Command): void {
  defineSub(command, 'list', 'all nodes: addresses, endpoint, and when this host last heard of them')
    .option('--json', 'as JSON; its schema is schema/node-list.json')
    .action(async (flags: NodeFlags) => {
      const list = await readList(flags, 'node list')
      console.log(flags.json ? JSON.stringify(list, undefined, 2) : formatNodes(list))
    })
  defineSub(command, 'show <name>', 'all that is known of one node')
    .option('--json', 'as JSON: one item of schema/node-list.json')
    .action(async (name: string, flags: NodeFlags) => {
      const { nodes, store } = await readList(flags, 'node show')
      const node = nodes.find(each => each.name === name)
      if (node === undefined) throw podwireError('ERR_PODWIRE_NODE_UNKNOWN', { name, store })
      console.log(flags.json ? JSON.stringify(node, undefined, 2) : formatNode(node))
    })
  defineSub(
    command,
    'remove <name>',
    'take a node out for good: its key counts no more, and all others drop it at once',
  )
    .addHelpText('after', '\nOn the node itself, `podwire leave NETWORK` does this and cleans up.')
    .action(async (name: string, flags: NodeFlags) => {
      const { store } = await openChosenStore(flags, 'node remove')
      try {
        if (!(await store.removeNode(name))) {
          throw podwireError('ERR_PODWIRE_NODE_UNKNOWN', { name, store: store.address })
        }
        console.log(`The node ${name} is removed: its key counts no more, and its prefixes are free.`)
      } finally {
        await store.close()
      }
    })
}

async function readList(flags: NodeFlags, command: string) {
  const { store, settings } = await openChosenStore(flags, command)
  try {
    return await nodeList(store, settings)
  } finally {
    await store.close()
  }
}
