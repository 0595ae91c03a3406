// Commands of the configuration, as wg-quick runs them: by bash, with the terminal, and one that fails ends its hook, also within a
// pipe. The text comes through a descriptor: it may be longer than an argument, and has no place in `ps`.

import { spawn } from 'node:child_process'
import { podwireError } from '../base/errors.ts'

/** What bash is told of a hook; `$0` is what it is in wg-quick. The descriptor is closed before the hook runs. */
const script = 'IFS= read -r -d "" -u 3 hook || :; exec 3<&-; eval "$hook"'
const bash = ['bash', '-e', '-o', 'pipefail', '-O', 'extglob', '-c', script, 'wg-quick'] as const

export interface HookOptions {
  readonly env: NodeJS.ProcessEnv
  /** A hook that runs gets SIGTERM when this is. */
  readonly signal: AbortSignal
}

/** Runs a hook to its end. Errors: ERR_PODWIRE_HOOK, ERR_PODWIRE_TOOL_MISSING. */
export function runHook(command: string, { env, signal }: HookOptions): Promise<void> {
  const [program, ...args] = bash
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ['inherit', 'inherit', 'inherit', 'pipe'] })
    const stop = () => child.kill('SIGTERM')
    signal.addEventListener('abort', stop)
    child.once('error', error => {
      signal.removeEventListener('abort', stop)
      const values = { tool: program, what: 'a command of the configuration', package: program }
      reject(podwireError('ERR_PODWIRE_TOOL_MISSING', values, error))
    })
    child.once('exit', (status, killer) => {
      signal.removeEventListener('abort', stop)
      if (status === 0) return resolve()
      const how = killer === null ? `status ${status}` : `signal ${killer}`
      reject(podwireError('ERR_PODWIRE_HOOK', { command, status: how }))
    })
    const input = child.stdio[3] as NodeJS.WritableStream | undefined
    input?.on('error', () => {}) // bash that ends before it has read all: its status tells the story
    input?.end(command)
  })
}
