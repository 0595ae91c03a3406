// What the commands of `wg` say besides their output: on standard error, as wg(8) does.

import { printable } from '../printable.ts'

/** Says what a command takes, and is the exit status. */
export function sayUsage(text: string, status: 0 | 1): number {
  process.stderr.write(`Usage: ${text}\n`)
  return status
}

/** Says what is taken in another way than it may be meant; nothing stops. */
export function sayWarning(text: string): void {
  process.stderr.write(printable(`Warning: ${text}\n`))
}
