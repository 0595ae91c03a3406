// Carries out steps, and takes them back when one fails: a host is as it was, or as it should be.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { podwireError, reasonOf } from '../base/errors.ts'
import { exec } from '../base/exec.ts'
import type { Device } from '../model/device.ts'
import { describeAction } from '../plan/quick/describe.ts'
import type { Action, Step } from '../plan/quick/step.ts'
import { writeSysctl } from '../system/sysctl.ts'

/** What the steps are done with. */
export interface Workshop {
  readonly name: string
  createLink(): Promise<void>
  openDevice(): Promise<Device>
  save(): Promise<void>
  /** For a person, on standard error. */
  readonly tell: (line: string) => void
  /** Ends the work between two steps. */
  readonly signal: AbortSignal
}

/**
 * Carries out steps, and remembers how to take them back. Errors: those of the steps; ERR_PODWIRE_HOOK;
 * ERR_PODWIRE_INTERRUPTED.
 */
export class Transaction {
  readonly #workshop: Workshop
  readonly #undo: Action[] = []

  constructor(workshop: Workshop) {
    this.#workshop = workshop
  }

  async run(steps: readonly Step[]): Promise<void> {
    const { signal } = this.#workshop
    for (const { action, undo } of steps) {
      if (signal.aborted) throw podwireError('ERR_PODWIRE_INTERRUPTED', { signal: String(signal.reason) })
      await runAction(action, this.#workshop)
      if (undo !== undefined) this.#undo.push(undo)
    }
    if (signal.aborted) throw podwireError('ERR_PODWIRE_INTERRUPTED', { signal: String(signal.reason) })
  }

  /** The last step first; one that fails does not keep the others. Whether all could be taken back. */
  async rollBack(): Promise<boolean> {
    let whole = true
    for (const action of this.#undo.splice(0).reverse()) {
      await runAction(action, this.#workshop).catch(error => {
        whole = false
        this.#workshop.tell(`not taken back: ${reasonOf(error)}`)
      })
    }
    return whole
  }
}

/** Runs steps to their end; one that fails is told, and the others go on. */
export async function runAnyway(steps: readonly Step[], workshop: Workshop): Promise<void> {
  for (const { action } of steps) {
    await runAction(action, workshop).catch(error => workshop.tell(`went on after: ${reasonOf(error)}`))
  }
}

async function runAction(action: Action, workshop: Workshop): Promise<void> {
  const { name, tell } = workshop
  for (const line of describeAction(name, action, { withInput: false })) tell(`[#] ${line}`)
  switch (action.kind) {
    case 'createLink':
      return workshop.createLink()
    case 'run': {
      const { command, input } = action
      await exec(command, { env: { ...process.env, LC_ALL: 'C' }, ...(input !== undefined && { input }) })
      return
    }
    case 'device':
      return (await workshop.openDevice()).set(action.change)
    case 'sysctl':
      return writeSysctl(action.name, action.value)
    case 'hook':
      return runHook(action.command)
    case 'save':
      return workshop.save()
  }
}

/** As wg-quick runs them: a command that fails ends the hook, also within a pipe. */
async function runHook(command: string): Promise<void> {
  const child = spawn('bash', ['-e', '-o', 'pipefail', '-O', 'extglob', '-c', command], {
    stdio: 'inherit',
    env: { ...process.env, LC_ALL: 'C' },
  })
  const [status, signal] = await once(child, 'exit')
  if (status === 0) return
  throw podwireError('ERR_PODWIRE_HOOK', { command, status: signal === null ? `status ${status}` : `signal ${signal}` })
}
