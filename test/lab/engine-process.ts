// An engine in another network namespace, from the test's side: its methods as promises, its events as they come.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Engine, EngineEvent } from '../../src/native/engine.ts'
import type { Commands } from './engine-host.ts'
import { until } from './scratch.ts'

const host = fileURLToPath(new URL('./engine-host.js', import.meta.url))

type Methods = Commands & Omit<Engine, 'name' | 'mtuBytes'>

interface Answer {
  readonly number?: number
  readonly result?: unknown
  readonly error?: { code?: string; message: string }
  readonly event?: EngineEvent
}

export interface EngineProcess {
  call<M extends keyof Methods>(method: M, ...args: Parameters<Methods[M]>): Promise<Awaited<ReturnType<Methods[M]>>>
  /** All events since the start. */
  readonly events: readonly EngineEvent[]
  /** Waits for an event of that kind, which may have come already, and returns the last one. */
  event<K extends EngineEvent['kind']>(kind: K): Promise<EngineEvent & { kind: K }>
  /** Hangs up and returns the exit status: an engine that is closed does not keep its process alive. */
  end(): Promise<number | null>
}

/** Starts a process in the namespace; `t.after` it with `kill`. */
export function startEngineProcess(namespace: string): EngineProcess & { kill(): Promise<void> } {
  const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, host], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  })
  const exited = once(child, 'exit')
  const events: EngineEvent[] = []
  const waiting = new Map<number, (answer: Answer) => void>()
  child.on('message', (answer: Answer) => {
    if (answer.event !== undefined) events.push(answer.event)
    if (answer.number !== undefined) waiting.get(answer.number)?.(answer)
  })
  let calls = 0
  return {
    events,
    call(method, ...args) {
      const number = calls++
      return new Promise((resolve, reject) => {
        waiting.set(number, ({ result, error }) => {
          waiting.delete(number)
          if (error === undefined) resolve(result as never)
          else reject(Object.assign(new Error(error.message), { code: error.code }))
        })
        child.send([number, method, ...args])
      })
    },
    async event(kind) {
      await until(`the event ${kind}`, () => events.some(event => event.kind === kind))
      const found = events.findLast(event => event.kind === kind)
      assert.ok(found)
      return found as EngineEvent & { kind: typeof kind }
    },
    async end() {
      child.disconnect()
      const [status] = await exited
      return status
    },
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await exited
    },
  }
}
