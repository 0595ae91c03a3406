// One agent in a network namespace: two would undo each other's routes and rules for ever, whatever their devices are named.

import { podwireError } from '../base/errors.ts'
import { takeLock } from '../system/process-lock.ts'

/** Returns what gives the lock back. Error: ERR_PODWIRE_AGENT_RUNNING. */
export async function lockHost(): Promise<() => void> {
  const unlock = await takeLock('agent')
  if (unlock === undefined) throw podwireError('ERR_PODWIRE_AGENT_RUNNING', {})
  return unlock
}
