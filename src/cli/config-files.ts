// Files of `podwire config`: a configuration's text with what is known of its file, and writing one without a moment in
// which it is half there.

import { readFileSync } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { podwireError, reasonOf } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import type { InterfaceConfig } from '../config/interface-config.ts'
import { type Access, replaceFile } from '../store/atomic-file.ts'

/** The name that stands for standard input and output. */
export const standard = '-'

/** The text of a file; "-" is standard input. Error: ERR_PODWIRE_FILE. */
export function readText(file: string): string {
  try {
    return readFileSync(file === standard ? 0 : file, 'utf8')
  } catch (error) {
    throw podwireError('ERR_PODWIRE_FILE', { file, what: 'read', reason: reasonOf(error) }, error)
  }
}

/** Gives a file the text at once, or not at all. A file with keys is its owner's alone. Error: ERR_PODWIRE_FILE. */
export async function writeText(file: string, text: string, access: Access = { mode: 0o600 }): Promise<void> {
  try {
    await replaceFile(file, text, access)
  } catch (error) {
    throw podwireError('ERR_PODWIRE_FILE', { file, what: 'written', reason: reasonOf(error) }, error)
  }
}

/** The same for a file that is there: it keeps its mode and owner, and a link to it stays one. Error: ERR_PODWIRE_FILE. */
export async function rewriteText(file: string, text: string): Promise<void> {
  const path = await realpath(file)
  const { mode, uid, gid } = await stat(path)
  await writeText(path, text, { mode: mode & 0o777, owner: { uid, gid } })
}

/** Warns if others than its owner can reach a file that has keys in it. */
export async function exposureWarning(file: string, config: InterfaceConfig): Promise<string | undefined> {
  const secrets = [config.privateKey, ...config.peers.map(({ presharedKey }) => presharedKey)]
  if (file === standard || !secrets.some(secret => secret instanceof Secret)) return undefined
  const [{ mode }, folder] = await Promise.all([stat(file), stat(dirname(file))])
  if ((mode & folder.mode & 0o077) === 0) return undefined
  return `${file}: it has keys, and others than its owner can read it; run \`chmod 600 ${file}\``
}
