// The file of an interface: found by name or path, read as INI or JSON, made ready (secrets read, endpoints resolved), and
// written again by `save`, whole or not at all.

import { existsSync } from 'node:fs'
import { readFile, realpath, stat } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { podwireError, reasonOf } from '../base/errors.ts'
import type { InterfaceConfig } from '../config/interface-config.ts'
import { formatInterfaceIni, parseInterfaceIni } from '../config/interface-ini.ts'
import { formatInterfaceJson, parseInterfaceJson } from '../config/interface-json.ts'
import { replaceFile, sweepFolder } from '../store/atomic-file.ts'

export interface ConfigFile {
  readonly name: string
  readonly file: string
  readonly text: string
  readonly form: 'ini' | 'json'
  readonly config: InterfaceConfig
}

const folder = '/etc/wireguard'
const nameForm = /^(?!\.{1,2}$)[a-zA-Z0-9_=+.-]{1,15}$/

/**
 * Reads "wg0" (of /etc/wireguard) or a path to "wg0.conf" or "wg0.json". `warn` is told what is unsafe but allowed.
 * Errors: ERR_PODWIRE_NO_CONFIG, _NAME, _NEEDS_ROOT, _SYSTEM, those of the parsers.
 */
export async function readConfigFile(argument: string, warn: (warning: string) => void): Promise<ConfigFile> {
  const found = nameForm.test(argument) ? inFolder(argument) : argument
  const [, name = '', form] = /^(.*)\.(conf|json)$/.exec(basename(found)) ?? []
  if (!existsSync(found)) throw podwireError('ERR_PODWIRE_NO_CONFIG', { file: found })
  if (form === undefined || !nameForm.test(name)) {
    const reason = 'a file is named after its interface (1 to 15 letters, digits and _ = + . -), then .conf or .json'
    throw podwireError('ERR_PODWIRE_NAME', { where: 'configuration file', text: found, reason })
  }
  const file = resolve(found)
  const text = await readFile(file, 'utf8').catch(error => {
    if (error.code === 'EACCES') throw podwireError('ERR_PODWIRE_NEEDS_ROOT', { what: `reading ${file}` }, error)
    throw podwireError('ERR_PODWIRE_SYSTEM', { what: file, reason: reasonOf(error) }, error)
  })
  if (((await stat(file)).mode & 0o007) !== 0) warn(`${file} is world accessible: run \`chmod 600 ${file}\``)
  const config = form === 'json' ? parseInterfaceJson(text, file, warn) : parseInterfaceIni(text, file, warn)
  return { name, file, text, form: form === 'json' ? 'json' : 'ini', config }
}

function inFolder(name: string): string {
  const [ini, json] = [`${folder}/${name}.conf`, `${folder}/${name}.json`]
  return !existsSync(ini) && existsSync(json) ? json : ini
}

export function formatConfig({ form }: Pick<ConfigFile, 'form'>, config: InterfaceConfig): string {
  return form === 'json' ? formatInterfaceJson(config) : formatInterfaceIni(config)
}

/** Only its owner may read it from then on. A link to the file stays one. */
export async function writeConfigFile({ file }: ConfigFile, text: string): Promise<void> {
  const real = await realpath(file)
  await sweepFolder(dirname(real))
  await replaceFile(real, text, { mode: 0o600 })
}

/** The keys of [Interface] that wg(8) does not know. */
const quickKeys = /^\s*(address|dns|mtu|table|preup|postup|predown|postdown|saveconfig)\s*=/i

/** The text without what is wg-quick's, all else as it stands: comments, order, keys in any case. */
export function stripIni(text: string): string {
  let inInterface = false
  const lines = text.split('\n').filter(line => {
    const section = /^\s*\[([^\]]*)\]/.exec(line)
    if (section !== null) inInterface = section[1]?.toLowerCase() === 'interface'
    return !(inInterface && quickKeys.test(line))
  })
  return lines.join('\n')
}
