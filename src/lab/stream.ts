// Counts lost packets: a sender of numbered datagrams at a steady rate and a receiver that knows which ones came, each a
// program (stream-end.ts) in a host or container of a lab.

import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { podwireError } from '../base/errors.ts'
import type { Lab } from './lab.ts'

export interface StreamOptions {
  /** Host ("a") or container ("a/c1") that sends, and the one that receives. */
  readonly from: string
  readonly to: string
  /** The receiver's address and UDP port. */
  readonly address: string
  readonly port: number
  readonly packetsPerSecond: number
  /** Repeated in each packet, up to 200 bytes. */
  readonly filling: string
}

export interface StreamResult {
  readonly sent: number
  readonly received: number
  readonly lost: number
  readonly duplicates: number
  /** Longest time between two packets that came. */
  readonly longestPauseMs: number
}

export interface Stream {
  /** Stops sending, waits for what is on its way, and counts. */
  stop(): Promise<StreamResult>
}

const program = fileURLToPath(new URL('./stream-end.js', import.meta.url))

/** Starts a stream, and returns when its first packet has come. Error: ERR_PODWIRE_COMMAND_FAILED. */
export async function startStream(lab: Lab, options: StreamOptions): Promise<Stream> {
  const { from, to, address, packetsPerSecond, filling } = options
  const port = String(options.port)
  const receiver = startEnd(lab, to, ['receive', address, port])
  await receiver.line()
  const sender = startEnd(lab, from, ['send', address, port, String(packetsPerSecond), filling])
  await receiver.line()
  return {
    async stop() {
      sender.child.stdin?.end()
      const { sent } = JSON.parse(await sender.line())
      receiver.child.stdin?.end(String(sent))
      const { received, duplicates, longestPauseMs } = JSON.parse(await receiver.line())
      return { sent, received, lost: sent - received, duplicates, longestPauseMs }
    },
  }
}

function startEnd(lab: Lab, host: string, args: string[]): { child: ChildProcess; line: () => Promise<string> } {
  const child = lab.spawn(host, [process.execPath, program, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  const { stdout } = child
  if (stdout === null) throw new Error('a pipe was asked for')
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  return {
    child,
    async line() {
      const { value, done } = await lines.next()
      if (done !== true) return value
      const values = { command: `[${host}] ${args.join(' ')}`, status: 'an early end', output: 'see above' }
      throw podwireError('ERR_PODWIRE_COMMAND_FAILED', values)
    },
  }
}
