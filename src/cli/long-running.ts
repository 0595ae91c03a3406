// What commands that stay have in common: a log on standard output, and an end by a signal.

import type { Logger } from 'pino'
import { podwireError } from '../base/errors.ts'

const levels = ['debug', 'info', 'warn', 'error']

/** Lines of JSON, without keys. Error: ERR_PODWIRE_USAGE. */
export async function openLog(level: string, command: string): Promise<Logger> {
  if (!levels.includes(level)) {
    throw podwireError('ERR_PODWIRE_USAGE', { what: '--log-level is debug, info, warn or error', command })
  }
  const { pino } = await import('pino')
  const redact = ['*.privateKey', '*.presharedKey', 'privateKey', 'presharedKey']
  return pino({ level, base: null, redact }, pino.destination({ fd: 1, sync: true }))
}

/** Aborted when this process is told to end. */
export function endingSignal(): AbortSignal {
  const ending = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => ending.abort())
  return ending.signal
}
