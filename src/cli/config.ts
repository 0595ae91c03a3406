// `podwire config`: checks configurations, converts them between INI and JSON, and lays them out; of a network's document it
// renders a node's configuration and tells changes (config-network.ts). What a file is, its text says, not its name.

import { type Command, Option } from 'commander'
import { PodwireError, podwireError } from '../base/errors.ts'
import { type DocumentKind, documentKind } from '../config/document-kind.ts'
import type { InterfaceConfig } from '../config/interface-config.ts'
import { formatInterfaceIni, layoutInterfaceIni, parseInterfaceIni } from '../config/interface-ini.ts'
import { formatInterfaceJson, parseInterfaceJson, schemaOf } from '../config/interface-json.ts'
import { formatJsonc } from '../config/jsonc-format.ts'
import { exposureWarning, isSameFile, readText, rewriteText, standard, writeText } from './config-files.ts'
import { checkNetworkText, defineDiff, defineRender } from './config-network.ts'
import { printable } from './printable.ts'

type Warn = (warning: string) => void

const standardOutputs: readonly string[] = [standard, '/dev/stdout']

/** What `check --json` says of a file: schema/config-check.json. */
interface Checked {
  readonly file: string
  readonly kind: DocumentKind | null
  readonly peers: number | null
  readonly warnings: string[]
  readonly error: { code: string; message: string; hint: string } | null
}

const examples = `
Examples:
  podwire config check /etc/wireguard/wg0.conf
  podwire config convert wg0.conf -o wg0.json
  podwire config convert wg0.json --to ini > wg0.conf
  podwire config fmt --check *.json
  podwire config render network.json --node web --format ini > wg0.conf
  podwire config diff network.json network.new.json

FILE may be "-", which is standard input. The schemas of the JSON forms are schema/interface.json and schema/network.json.
Exit status: 0 all is well, 1 a file is not in our layout (fmt --check) or cannot be read, 2 a file is wrong.`

export function define(command: Command): void {
  command.addHelpText('after', examples)
  command
    .command('check')
    .description('read files, and say what is wrong with each, and where')
    .argument('<file...>', 'INI or JSON')
    .option('--json', 'as JSON (schema/config-check.json)')
    .action(async (files: string[], { json }: { json?: true }) => {
      const results = await Promise.all(files.map(check))
      if (json)
        console.log(JSON.stringify(results.map(({ checked }) => checked), undefined, 2)) // biome-ignore format: one line
      else for (const { checked } of results) printChecked(checked)
      finish(results.flatMap(({ refused }) => refused ?? []), json) // biome-ignore format: one line
    })

  command
    .command('convert')
    .description('write INI as JSON, or JSON as INI; keys are in what it prints')
    .argument('<file>', 'INI or JSON')

    .addOption(
      new Option('--to <form>', "ini or json (that of the output's name, or else the one it is not in)").choices([
        'ini',
        'json',
      ]),
    )
    .option('-o, --output <file>', 'the file to write, readable by its owner alone (standard output)')
    .action(async (file: string, { to, output }: { to?: 'ini' | 'json'; output?: string }) => {
      const text = await readText(file)
      if (output === undefined || standardOutputs.includes(output)) {
        process.stdout.write(convert(text, file, to))
      } else if (await isSameFile(file, output)) {
        const what = `-o ${output} is the file that is read: name another, or leave it out to see the result`
        throw podwireError('ERR_PODWIRE_USAGE', { what, command: 'config convert' })
      } else await writeText(output, convert(text, file, to ?? formOf(output)))
    })

  command
    .command('fmt')
    .description('lay files out in place: spaces, line breaks and the case of keys, nothing else')
    .argument('<file...>', 'INI or JSON; "-" is printed')
    .option('--check', 'change nothing; name the files that would change, and end with 1 if there are any')
    .action(async (files: string[], options: { check?: true }) => {
      for (const file of files) {
        const text = await readText(file)
        const laidOut = layout(text, file)
        if (options.check) {
          if (text === laidOut) continue
          console.log(file)
          process.exitCode = 1
        } else if (file === standard) process.stdout.write(laidOut)
        else if (text !== laidOut) await rewriteText(file, laidOut)
      }
    })

  defineRender(command)
  defineDiff(command)
}

/** Reads a document of one interface, in either form. */
function parseInterface(kind: DocumentKind, text: string, file: string, warn: Warn): InterfaceConfig {
  if (kind === 'interface-ini') return parseInterfaceIni(text, file, warn)
  return parseInterfaceJson(text, file, warn)
}

async function check(file: string): Promise<{ checked: Checked; refused?: PodwireError }> {
  const warnings: string[] = []
  let kind: DocumentKind | null = null
  try {
    const text = await readText(file)
    kind = documentKind(text)
    if (kind === 'network') {
      checkNetworkText(text, file, warning => warnings.push(warning))
      return { checked: { file, kind, peers: null, warnings, error: null } }
    }
    const config = parseInterface(kind, text, file, warning => warnings.push(warning))
    if (kind === 'interface-ini' && !/^\s*\[interface\]/im.test(text))
      warnings.push(`${file}: there is no [Interface] in it`)
    if (config.privateKey === undefined) warnings.push(`${file}: the interface has no private key, and reaches nobody`)
    const exposed = await exposureWarning(file, config)
    if (exposed !== undefined) warnings.push(exposed)
    return { checked: { file, kind, peers: config.peers.length, warnings, error: null } }
  } catch (error) {
    if (!(error instanceof PodwireError)) throw error
    const { code, message, hint } = error
    return { checked: { file, kind, peers: null, warnings, error: { code, message, hint } }, refused: error }
  }
}

function printChecked({ file, kind, peers, warnings, error }: Checked): void {
  for (const warning of warnings) printWarning(warning)
  if (error !== null) return
  const form = kind === 'interface-ini' ? 'INI' : 'JSON'
  const what =
    kind === 'network' ? 'a network' : `an interface in ${form} with ${peers} ${peers === 1 ? 'peer' : 'peers'}`
  console.log(`${file}: good: ${what}`)
}

function printWarning(warning: string): void {
  console.error(printable(`podwire: warning: ${warning}`))
}

/** Ends with the last error's status. Each is said in its own line, the last with its hint, by main.ts. */
function finish(refused: readonly PodwireError[], said = false): void {
  const last = refused.at(-1)
  if (last === undefined) return
  if (said) {
    process.exitCode = last.exitStatus
    return
  }
  for (const { message } of refused.slice(0, -1)) console.error(printable(`podwire: ${message}`))
  throw last
}

/** What a file is to be, from its name. */
function formOf(output: string): 'ini' | 'json' | undefined {
  return output.endsWith('.json') ? 'json' : output.endsWith('.conf') ? 'ini' : undefined
}

function convert(text: string, file: string, to: 'ini' | 'json' | undefined): string {
  const kind = documentKind(text)
  const config = parseInterface(kind, text, file, printWarning)
  const isJson = to === undefined ? kind === 'interface-ini' : to === 'json'
  if (!isJson) return formatInterfaceIni(config)
  const converted = formatInterfaceJson(config, {
    schema: kind === 'interface-json' ? schemaOf(text, file) : undefined,
  })
  // What INI allows and JSON does not, such as a peer twice, shows here, before anything is written.
  parseInterfaceJson(converted, `${file} as JSON`)
  return converted
}

function layout(text: string, file: string): string {
  const kind = documentKind(text)
  if (kind === 'network') return formatJsonc(text, file)
  parseInterface(kind, text, file, () => {}) // what is wrong stays as it is
  return kind === 'interface-ini' ? layoutInterfaceIni(text, file) : formatJsonc(text, file)
}
