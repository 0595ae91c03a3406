// `podwire join`: makes this host a node of a network, by a token that says all there is to know.

import { fileURLToPath } from 'node:url'
import { type Command, Option } from 'commander'
import { backends, type Settings } from '../agent/settings.ts'
import { podwireError } from '../base/errors.ts'
import { parseJoinToken } from '../model/join-token.ts'
import { parseEndpoints } from '../model/node-record.ts'
import { collect, parsePort } from './node-flags.ts'

interface JoinFlags {
  readonly name?: string
  readonly endpoint?: readonly string[]
  readonly listenPort?: string
  readonly device?: string
  readonly backend: Settings['backend']
  readonly start: boolean
}

export function define(command: Command): void {
  command
    .argument('[token]', 'what `podwire token create` printed; absent or "-": from standard input')
    .option('--name <name>', "name of this node (that of the token, else this host's name)")
    .option('--endpoint <ip:port>', 'where other nodes reach this one, best first (its public addresses)', collect)
    .option('--listen-port <port>', 'UDP port of the tunnel (51820, or the next that no other network has)')
    .option('--device <interface>', 'name of the WireGuard interface (podwire0, or the next)')
    .addOption(new Option('--backend <which>', 'whose WireGuard').choices(backends).default('auto'))
    .option('--no-start', 'only write settings and keys: neither install nor start the unit')
    .addHelpText(
      'after',
      `
It makes a key, gets this host its right to the store, writes /etc/podwire/NETWORK.json, and starts the agent: as the unit
podwire@NETWORK where systemd runs, else it says the command. A run that was killed is finished by the next; a host that has joined
is left as it is. The token is a secret until it is used: from standard input it is in no list of processes.

Examples:
  podwire join podwire1_…
  podwire join --endpoint 198.51.100.7:51820 <token
  podwire join --name web-1 --no-start podwire1_…

Environment:
  PODWIRE_ROOT=/folder   a folder in place of / for settings, keys and units`,
    )
    .action(async (text: string | undefined, flags: JoinFlags) => {
      const token = parseJoinToken(text === undefined || text === '-' ? await readToken() : text)
      const { joinNetwork } = await import('../agent/join.ts')
      const { name, endpoint, listenPort, device, backend } = flags
      const { settings, again } = await joinNetwork({
        token,
        backend,
        ...(name !== undefined && { name }),
        ...(device !== undefined && {
          device: (await import('../agent/settings.ts')).parseDeviceName(device, '--device'),
        }),
        ...(listenPort !== undefined && { listenPort: parsePort(listenPort, 'join') }),
        ...(endpoint && { endpoints: parseEndpoints({ file: '--endpoint', path: '', value: endpoint }) }),
        say: console.log,
      })
      const { network, name: node } = settings
      if (again) console.log(`This host has joined ${network} before, as ${node}: nothing was changed.`)
      else console.log(`This host is the node ${node} of the network ${network}.`)
      if (flags.start) await start(settings)
    })
}

async function start({ network }: Settings): Promise<void> {
  const [{ enableUnit, hasSystemd, installUnit, unitText }, { readText }, { placed }] = await Promise.all([
    import('../system/systemd.ts'),
    import('../system/read-text.ts'),
    import('../agent/settings.ts'),
  ])
  if (!hasSystemd()) {
    console.log(`systemd does not run here. Start the agent, and keep it running:\n  podwire agent ${network}`)
    return
  }
  const main = fileURLToPath(new URL('./main.js', import.meta.url))
  for (const unit of ['podwire-close.service', 'podwire@.service']) {
    const text = await readText(fileURLToPath(new URL(`../../../deploy/systemd/${unit}`, import.meta.url)))
    await installUnit(placed(`/etc/systemd/system/${unit}`), unitText(text, [process.execPath, main]))
    await enableUnit(unit.replace('@', `@${network}`))
  }
  console.log(
    `The unit podwire@${network} is started, and starts with the machine. See it with: podwire status ${network}`,
  )
}

/** Longer than any token: what goes on for ever is none. */
const maxBytes = 1 << 20

async function readToken(): Promise<string> {
  if (process.stdin.isTTY)
    throw podwireError('ERR_PODWIRE_USAGE', { what: "missing required argument 'token'", command: 'join' })
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk
    if (text.length > maxBytes) break
  }
  return text.trim()
}
