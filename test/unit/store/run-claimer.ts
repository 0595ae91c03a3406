// Runs claimer.ts, for the tests of stores over many processes.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const claimer = fileURLToPath(new URL('claimer.js', import.meta.url))

/** What a process that claims prefixes for a node got; undefined if it was killed on the way. */
export async function runClaimer(store: string, node: string, killAfterMs?: number): Promise<string[] | undefined> {
  const child = fork(claimer, [store, node], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  let printed = ''
  child.stdout?.on('data', chunk => {
    printed += chunk
  })
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  const [code] = await once(child, 'close')
  clearTimeout(timer)
  return code === 0 ? JSON.parse(printed) : undefined
}
