// The file of an interface: found by name or path, read as INI or JSON, as its text says, and written again by `save`, whole
// or not at all.

import { existsSync } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { podwireError } from '../base/errors.ts'
import { type DocumentKind, documentKind } from '../config/document-kind.ts'
import type { InterfaceConfig } from '../config/interface-config.ts'
import { formatInterfaceIni, parseInterfaceIni } from '../config/interface-ini.ts'
import { formatInterfaceJson, parseInterfaceJson, schemaOf } from '../config/interface-json.ts'
import { isQuickKey } from '../config/quick-keys.ts'
import { replaceFile, sweepBeside } from '../store/atomic-file.ts'
import { readText } from '../system/read-text.ts'

export interface ConfigFile {
  readonly name: string
  readonly file: string
  readonly text: string
  readonly kind: Exclude<DocumentKind, 'network'>
  readonly config: InterfaceConfig
}

type Warn = (warning: string) => void

const folder = '/etc/wireguard'
const nameForm = /^(?!\.{1,2}$)[a-zA-Z0-9_=+.-]{1,15}$/
const fileForm = /^(.*)\.(?:conf|json)$/

/**
 * Reads "wg0" (of /etc/wireguard) or a path to "wg0.conf" or "wg0.json". `warn` is told what is unsafe but allowed.
 * Errors: ERR_PODWIRE_NO_CONFIG, _NEEDS_ROOT, _FILE, _NAME, those of the parsers.
 */
export async function readConfigFile(argument: string, warn: Warn): Promise<ConfigFile> {
  const found = nameForm.test(argument) ? inFolder(argument, warn) : argument
  const file = resolve(found)
  const text = await readText(file).catch(error => Promise.reject(unread(error, found, argument)))
  const [, name] = fileForm.exec(basename(found)) ?? []
  if (name === undefined || !nameForm.test(name)) {
    const reason = 'a file is named after its interface (1 to 15 letters, digits and _ = + . -), then .conf or .json'
    throw podwireError('ERR_PODWIRE_NAME', { where: 'configuration file', text: found, reason })
  }
  if (((await stat(file)).mode & 0o007) !== 0) warn(`${file} is world accessible: run \`chmod 600 ${file}\``)
  const kind = documentKind(text)
  if (kind === 'network') {
    const reason = `this is the document of a network: write one node's by \`podwire config render ${file} --node NODE\``
    throw podwireError('ERR_PODWIRE_DOCUMENT', { file, path: 'network', reason })
  }
  const config = kind === 'interface-ini' ? parseInterfaceIni(text, file, warn) : parseInterfaceJson(text, file, warn)
  return { name, file, text, kind, config }
}

function unread(error: Error, file: string, argument: string): Error {
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException
  if (code === 'EACCES') return podwireError('ERR_PODWIRE_NEEDS_ROOT', { what: `reading ${file}` }, error)
  if (code !== 'ENOENT') return error
  const isBeside = file !== argument && fileForm.test(argument) && existsSync(argument)
  return podwireError('ERR_PODWIRE_NO_CONFIG', { file, or: isBeside ? `; did you mean ./${argument}?` : '' }, error)
}

function inFolder(name: string, warn: Warn): string {
  const [ini, json] = [`${folder}/${name}.conf`, `${folder}/${name}.json`]
  if (!existsSync(json)) return ini
  if (!existsSync(ini)) return json
  warn(`${ini} is taken, not ${json}: name the other by its path, or remove it`)
  return ini
}

/** As the file is written: the same form, and the schema that it names. */
export function formatConfig({ kind, file, text }: ConfigFile, config: InterfaceConfig): string {
  if (kind === 'interface-ini') return formatInterfaceIni(config)
  return formatInterfaceJson(config, { schema: schemaOf(text, file) })
}

/** Only its owner may read it from then on. A link to the file stays one. */
export async function writeConfigFile({ file }: ConfigFile, text: string): Promise<void> {
  const real = await realpath(file)
  await sweepBeside(real)
  await replaceFile(real, text, { mode: 0o600 })
}

/** The text without what is wg-quick's, all else as it stands: comments, order, keys in any case. */
export function stripIni(text: string): string {
  let inInterface = false
  const lines = text.split('\n').filter(line => {
    const section = /^\s*\[([^\]]*)\]/.exec(line)
    if (section !== null) inInterface = section[1]?.toLowerCase() === 'interface'
    return !(inInterface && isQuickKey(/^([^=#]*)=/.exec(line)?.[1]?.trim() ?? ''))
  })
  return lines.join('\n')
}
