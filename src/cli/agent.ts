// `podwire agent`: keeps one node in step with its store, until a signal.

import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import { type Command, Option } from 'commander'
import type { AgentOptions } from '../agent/agent.ts'
import { backends, nodePaths, parseDeviceName } from '../agent/settings.ts'
import { podwireError } from '../base/errors.ts'
import { parseName } from '../model/name.ts'
import { parseEndpoints } from '../model/node-record.ts'
import { minMtuBytes } from '../plan/path-mtu.ts'
import { openStore } from '../store/store.ts'
import { endingSignal, openLog } from './long-running.ts'
import { collect, parsePort } from './node-flags.ts'
import { keepHeapSmall } from './small-heap.ts'
import { chooseSettings, defineStoreFlags, readAccess, type StoreFlags } from './store-flags.ts'

/** Options that `podwire agent` and `podwire plan` share, as commander gives them. */
export interface NodeFlags extends StoreFlags {
  readonly name: string
  readonly device: string
  readonly backend: AgentOptions['backend']
  readonly listenPort: string
  readonly endpoint: readonly string[]
  readonly state: string
  readonly mtu?: string
}

export function defineNodeFlags(command: Command): Command {
  return defineStoreFlags(
    command.argument('[network]', 'a network that this host has joined, in place of all options below'),
  )
    .option('--name <name>', 'name of this node in the store', hostname())
    .option('--device <interface>', 'name of the WireGuard interface', 'podwire0')
    .addOption(new Option('--backend <which>', 'whose WireGuard').choices(backends).default('auto'))
    .option('--listen-port <port>', 'UDP port of the tunnel', '51820')
    .option('--endpoint <ip:port>', 'where other nodes reach this one, best first; none behind a NAT', collect, [])
    .option('--mtu <bytes>', 'MTU of the device and of all routes; without it, found for each peer')
    .option('--state <folder>', "folder of this node's private key", '/var/lib/podwire')
}

/**
 * What the agent runs with: the settings of a network that was joined, else the flags.
 * Errors: ERR_PODWIRE_USAGE, _NAME, _ENDPOINT, _DOCUMENT, _STORE_ADDRESS, _NOT_JOINED.
 */
export async function readNodeOptions(
  network: string | undefined,
  flags: NodeFlags,
  command: string,
): Promise<Omit<AgentOptions, 'log' | 'deviceCommand'>> {
  if (flags.store === undefined) {
    const { store, access, ...settings } = await chooseSettings(network, command)
    return { ...settings, store: await openStore(store, access), stateFolder: nodePaths(settings.network).stateFolder }
  }
  if (network !== undefined) {
    throw podwireError('ERR_PODWIRE_USAGE', {
      what: 'name a network that this host has joined, or say --store',
      command,
    })
  }
  const mtuBytes = Number(flags.mtu)
  if (flags.mtu !== undefined && !(/^\d{4,5}$/.test(flags.mtu) && mtuBytes >= minMtuBytes && mtuBytes <= 65_535)) {
    throw podwireError('ERR_PODWIRE_USAGE', { what: `--mtu is a number from ${minMtuBytes} to 65535`, command })
  }
  return {
    store: await openStore(flags.store, readAccess(flags)),
    name: parseName(flags.name, '--name'),
    device: parseDeviceName(flags.device, '--device'),
    backend: flags.backend,
    listenPort: parsePort(flags.listenPort, command),
    endpoints: parseEndpoints({ file: '--endpoint', path: '', value: flags.endpoint }),
    stateFolder: flags.state,
    ...(flags.mtu !== undefined && { mtuBytes }),
  }
}

interface AgentFlags extends NodeFlags {
  readonly logLevel: string
  readonly health?: string
  readonly acceptForward?: true
}

export function define(command: Command): void {
  defineNodeFlags(command)
    .option('--accept-forward', 'where rules of Docker, ufw or firewalld drop what containers send, insert accepts')
    .option('--health <address:port>', 'serve /healthz and /readyz there, on loopback if it is only a port')
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .addHelpText(
      'after',
      `
It makes a key, claims prefixes of the network's range, starts a device (which outlives it), and keeps peers, routes and
firewall in step with the store. On SIGTERM it ends and leaves all of that as it is. The device is the kernel's WireGuard, or
where it has none a userspace device; one that is there already stays what it is.

Environment:
  PODWIRE_DEVICE_OPTIONS='--no-gso …'   options of a userspace device that it starts: see podwire device --help

Examples:
  podwire agent prod --health 9820
  podwire agent prod                                            what \`podwire join\` set up
  podwire agent --store file:/srv/podwire --endpoint 198.51.100.7:51820
  podwire agent --store file:/srv/podwire --name behind-nat
  podwire agent --store file:/tmp/net --name b --device podwire1 --listen-port 51821 --state /tmp/b`,
    )
    .action(async (network: string | undefined, flags: AgentFlags) => {
      const options = await readNodeOptions(network, flags, 'agent')
      const { keepNode } = await import('../agent/keep-node.ts')
      const log = await openLog(flags.logLevel, 'agent')
      keepHeapSmall()
      const ending = endingSignal()
      const main = fileURLToPath(new URL('./main.js', import.meta.url))
      const asked = {
        ...(flags.health !== undefined && { health: flags.health }),
        ...(flags.acceptForward && { acceptForward: true }),
      }
      await keepNode({ ...options, ...asked, deviceCommand: [process.execPath, main, 'device'], log }, ending)
    })
}
