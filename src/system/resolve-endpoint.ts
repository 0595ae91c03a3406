// From "name:port" to "address:port" by the system's resolver. A machine that starts may ask before its network is there, so what may
// mend itself is tried again, as wg(8) does: after 1 s, then each time 1.2 times as long, up to 20 s.

import type { LookupAddress } from 'node:dns'
import { setTimeout as delay } from 'node:timers/promises'
import { parseAddress } from '../base/cidr.ts'
import { podwireError, reasonOf } from '../base/errors.ts'

export interface ResolveOptions {
  /** Names the place in errors. */
  readonly where: string
  /** How often a failure that may mend itself is tried again; Infinity is for ever. */
  readonly retries: number
  /** Told before each wait. */
  readonly onRetry: (text: string) => void
  /** Ends a wait. */
  readonly signal?: AbortSignal
}

const usualRetries = 15

const firstWaitMs = 1000
const waitGrowth = 1.2
const longestWaitMs = 20_000

/** There is no such name, or no resolver that could say so: asking again says the same. */
const permanent = ['ENOTFOUND', 'EAI_NONAME', 'EAI_NODATA', 'EAI_FAIL', 'EAI_FAMILY', 'EAI_SERVICE']

/** What WG_ENDPOINT_RESOLUTION_RETRIES says: a number or "infinity"; 15 if it is not set. Error: ERR_PODWIRE_VALUE. */
export function resolutionRetries(): number {
  const where = 'WG_ENDPOINT_RESOLUTION_RETRIES'
  const text = process.env[where]
  if (text === undefined) return usualRetries
  if (text === 'infinity') return Number.POSITIVE_INFINITY
  if (/^\d{0,9}$/.test(text)) return Number(text) // the empty text is 0
  throw podwireError('ERR_PODWIRE_VALUE', { where, text, expected: 'a number or "infinity"' })
}

/** The canonical endpoint of a host and port, by the resolver's first answer. Errors: ERR_PODWIRE_UNRESOLVED, ERR_PODWIRE_INTERRUPTED. */
export async function resolveEndpoint(
  { host, port }: { readonly host: string; readonly port: number },
  options: ResolveOptions,
): Promise<string> {
  const isAddress = parseAddress(host.split('%')[0] ?? '') !== undefined
  const address = isAddress ? host : await lookUp(host, options)
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

async function lookUp(host: string, { where, retries, onRetry, signal }: ResolveOptions): Promise<string> {
  const { lookup } = await import('node:dns/promises') // only names need it
  let waitMs = firstWaitMs
  for (let left = retries; ; left--) {
    try {
      const found: LookupAddress = await lookup(host, { verbatim: true })
      return found.address
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      if (left <= 0 || permanent.includes(code)) {
        throw podwireError('ERR_PODWIRE_UNRESOLVED', { where, host, reason: code || reasonOf(error) }, error)
      }
      onRetry(
        `${where}: "${host}" is not resolved yet (${code}). Trying again in ${(waitMs / 1000).toFixed(2)} seconds`,
      )
      await delay(waitMs, undefined, { signal }).catch(() => {
        throw podwireError('ERR_PODWIRE_INTERRUPTED', { signal: String(signal?.reason) })
      })
      waitMs = Math.min(waitMs * waitGrowth, longestWaitMs)
    }
  }
}
