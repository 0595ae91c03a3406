// Loaded before a program (`node --import`): at its KILLED_AT-th call that changes a file, it dies by SIGKILL, in the middle of
// it if it writes.

import fs, { type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const at = Number(process.env.KILLED_AT)
let calls = 0

/** Does half of it, if half can be done, when the time has come. */
async function passOrDie(what: string, half: () => Promise<unknown> = async () => {}): Promise<void> {
  if (++calls !== at) return
  await half()
  process.stderr.write(`killed at ${what}\n`)
  process.kill(process.pid, 'SIGKILL')
}

const { open, rename, unlink } = fs

function watched(handle: FileHandle): FileHandle {
  const { writeFile, sync, close } = handle
  return Object.assign(handle, {
    async writeFile(text: string) {
      await passOrDie('a write', () => writeFile.call(handle, text.slice(0, text.length / 2)))
      await writeFile.call(handle, text)
      await passOrDie('the end of a write')
    },
    async sync() {
      await passOrDie('a sync')
      await sync.call(handle)
    },
    async close() {
      await passOrDie('a close')
      await close.call(handle)
    },
  })
}

Object.assign(fs, {
  async open(...args: Parameters<typeof open>) {
    const handle = await open(...args)
    await passOrDie('an open')
    return watched(handle)
  },
  async rename(...args: Parameters<typeof rename>) {
    await passOrDie('a rename')
    await rename(...args)
    await passOrDie('the end of a rename')
  },
  async unlink(...args: Parameters<typeof unlink>) {
    await passOrDie('an unlink')
    await unlink(...args)
  },
})
syncBuiltinESMExports()
