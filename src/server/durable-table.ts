// A folder of small JSON files that is held in memory: read once, when the server starts, and written through. A change is on
// disk, synced, before it is in memory and anyone hears of it, so that what was acknowledged is there after a SIGKILL, and what
// the disk did not take has not happened. The server alone writes in the folder; a file that it cannot read keeps it from
// starting, since a removal or an identity that is overlooked lets somebody in.

import { mkdir, readdir, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { podwireError } from '../base/errors.ts'
import { replaceFile, sweepFolder, syncFolder } from '../store/atomic-file.ts'

interface Format<T> {
  /** The name of its file without ending, which is its key in the table. */
  readonly key: (value: T) => string
  /** Errors: those of its parts, with the file. */
  readonly parse: (text: string, file: string) => T
  readonly format: (value: T) => string
}

const suffix = '.json'

export class DurableTable<T> {
  readonly #folder: string
  readonly #format: Format<T>
  readonly #values = new Map<string, T>()

  private constructor(folder: string, format: Format<T>) {
    this.#folder = folder
    this.#format = format
  }

  /** Reads all there is; makes the folder if it is missing. Errors: those of `parse`, and of the file system. */
  static async open<T>(folder: string, format: Format<T>): Promise<DurableTable<T>> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await sweepFolder(folder)
    const table = new DurableTable(folder, format)
    for (const name of (await readdir(folder)).sort()) {
      if (name.startsWith('.') || !name.endsWith(suffix)) continue
      const file = join(folder, name)
      const value = format.parse(await readFile(file, 'utf8'), file)
      const key = format.key(value)
      if (key + suffix !== name) {
        throw podwireError('ERR_PODWIRE_DOCUMENT', {
          file,
          path: 'the document',
          reason: `it belongs in ${key}${suffix}`,
        })
      }
      table.#values.set(key, value)
    }
    return table
  }

  get(key: string): T | undefined {
    return this.#values.get(key)
  }

  values(): IterableIterator<T> {
    return this.#values.values()
  }

  async put(value: T): Promise<void> {
    const key = this.#format.key(value)
    await replaceFile(this.#fileOf(key), this.#format.format(value), { mode: 0o600 })
    this.#values.set(key, value)
  }

  async delete(key: string): Promise<void> {
    await unlink(this.#fileOf(key)).catch(error => {
      if (error.code !== 'ENOENT') throw error
    })
    await syncFolder(this.#folder)
    this.#values.delete(key)
  }

  #fileOf(key: string): string {
    return join(this.#folder, key + suffix)
  }
}
