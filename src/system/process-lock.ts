// A lock that one process holds, of a network namespace or of a file: flock(2) on a file that its owner alone may open, which the
// kernel frees when the last process ends that has it open, however it ends. A child that is given the descriptor holds the
// lock as well.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { podwireError } from '../base/errors.ts'

const folder = '/run/podwire/lock'

export interface Lock {
  /** For a child that must have ended too before the next one may have the lock. */
  readonly fd: number
  release(): void
}

/** Undefined while another process has it. Error: ERR_PODWIRE_TOOL_MISSING. */
export async function takeLock(name: string): Promise<Lock | undefined> {
  const { ino } = await stat('/proc/self/ns/net')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  return takeFileLock(`${folder}/${name}@${ino}`)
}

/** The same on a file of the caller's. */
export async function takeFileLock(file: string): Promise<Lock | undefined> {
  const fd = openSync(file, 'w', 0o600)
  const release = () => closeSync(fd)
  try {
    if (await isFree(fd)) return { fd, release }
  } catch (error) {
    release()
    throw error
  }
  release()
  return undefined
}

/** flock(1) locks the open file that it is given, which is ours: it stays locked when the program has ended. */
async function isFree(fd: number): Promise<boolean> {
  const child = spawn('flock', ['--nonblock', '3'], { stdio: ['ignore', 'ignore', 'inherit', fd] })
  try {
    const [status] = await once(child, 'exit')
    return status === 0
  } catch (error) {
    const values = { tool: 'flock', what: 'one run at a time', package: 'util-linux' }
    throw podwireError('ERR_PODWIRE_TOOL_MISSING', values, error)
  }
}
