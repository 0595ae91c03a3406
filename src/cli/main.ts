#!/usr/bin/env node
// `podwire`: finds the command, loads only its file (start-up time counts), and turns errors into messages and exit codes.
// 0 done, 1 failed, 2 bad input or usage, 3 the machine lacks something (root, a tool, /dev/net/tun), 4 this node was removed.

import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command, CommanderError } from 'commander'
import { PodwireError } from '../base/errors.ts'
import { printable } from './printable.ts'

interface CommandFile {
  /** Adds options, arguments, help and the action to a command of that name. */
  define(command: Command): void
}

/** `load` is absent where the command reads its own words, before commander is loaded. */
const commands: Record<string, { summary: string; load?: () => Promise<CommandFile> }> = {
  device: { summary: 'a userspace WireGuard device', load: () => import('./device.ts') },
  wg: { summary: 'show and set WireGuard devices: what wg(8) does' },
  quick: {
    summary: 'bring an interface up or down from its file: what wg-quick(8) does',
    load: () => import('./quick.ts'),
  },
  doctor: { summary: 'what this machine lacks for podwire, and what to do', load: () => import('./doctor.ts') },
  init: { summary: 'set a network up in a store', load: () => import('./init.ts') },
  token: { summary: 'what a host is given to join a network', load: () => import('./token.ts') },
  join: { summary: 'make this host a node of a network', load: () => import('./join.ts') },
  leave: { summary: 'take this host out of a network', load: () => import('./leave.ts') },
  node: { summary: 'the nodes of a network: list, show, remove', load: () => import('./node.ts') },
  status: { summary: 'what the agents of this host say of themselves', load: () => import('./status.ts') },
  agent: { summary: 'keep this node in step with its network', load: () => import('./agent.ts') },
  publisher: {
    summary: 'give the nodes of a Kubernetes cluster their prefixes',
    load: () => import('./publisher.ts'),
  },
  server: { summary: 'the store for a handful of hosts', load: () => import('./server.ts') },
  attach: {
    summary: 'give a container, or any network namespace, its place in the network',
    load: async () => ({ define: (await import('./attach.ts')).defineAttach }),
  },
  detach: {
    summary: 'take that place away again',
    load: async () => ({ define: (await import('./attach.ts')).defineDetach }),
  },
  plan: { summary: 'what the agent would change on this host', load: () => import('./plan.ts') },
  config: { summary: 'check, convert, render and compare configurations', load: () => import('./config.ts') },
  demo: { summary: 'a whole network on this machine: shown, measured, taken down', load: () => import('./demo.ts') },
  lab: { summary: 'networks of namespaces on this machine, for trying things', load: () => import('./lab.ts') },
}

async function main(words: readonly string[]): Promise<void> {
  // The commands of a command are known when its file is loaded, and `wg` has its own help: `help` is `--help` behind the name.
  const [node = '', file = '', first, name = '--help'] = words
  const argv = first === 'help' ? [node, file, name, ...(Object.hasOwn(commands, name) ? ['--help'] : [])] : words
  // What scripts call a thousand times reads its own words: commander alone would double its time to start.
  if (argv[2] === 'wg') {
    const { runWg } = await import('./wg/main.ts')
    process.exitCode = await runWg(argv.slice(3), calledAs === 'wg' ? 'wg' : 'podwire wg')
    return
  }
  const [{ Command }, { version }] = [await import('commander'), await import('./version.ts')]
  const program = new Command('podwire')
    .description('An encrypted network for containers.')
    .version(version, '-V, --version', 'print the version')
    .helpCommand('help [command]', 'what a command takes, as `podwire COMMAND --help`')
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({ outputError: () => {} }) // `report` says it
    .addHelpText(
      'after',
      '\nExit status: 0 done, 1 failed, 2 bad input, 3 the machine lacks something, 4 this node was removed.',
    )
  for (const [name, { summary, load }] of Object.entries(commands)) {
    const command = program.command(name).summary(summary).description(summary)
    if (argv[2] === name) (await load?.())?.define(command)
  }
  throwUsage(program, 'podwire')
  await program.parseAsync([...argv])
}

/** Lets a command, and those below it, throw what is wrong with the command line, with a hint at their own help. */
function throwUsage(command: Command, path: string): void {
  command.exitOverride(error => {
    // Help and the version have been printed; `podwire` and `podwire lab` alone print their help as well.
    if (error.exitCode === 0 || error.code === 'commander.help') throw error
    const what = error.message.replace(/^error: /, '').replace('\n', ' ')
    throw new PodwireError('ERR_PODWIRE_USAGE', what, `See \`${path} --help\`.`, { cause: error })
  })
  for (const sub of command.commands) throwUsage(sub, `${path} ${sub.name()}`)
}

// Whoever reads the output may stop (`podwire … | head`): that is no reason to end. Nor is a full disk, in the middle of `quick up`:
// it is said once, and the status at the end is not 0. What standard error does not take can be said nowhere.
let unwritten = false
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE' || unwritten) return
  unwritten = true
  console.error(`podwire: standard output cannot be written: ${error.message}`)
  process.once('exit', () => {
    process.exitCode ||= 1
  })
})
process.stderr.on('error', () => {})

// wg-quick and scripts take one word for a command: a link to this file with one of these names is the command beside it.
const links: Record<string, string> = {
  'podwire-device': 'device',
  'wireguard-go': 'device',
  wg: 'wg',
  'wg-quick': 'quick',
}
const calledAs = basename(process.argv[1] ?? '')
const linked = Object.hasOwn(links, calledAs) ? links[calledAs] : undefined
if (linked !== undefined) process.argv.splice(1, 1, fileURLToPath(import.meta.url), linked)

main(process.argv).catch((error: unknown) => {
  const status = report(error)
  // wg-quick's own statuses are 0 and 1.
  process.exitCode = calledAs === 'wg-quick' ? Math.min(1, status) : status
})

/** Says on standard error what went wrong and what to do next; returns the exit status. */
function report(error: unknown): number {
  // A CommanderError has printed what there is to say.
  if (/^commander\./.test((error as { code?: string }).code ?? ''))
    return (error as CommanderError).exitCode === 0 ? 0 : 2
  if (error instanceof PodwireError) {
    console.error(printable(`podwire: ${error.message}\n  ${error.hint}\n  (${error.code})`))
    return error.exitStatus
  }
  console.error('podwire: a defect; please report it with the lines below.')
  console.error(error)
  return 1
}
