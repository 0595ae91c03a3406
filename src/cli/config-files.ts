// Files of `podwire config`: a configuration's text with what is known of its file, and writing one without a moment in
// which it is half there.

import { lstat, realpath, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { podwireError, reasonOf } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import type { InterfaceConfig } from '../config/interface-config.ts'
import { replaceFile } from '../store/atomic-file.ts'
import { decodeText, readText as readFileText } from '../system/read-text.ts'

/** The name that stands for standard input and output. */
export const standard = '-'

/** The text of a file; "-" is standard input. Errors: ERR_PODWIRE_FILE, ERR_PODWIRE_DOCUMENT (it is not UTF-8). */
export async function readText(file: string): Promise<string> {
  return file === standard ? decodeText(await buffer(process.stdin), 'standard input') : readFileText(file)
}

/**
 * Gives a file the text at once, or not at all, and makes it its owner's alone: keys are in it. A link to it stays one. What is no
 * file, such as a pipe, stays what it is, and is written to. Error: ERR_PODWIRE_FILE.
 */
export function writeText(file: string, text: string): Promise<void> {
  return writing(file, async () => {
    if (await isReplaceable(file)) await replaceFile(await realpath(file).catch(() => file), text, { mode: 0o600 })
    else await writeFile(file, text, { mode: 0o600 })
  })
}

/** The same for a file that is there and keeps its mode and owner. Error: ERR_PODWIRE_FILE. */
export function rewriteText(file: string, text: string): Promise<void> {
  return writing(file, async () => {
    const path = await realpath(file)
    const found = await stat(path)
    if (!found.isFile()) throw new Error('it is no file, but a pipe or a device')
    await replaceFile(path, text, { mode: found.mode & 0o777, owner: found })
  })
}

/** A regular file, or nothing yet; not the link whose target is missing. */
async function isReplaceable(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => lstat(file).catch(() => undefined))
  return found === undefined || found.isFile()
}

async function writing(file: string, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    throw podwireError('ERR_PODWIRE_FILE', { file, what: 'written', reason: reasonOf(error) }, error)
  }
}

/** Whether two names are of one file. */
export async function isSameFile(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all([a, b].map(name => stat(name).catch(() => undefined)))
  return one !== undefined && other !== undefined && one.dev === other.dev && one.ino === other.ino
}

/** Warns if others than its owner can reach a file that has keys in it. */
export async function exposureWarning(file: string, config: InterfaceConfig): Promise<string | undefined> {
  const secrets = [config.privateKey, ...config.peers.map(({ presharedKey }) => presharedKey)]
  if (file === standard || !secrets.some(secret => secret instanceof Secret)) return undefined
  const [{ mode }, folder] = await Promise.all([stat(file), stat(dirname(file))])
  if ((mode & folder.mode & 0o077) === 0) return undefined
  return `${file}: it has keys, and others than its owner can read it; run \`chmod 600 ${file}\``
}
