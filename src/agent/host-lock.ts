// One agent for a device: two would undo each other's peers, routes and rules for ever. A host in several networks has a device
// and an agent for each.

import { podwireError } from '../base/errors.ts'
import { takeLock } from '../system/process-lock.ts'

/** Returns what gives the lock back. Errors: ERR_PODWIRE_AGENT_RUNNING, ERR_PODWIRE_TOOL_MISSING. */
export async function lockDevice(device: string): Promise<() => void> {
  const lock = await takeLock(`agent-${device}`)
  if (lock === undefined) throw podwireError('ERR_PODWIRE_AGENT_RUNNING', { device })
  return lock.release
}
