// A lock that one process of a network namespace holds: a socket in the abstract namespace, which is the network namespace's
// own, and which the kernel closes with the process, however it ends.

import { once } from 'node:events'
import { createServer } from 'node:net'

/** Returns what gives the lock back; undefined while another process has it. */
export async function takeLock(name: string): Promise<(() => void) | undefined> {
  const server = createServer(socket => socket.destroy()).unref()
  server.listen({ path: `\0podwire-${name}` })
  try {
    await once(server, 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    return undefined
  }
  return () => server.close()
}
