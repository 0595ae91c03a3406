// What is at work on an interface, on paper while it lasts: a run that was killed leaves its note, and the next one knows that
// `up` or `down` is half done. One note an interface and network namespace, in /run, which goes as the kernel's state goes.

import { mkdir, readFile, stat, unlink } from 'node:fs/promises'
import { replaceFile } from '../store/atomic-file.ts'

export type Work = 'up' | 'down'

const folder = '/run/podwire/quick'

export interface Journal {
  /** What was begun and has not ended. */
  unfinished(): Promise<Work | undefined>
  begin(work: Work): Promise<void>
  end(): Promise<void>
}

export async function openJournal(name: string): Promise<Journal> {
  const { ino } = await stat('/proc/self/ns/net')
  const file = `${folder}/${name}@${ino}`
  return {
    async unfinished() {
      const text = await readFile(file, 'utf8').catch(error => {
        if (error.code === 'ENOENT') return undefined
        throw error
      })
      return text === undefined ? undefined : text === 'down\n' ? 'down' : 'up'
    },
    async begin(work) {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await replaceFile(file, `${work}\n`)
    },
    async end() {
      await unlink(file).catch(error => {
        if (error.code !== 'ENOENT') throw error
      })
    },
  }
}
