// Files that are whole or not there, whatever dies in between: written under a hidden name, synced, and only then given
// their name. `rename` replaces what has the name; `link` fails if something has it, which makes it a compare-and-swap.

import { randomBytes } from 'node:crypto'
import { link, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

const hidden = '.new-'
/** What ends a hidden name, as hexadecimal digits. */
const uniqueBytes = 6
const unique = /^[0-9a-f]{12}$/
/** Far longer than a write takes: what is older was left by a process that died. */
const staleMs = 60_000

/** Who may do what with a new file; absent: the writer owns it, and all may read. */
export interface Access {
  readonly mode: number
  readonly owner?: { readonly uid: number; readonly gid: number }
}

const readable: Access = { mode: 0o644 }

/** Gives `file` the text, in place of what it had. */
export function replaceFile(file: string, text: string, access: Access = readable): Promise<void> {
  return place(file, text, access, temporary => rename(temporary, file))
}

/** Makes `file` with the text; false if there is one already. */
export async function createFile(file: string, text: string, access: Access = readable): Promise<boolean> {
  try {
    await place(file, text, access, temporary => link(temporary, file))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function place(
  file: string,
  text: string,
  { mode, owner }: Access,
  name: (temporary: string) => Promise<void>,
): Promise<void> {
  const folder = dirname(file)
  const temporary = join(folder, `${hidden}${basename(file)}-${randomBytes(uniqueBytes).toString('hex')}`)
  try {
    const handle = await open(temporary, 'wx', mode)
    try {
      if (owner !== undefined) await handle.chown(owner.uid, owner.gid)
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await name(temporary)
  } finally {
    await unlink(temporary).catch(() => {}) // gone already after a rename
  }
  await syncFolder(folder)
}

/** The name itself is on disk only when the folder is. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Removes what writers of this file left that died halfway. */
export function sweepBeside(file: string): Promise<void> {
  const own = `${hidden}${basename(file)}-`
  return sweep(dirname(file), name => name.startsWith(own) && unique.test(name.slice(own.length)))
}

/** The same for all files of a folder that holds no others. */
export function sweepFolder(folder: string): Promise<void> {
  return sweep(folder, name => name.startsWith(hidden) && unique.test(name.slice(-uniqueBytes * 2)))
}

async function sweep(folder: string, isOurs: (name: string) => boolean): Promise<void> {
  for (const name of (await readdir(folder)).filter(isOurs)) {
    const file = join(folder, name)
    const age = await stat(file).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    )
    if (age > staleMs) await unlink(file).catch(() => {})
  }
}
