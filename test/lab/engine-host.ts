// A process with one engine, driven over its IPC channel: a namespace's engine must live in a process of that namespace.
// In: [number, method, ...arguments]. Out: { number, result } or { number, error }, and { event } as they come.

import { createSocket } from 'node:dgram'
import { PodwireError } from '../../src/base/errors.ts'
import { type Engine, type EngineOptions, openEngine } from '../../src/native/engine.ts'

let engine: Engine | undefined

function opened(): Engine {
  if (engine === undefined) throw new Error('no engine is open')
  return engine
}

const commands = {
  open(options: Omit<EngineOptions, 'onEvents'>) {
    engine = openEngine({ ...options, onEvents: () => drain() })
    return engine.name
  },
  mtu: () => opened().mtuBytes,
  /** Sends a datagram of each length, filled by `first` and then noise, from a socket of its own. */
  async noise(address: string, port: number, lengths: readonly number[], first: readonly number[]) {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    for (const length of lengths) {
      const bytes = Uint8Array.from({ length }, (_, i) => first[i] ?? (i * 31 + length) & 0xff)
      await new Promise<void>((resolve, reject) => {
        socket.send(bytes, port, address, error => (error ? reject(error) : resolve()))
      })
    }
    socket.close()
  },
  /** Whether another program could have the port. */
  isFree(port: number) {
    const socket = createSocket('udp4')
    return new Promise<boolean>(resolve => {
      socket.once('error', () => resolve(false))
      socket.bind(port, () => socket.close(() => resolve(true)))
    })
  },
} as const

export type Commands = typeof commands

function drain(): void {
  for (let events = opened().drain(); events.length > 0; events = opened().drain()) {
    for (const event of events) process.send?.({ event })
  }
}

process.on('message', async ([number, method, ...args]: [number, string, ...unknown[]]) => {
  try {
    const call = Object.hasOwn(commands, method) ? Reflect.get(commands, method) : Reflect.get(opened(), method)
    process.send?.({ number, result: await Reflect.apply(call, engine, args) })
  } catch (error) {
    const code = error instanceof PodwireError ? error.code : undefined
    process.send?.({ number, error: { code, message: String(error) } })
  }
})
