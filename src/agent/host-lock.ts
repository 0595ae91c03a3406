// One agent in a network namespace: two would undo each other's routes and rules for ever, whatever their devices are named.

import { podwireError } from '../base/errors.ts'
import { takeLock } from '../system/process-lock.ts'

/** Returns what gives the lock back. Errors: ERR_PODWIRE_AGENT_RUNNING, ERR_PODWIRE_TOOL_MISSING. */
export async function lockHost(): Promise<() => void> {
  const lock = await takeLock('agent')
  if (lock === undefined) throw podwireError('ERR_PODWIRE_AGENT_RUNNING', {})
  return lock.release
}
