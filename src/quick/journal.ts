// What is at work on an interface, on paper while it lasts: a run that was killed leaves its note, and the next one knows that
// `up` or `down` is half done. One note an interface and network namespace, in /run, which goes as the kernel's state goes; where it
// does not, the note says of which boot and namespace it is.

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
  const place = await namespaceId()
  return {
    async unfinished() {
      const text = await readFile(file, 'utf8').catch(error => {
        if (error.code === 'ENOENT') return undefined
        throw error
      })
      const [work, ...at] = text?.trimEnd().split(' ') ?? []
      if (work === undefined || at.join(' ') !== place) return undefined
      return work === 'down' ? 'down' : 'up'
    },
    async begin(work) {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await replaceFile(file, `${work} ${place}\n`)
    },
    async end() {
      await unlink(file).catch(error => {
        if (error.code !== 'ENOENT') throw error
      })
    },
  }
}

/**
 * Tells network namespaces apart that had the same inode, one after the other: the kernel's own rtnetlink socket of each has a number
 * that no other gets until the next boot.
 */
async function namespaceId(): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
  const sockets = (await readFile('/proc/self/net/netlink', 'utf8')).split('\n').map(line => line.trim().split(/\s+/))
  const [own = []] = sockets.filter(([, family, port]) => family === '0' && port === '0')
  return `${boot.trim()} ${own.at(-1) ?? ''}`.trim()
}
