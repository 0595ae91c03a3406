// Options of commands that say what a node is, and how their values are read.

import { podwireError } from '../base/errors.ts'

/** For an option that may be given several times. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value]
}

/** A UDP port. Error: ERR_PODWIRE_USAGE. */
export function parsePort(text: string, command: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65535) return port
  throw podwireError('ERR_PODWIRE_USAGE', { what: '--listen-port is a number from 1 to 65535', command })
}
