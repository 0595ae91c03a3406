// `podwire wg`, also through a link named `wg`: what wg(8) does, with its words, its output where scripts read it, and its exit
// statuses (0 done, 1 anything else). Each command is loaded when it is called: scripts call this a thousand times.

import { PodwireError } from '../../base/errors.ts'
import { printable } from '../printable.ts'

/** A command: its words behind its name, and how the program was called; resolves to the exit status. */
type Run = (args: readonly string[], program: string) => Promise<number>

/**
 * Of the 31 ms of CPU that reading a thousand peers took, half went into optimized code that was ready when the work was done. So V8
 * waits fifteen times as long before it makes any; with 130,000 AllowedIPs it still does.
 */
const optimizeLate = async () => (await import('node:v8')).setFlagsFromString('--interrupt-budget=1000000')

const show = async (): Promise<Run> => {
  await optimizeLate()
  return (await import('./show.ts')).show
}
const set = async (): Promise<Run> => (await import('./set.ts')).set
const conf = (verb: 'setconf' | 'addconf' | 'syncconf') => async (): Promise<Run> => {
  await optimizeLate()
  const { applyConf } = await import('./conf.ts')
  return (args, program) => applyConf(verb, args, program)
}

const commands: Record<string, { summary: string; load: () => Promise<Run> }> = {
  show: { summary: 'what the devices have and how they do', load: show },
  showconf: { summary: 'a device as text, for setconf', load: async () => (await import('./conf.ts')).showConf },
  set: { summary: 'change a device and its peers', load: set },
  setconf: { summary: 'make a device what a file says', load: conf('setconf') },
  addconf: { summary: 'add what a file says to a device', load: conf('addconf') },
  syncconf: { summary: 'change what differs between a file and a device; sessions stay', load: conf('syncconf') },
  genkey: { summary: 'print a new private key', load: async () => (await import('./keys.ts')).generateKey },
  genpsk: { summary: 'print a new preshared key', load: async () => (await import('./keys.ts')).generatePsk },
  pubkey: {
    summary: 'print the public key of the private key on standard input',
    load: async () => (await import('./keys.ts')).publicKey,
  },
}

/** Runs one command line; `program` is what it was called as. Resolves to the exit status. */
export async function runWg(args: readonly string[], program: string): Promise<number> {
  const [name = 'show', ...rest] = args
  if (args.length === 1 && ['help', '-h', '--help'].includes(name)) {
    process.stdout.write(usage(program))
    return 0
  }
  if (args.length === 1 && ['version', '-v', '--version'].includes(name)) {
    const { version } = await import('../version.ts')
    process.stdout.write(`podwire v${version}\n`)
    return 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  // Options before any word belong to `show`, which is what no word means.
  if (command === undefined && name !== '--json') {
    process.stderr.write(`${program}: there is no command "${name}"\n\n${usage(program)}`)
    return 1
  }
  try {
    const run = await (command?.load ?? show)()
    return await run(command === undefined ? args : rest, program)
  } catch (error) {
    if (!(error instanceof PodwireError)) throw error
    process.stderr.write(printable(`${program}: ${error.message}\n  ${error.hint}\n  (${error.code})\n`))
    return 1
  }
}

function usage(program: string): string {
  const width = Math.max(...Object.keys(commands).map(name => name.length))
  return `Usage: ${program} [COMMAND] [ARGUMENT...]     without one: show

${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}\n`)
  .join('')}
${program} COMMAND --help says what it takes. Examples:

  ${program} genkey | tee private.key | ${program} pubkey
  ${program} set wg0 private-key private.key listen-port 51820
  ${program} set wg0 peer PUBLIC-KEY endpoint 198.51.100.7:51820 allowed-ips 10.8.0.0/24
  ${program} show all --json
`
}
