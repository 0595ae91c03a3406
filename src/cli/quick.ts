// `podwire quick`: wg-quick(8), with INI or JSON, `reload` and `--dry-run`. Also through a link named wg-quick.

import { fileURLToPath } from 'node:url'
import { type Command, Option } from 'commander'
import type { QuickOptions, Verb } from '../quick/quick.ts'
import { printable } from './printable.ts'

/** What a verb does not do, and somebody might expect. */
const notes: Partial<Record<Verb, string>> = {
  reload: `
No hook is run: not the old ones, and not the new ones of an edited file (\`down\` and \`up\` run them); only the accept rules that
\`podwire config render\` wrote among them are applied. Routes and rules that hooks made are left alone. If anything fails,
what was done is taken back. \`reload --dry-run\` says what would change.`,
}

const summaries: Record<Verb, string> = {
  up: 'make the interface: device, addresses, MTU, DNS, routes',
  down: 'remove it, and all that belongs to it',
  reload: 'apply a changed file: peers, addresses, MTU, DNS, routes, accept rules; sessions live on',
  save: 'write the interface as it is now to its file',
  strip: 'print the file without what wg(8) does not know; keys are in it',
}

export function define(command: Command): void {
  command.addHelpText(
    'after',
    `
CONFIG is the name of an interface, whose file is /etc/wireguard/NAME.conf or NAME.json, or a path to such a file.
An \`up\` that fails takes back what it did; PreDown and PostDown are not run then, as with wg-quick. A run that was
killed is finished by the next: \`down\` removes what is left of it. A \`reload\` that fails takes back what it did; it leaves
an MTU that the file does not say as it is. \`save\` keeps the sources of secrets, also of those that it cannot read.

Environment:
  WG_QUICK_USERSPACE_IMPLEMENTATION=PROGRAM   the userspace device where the kernel has no WireGuard (podwire device)
  WG_ENDPOINT_RESOLUTION_RETRIES=N|infinity   how often a name that cannot be found yet is tried again (15)

Examples:
  podwire quick up wg0                     # /etc/wireguard/wg0.conf, or wg0.json
  podwire quick up ./wg0.conf --dry-run    # the commands it would run, keys hidden; nothing is done
  podwire quick reload wg0                 # after an edit; reload --dry-run shows what would change
  podwire quick down wg0
  systemctl enable --now podwire-quick@wg0 # at every start: deploy/systemd/README.md`,
  )
  for (const [verb, summary] of Object.entries(summaries)) {
    const sub = command.command(verb).summary(summary).description(summary)
    sub.argument('<config>', 'name of an interface, or path of its file')
    sub.addHelpText('after', notes[verb as Verb] ?? '')
    if (verb !== 'strip') sub.option('--dry-run', 'print what would be done as commands, and do nothing')
    if (verb === 'down') sub.option('--unfinished', 'only what a run left that was killed; else do nothing')
    if (verb === 'up') {
      const choices = ['auto', 'kernel', 'userspace']
      sub.addOption(new Option('--backend <which>', 'whose WireGuard').choices(choices).default('auto'))
    }
    sub.action((argument: string, flags: Flags) => runVerb(verb as Verb, argument, flags))
  }
}

interface Flags {
  readonly dryRun?: boolean
  readonly unfinished?: boolean
  readonly backend?: QuickOptions['backend']
}

async function runVerb(verb: Verb, argument: string, flags: Flags): Promise<void> {
  const { dryRun = false, unfinished = false, backend = 'auto' } = flags
  const { quick } = await import('../quick/quick.ts')
  const ending = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => ending.abort(signal))
  const program = process.env.WG_QUICK_USERSPACE_IMPLEMENTATION
  const main = fileURLToPath(new URL('./main.js', import.meta.url))
  await quick(verb, {
    argument,
    dryRun,
    unfinished,
    backend,
    deviceCommand: program ? [program] : [process.execPath, main, 'device'],
    show: text => console.log(text),
    tell: line => console.error(printable(line)),
    signal: ending.signal,
  })
}
