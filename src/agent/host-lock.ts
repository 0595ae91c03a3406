// One agent in a network namespace: two would undo each other's routes and rules for ever, whatever their devices are
// named. What holds the lock is a socket in the abstract namespace, which is the network namespace's own, and which the
// kernel closes with the process, however it ends.

import { once } from 'node:events'
import { createServer } from 'node:net'
import { podwireError } from '../base/errors.ts'

/** Returns what gives the lock back. Error: ERR_PODWIRE_AGENT_RUNNING. */
export async function lockHost(): Promise<() => void> {
  const server = createServer(socket => socket.destroy()).unref()
  server.listen({ path: '\0podwire-agent' })
  try {
    await once(server, 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    throw podwireError('ERR_PODWIRE_AGENT_RUNNING', {}, error)
  }
  return () => server.close()
}
