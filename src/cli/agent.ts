// `podwire agent`: keeps one node in step with its store, until a signal.

import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import { type Command, Option } from 'commander'
import type { AgentOptions } from '../agent/agent.ts'
import { podwireError } from '../base/errors.ts'
import { parseName } from '../model/name.ts'
import { parseEndpoints } from '../model/node-record.ts'
import { minMtuBytes } from '../plan/path-mtu.ts'
import { openStore } from '../store/store.ts'

/** Options that `podwire agent` and `podwire plan` share, as commander gives them. */
export interface NodeFlags {
  readonly store: string
  readonly name: string
  readonly device: string
  readonly backend: AgentOptions['backend']
  readonly listenPort: string
  readonly endpoint: readonly string[]
  readonly state: string
  readonly mtu?: string
}

const backends: readonly AgentOptions['backend'][] = ['auto', 'kernel', 'userspace']

export function defineNodeFlags(command: Command): Command {
  return command
    .requiredOption('--store <address>', 'where the records of all nodes are: file:/path/to/folder')
    .option('--name <name>', 'name of this node in the store', hostname())
    .option('--device <interface>', 'name of the WireGuard interface', 'podwire0')
    .addOption(new Option('--backend <which>', 'whose WireGuard').choices(backends).default('auto'))
    .option('--listen-port <port>', 'UDP port of the tunnel', '51820')
    .option('--endpoint <ip:port>', 'where other nodes reach this one, best first; none behind a NAT', collect, [])
    .option('--mtu <bytes>', 'MTU of the device and of all routes; without it, found for each peer')
    .option('--state <folder>', "folder of this node's private key", '/var/lib/podwire')
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value]
}

/** Checks the flags. Errors: ERR_PODWIRE_USAGE, _NAME, _ENDPOINT, _DOCUMENT, _STORE_ADDRESS. */
export async function readNodeFlags(
  flags: NodeFlags,
  command: string,
): Promise<Omit<AgentOptions, 'log' | 'deviceCommand'>> {
  const listenPort = Number(flags.listenPort)
  if (!/^\d{1,5}$/.test(flags.listenPort) || listenPort < 1 || listenPort > 65535) {
    throw podwireError('ERR_PODWIRE_USAGE', { what: '--listen-port is a number from 1 to 65535', command })
  }
  const mtuBytes = Number(flags.mtu)
  if (flags.mtu !== undefined && !(/^\d{4,5}$/.test(flags.mtu) && mtuBytes >= minMtuBytes && mtuBytes <= 65_535)) {
    throw podwireError('ERR_PODWIRE_USAGE', { what: `--mtu is a number from ${minMtuBytes} to 65535`, command })
  }
  return {
    store: await openStore(flags.store),
    name: parseName(flags.name, '--name'),
    device: parseDeviceName(flags.device),
    backend: flags.backend,
    listenPort,
    endpoints: parseEndpoints({ file: '--endpoint', path: '', value: flags.endpoint }),
    stateFolder: flags.state,
    ...(flags.mtu !== undefined && { mtuBytes }),
  }
}

function parseDeviceName(text: string): string {
  const fail = (reason: string) => podwireError('ERR_PODWIRE_NAME', { where: '--device', text, reason })
  if (!/^[a-zA-Z0-9_=+.-]{1,15}$/.test(text)) throw fail('an interface has 1 to 15 letters, digits and _ = + . -')
  if (text.startsWith('pw')) throw fail('pw… are the interfaces of containers, which the firewall treats otherwise')
  return text
}

export function define(command: Command): void {
  defineNodeFlags(command)
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
  podwire agent --store file:/srv/podwire --endpoint 198.51.100.7:51820
  podwire agent --store file:/srv/podwire --name behind-nat
  podwire agent --store file:/tmp/net --name b --device podwire1 --listen-port 51821 --state /tmp/b

The folder of the store holds a network.json:
  { "name": "prod", "range": ["10.99.0.0/16", "fd99::/48"] }`,
    )
    .action(async (flags: NodeFlags & { logLevel: string }) => {
      const options = await readNodeFlags(flags, 'agent')
      const [{ runAgent }, { pino }] = await Promise.all([import('../agent/agent.ts'), import('pino')])
      if (!['debug', 'info', 'warn', 'error'].includes(flags.logLevel)) {
        throw podwireError('ERR_PODWIRE_USAGE', { what: '--log-level is debug, info, warn or error', command: 'agent' })
      }
      const log = pino(
        { level: flags.logLevel, base: null, redact: ['*.privateKey', '*.presharedKey', 'privateKey', 'presharedKey'] },
        pino.destination({ fd: 1, sync: true }),
      )
      const ending = new AbortController()
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => ending.abort())
      const main = fileURLToPath(new URL('./main.js', import.meta.url))
      await runAgent({ ...options, deviceCommand: [process.execPath, main, 'device'], log }, ending.signal)
    })
}
