// Private keys on disk: one line of base64, as `wg genkey` writes it, in a file that only its owner can read.

import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { podwireError, reasonOf } from '../base/errors.ts'
import { parseSecretKey } from '../base/key.ts'
import type { Secret } from '../base/secret.ts'

/** A key is 44 characters and the end of its line. */
const maxFileBytes = 1024

/**
 * The key in `file`; if there is none, `generate` makes one, and it is written. Of several processes that start at
 * once one writes, and all return its key. Errors: ERR_PODWIRE_KEY_EXPOSED, ERR_PODWIRE_KEY, ERR_PODWIRE_SYSTEM.
 */
export function readOrCreateKey(file: string, generate: () => Secret): Promise<Secret> {
  return coded(file, async () => {
    const read = () => readFile(file, 'remove it, and a new key is made')
    return (await read()) ?? (await createFile(file, generate())) ?? (await read()) ?? lost(file)
  })
}

/** The key in `file`; undefined if there is none. Errors: as above. */
export function readKey(file: string): Promise<Secret | undefined> {
  return coded(file, () => readFile(file, 'make another with `podwire wg genkey` and tell the peers'))
}

async function coded<T>(file: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error
    throw podwireError('ERR_PODWIRE_SYSTEM', { what: `the key file ${file}`, reason: reasonOf(error) }, error)
  }
}

function lost(file: string): never {
  throw podwireError('ERR_PODWIRE_SYSTEM', { what: `the key file ${file}`, reason: 'it was removed while it was read' })
}

/** Undefined if there is no such file. `renewal` is how one gets another key. */
async function readFile(file: string, renewal: string): Promise<Secret | undefined> {
  // Without waiting: what is no file has no key, and may never answer.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch(error => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (handle === undefined) return undefined
  try {
    const stats = await handle.stat()
    if (!stats.isFile() || stats.size > maxFileBytes) {
      throw podwireError('ERR_PODWIRE_KEY', { where: file, reason: 'it is not a file of one line' })
    }
    const mode = stats.mode & 0o777
    if ((mode & 0o077) !== 0) {
      throw podwireError('ERR_PODWIRE_KEY_EXPOSED', { file, mode: mode.toString(8).padStart(4, '0'), renewal })
    }
    return parseSecretKey((await handle.readFile('utf8')).trim(), file)
  } finally {
    await handle.close()
  }
}

/** Written beside and then given its name, so that no one ever sees half a key. Undefined if the name was taken meanwhile. */
async function createFile(file: string, key: Secret): Promise<Secret | undefined> {
  const directory = dirname(file)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const temporary = `${file}.${randomBytes(6).toString('hex')}`
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(`${Buffer.from(key.bytes).toString('base64')}\n`)
    await handle.sync()
    await link(temporary, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw error
  } finally {
    await handle.close()
    await unlink(temporary)
  }
  const parent = await open(directory, 'r')
  await parent.sync().finally(() => parent.close())
  return key
}
