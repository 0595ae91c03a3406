// Carries out steps, and takes them back when one fails: a host is as it was, or as it should be.

import { podwireError, reasonOf } from '../base/errors.ts'
import { exec } from '../base/exec.ts'
import type { Device } from '../model/device.ts'
import { describeAction } from '../plan/quick/describe.ts'
import type { Action, Step } from '../plan/quick/step.ts'
import { writeSysctl } from '../system/sysctl.ts'
import { runHook } from './hook.ts'

/** What the steps are done with. */
export interface Workshop {
  readonly name: string
  /** The path of the configuration. */
  readonly file: string
  createLink(): Promise<void>
  openDevice(): Promise<Device>
  save(): Promise<void>
  /** For a person, on standard error. */
  readonly tell: (line: string) => void
  /** Ends the work between two steps. */
  readonly signal: AbortSignal
}

/** The end of the roll-back's commands is not for the terminal to say: a second Ctrl-C does not reach a session of their own. */
const apart = ['setsid', '--wait'] as const

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
      await runAction(action, this.#workshop, apart).catch(error => {
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

async function runAction(action: Action, workshop: Workshop, before: readonly string[] = []): Promise<void> {
  const { name, tell, signal } = workshop
  for (const line of describeAction(name, action, { withInput: false })) tell(`[#] ${line}`)
  switch (action.kind) {
    case 'createLink':
      return workshop.createLink()
    case 'run': {
      const { input } = action
      await exec([...before, ...action.command] as [string, ...string[]], {
        env: { ...process.env, LC_ALL: 'C' },
        ...(input !== undefined && { input }),
      })
      return
    }
    case 'device':
      return (await workshop.openDevice()).set(action.change)
    case 'sysctl':
      return writeSysctl(action.name, action.value)
    case 'hook':
      return runHook(action.command, { env: hookEnvironment(workshop), signal })
    case 'save':
      return workshop.save()
  }
}

/** wg-quick's hooks see these two as well, though its manual does not say so. */
function hookEnvironment({ name, file }: Workshop): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C', INTERFACE: name, CONFIG_FILE: file }
}
