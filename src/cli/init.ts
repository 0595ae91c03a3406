// `podwire init`: sets a network up in a store, once.

import type { Command } from 'commander'
import { podwireError } from '../base/errors.ts'
import { formatNetworkConfig, type NetworkConfig, parseNetworkConfig } from '../model/network-config.ts'
import { collect } from './node-flags.ts'
import { defineStoreFlags, readAccess, type StoreFlags } from './store-flags.ts'

interface InitFlags extends StoreFlags {
  readonly range: readonly string[]
  readonly nodePrefix?: readonly string[]
}

export function define(command: Command): void {
  command
    .argument('<network>', 'its name')
    .requiredOption(
      '--range <prefix>',
      'where all addresses of its containers are; once for IPv4, once for IPv6',
      collect,
    )
  defineStoreFlags(command)
    .option('--node-prefix <length>', "length of a node's part of the range: /24 and /64 if it is not said", collect)
    .addHelpText(
      'after',
      `
The store is set up once: one that holds a network is left as it is. No host may have an address in the range; this one is looked at.

Examples:
  podwire init prod --range 10.99.0.0/16 --range fd99::/48 --store file:/srv/podwire
  podwire init prod --range 10.99.0.0/16 --node-prefix /26 --store file:/srv/podwire`,
    )
    .action(async (name: string, flags: InitFlags) => {
      const network = readNetwork(name, flags)
      await requireUnused(network)
      await createIn(network, flags)
    })
}

/** Errors: ERR_PODWIRE_NAME, _CIDR, _DOCUMENT, _USAGE. */
function readNetwork(name: string, { range, nodePrefix = [] }: InitFlags): NetworkConfig {
  const lengths = nodePrefix.map(text => {
    const length = Number(/^\/?(\d{1,3})$/.exec(text)?.[1])
    if (Number.isInteger(length)) return length
    throw podwireError('ERR_PODWIRE_USAGE', { what: `--node-prefix "${text}" is no length, as /26`, command: 'init' })
  })
  // In the order of the ranges, as they are typed.
  const nodePrefixLength = Object.fromEntries(
    lengths.map((length, i) => [range[i]?.includes(':') ? 'ipv6' : 'ipv4', length]),
  )
  const document = { name, range, ...(lengths.length > 0 && { nodePrefixLength }) }
  return parseNetworkConfig(JSON.stringify(document), 'podwire init')
}

/** Error: ERR_PODWIRE_RANGE_IN_USE. */
async function requireUnused(network: NetworkConfig): Promise<void> {
  const [{ requireOutside }, { openLinks }, { joinedNetworks, readSettings }] = await Promise.all([
    import('../agent/self.ts'),
    import('../native/link.ts'),
    import('../agent/settings.ts'),
  ])
  const joined = await Promise.all((await joinedNetworks()).map(readSettings))
  const own = joined.find(settings => settings?.network === network.name)
  const links = openLinks()
  try {
    requireOutside(network, { device: own?.device ?? 'podwire0', endpoints: [] }, links)
  } finally {
    links.close()
  }
}

async function createIn(network: NetworkConfig, flags: InitFlags): Promise<void> {
  const { openStore } = await import('../store/store.ts')
  if (flags.store === undefined) {
    throw podwireError('ERR_PODWIRE_USAGE', {
      what: "required option '--store <address>' not specified",
      command: 'init',
    })
  }
  const store = await openStore(flags.store, readAccess(flags))
  try {
    if (!(await store.createNetwork(network))) {
      const { name } = await store.readNetwork()
      throw podwireError('ERR_PODWIRE_NETWORK_EXISTS', { store: store.address, network: name })
    }
    console.log(`${store.address} holds the network ${network.name}:\n${formatNetworkConfig(network)}`)
    console.log(`A token for a host to join, and on that host:
  podwire token create --store ${store.address}
  podwire join TOKEN`)
  } finally {
    await store.close()
  }
}
