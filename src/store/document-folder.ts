// A folder of JSON files, each of them one value, read so that only files that changed are read again. Whoever may write
// in the folder may put anything there: what is not a small regular file is never opened, and costs nobody but itself.

import { type BigIntStats, constants, promises as fs } from 'node:fs'
import { join } from 'node:path'
import { reasonOf } from '../base/errors.ts'
import { refuse } from '../model/document.ts'

interface Entry<T> {
  readonly stamp: string
  /** Absent if the file could not be read as a value. */
  readonly value?: T
  readonly problem?: string
}

const suffix = '.json'
/** Many times the longest record. */
const maxKib = 64
/** It may become another between looking and opening: then it is not followed, and opening and reading do not wait. */
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
/** What opening a file says of that one only. */
const ownFaults = ['ELOOP', 'EACCES', 'EPERM', 'ENXIO', 'EAGAIN']

export class DocumentFolder<T> {
  readonly #folder: string
  readonly #parse: (text: string, file: string, stem: string) => T
  /** By stem: the name without its ending. */
  #entries: ReadonlyMap<string, Entry<T>> = new Map()

  /** `parse` throws with a reason if a file does not hold what its name says. */
  constructor(folder: string, parse: (text: string, file: string, stem: string) => T) {
    this.#folder = folder
    this.#parse = parse
  }

  fileOf(stem: string): string {
    return join(this.#folder, stem + suffix)
  }

  /**
   * Reads what changed since the last time. A folder that is not there yet is empty; one that was there and is gone is an
   * error, as is all else that the file system says.
   */
  async scan(): Promise<void> {
    const entries = new Map<string, Entry<T>>()
    const names = fs.readdir(this.#folder)
    for (const name of await (this.#entries.size > 0 ? names : unlessMissing(names, []))) {
      // Hidden names are files that are being written.
      if (!name.endsWith(suffix) || name.startsWith('.')) continue
      const stem = name.slice(0, -suffix.length)
      const entry = await this.#read(stem)
      if (entry !== undefined) entries.set(stem, entry)
    }
    this.#entries = entries
  }

  async #read(stem: string): Promise<Entry<T> | undefined> {
    const file = this.fileOf(stem)
    const stats = await unlessMissing(fs.lstat(file, { bigint: true }), undefined)
    if (stats === undefined) return undefined
    const stamp = `${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`
    const known = this.#entries.get(stem)
    if (known?.stamp === stamp) return known
    try {
      const text = await unlessMissing(readSmall(file, stats), undefined)
      return text === undefined ? undefined : { stamp, value: this.#parse(text, file, stem) }
    } catch (error) {
      const { code, syscall } = error as NodeJS.ErrnoException
      if (syscall !== undefined && !ownFaults.includes(code ?? '')) throw error
      return { stamp, problem: reasonOf(error) }
    }
  }

  /** By stem, as of the last scan. */
  values(): Map<string, T> {
    const values = new Map<string, T>()
    for (const [stem, { value }] of this.#entries) if (value !== undefined) values.set(stem, value)
    return values
  }

  /** Why files were left out, as of the last scan. */
  problems(): string[] {
    return [...this.#entries.values()].flatMap(({ problem }) => problem ?? [])
  }
}

async function readSmall(file: string, stats: BigIntStats): Promise<string> {
  const field = { file, path: '', value: undefined }
  if (!stats.isFile()) throw refuse(field, 'it is not a regular file')
  const handle = await fs.open(file, openFlags)
  try {
    const limit = maxKib << 10
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(limit + 1), 0, limit + 1, 0)
    if (bytesRead > limit) throw refuse(field, `it is larger than ${maxKib} KiB`)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await handle.close()
  }
}

async function unlessMissing<T, U>(result: Promise<T>, instead: U): Promise<T | U> {
  try {
    return await result
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return instead
    throw error
  }
}
