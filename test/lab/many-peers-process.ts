// Many peers in another network namespace, from the test's side: their methods as promises.

import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Lab } from '../../src/lab/lab.ts'
import type { ManyPeers } from './many-peers.ts'

const host = fileURLToPath(new URL('./many-peers-host.js', import.meta.url))

export interface ManyPeersProcess {
  call<M extends keyof ManyPeers>(
    method: M,
    ...args: Parameters<ManyPeers[M]>
  ): Promise<Awaited<ReturnType<ManyPeers[M]>>>
  end(): Promise<void>
}

/** Starts them in a host of a lab; they speak when they are told. */
export function startManyPeers(lab: Lab, where: string, count: number): ManyPeersProcess {
  const child = lab.spawn(where, [process.execPath, host, String(count)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  const waiting = new Map<number, (answer: { result?: unknown; error?: string }) => void>()
  child.on('message', (answer: { number: number; result?: unknown; error?: string }) => {
    waiting.get(answer.number)?.(answer)
    waiting.delete(answer.number)
  })
  let calls = 0
  return {
    call(method, ...args) {
      const number = calls++
      return new Promise((resolve, reject) => {
        waiting.set(number, ({ result, error }) => {
          if (error === undefined) resolve(result as never)
          else reject(new Error(error))
        })
        child.send([number, method, ...args])
      })
    },
    async end() {
      child.disconnect()
      await exited
    },
  }
}
