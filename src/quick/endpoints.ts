// Endpoint names to addresses, with wg(8)'s patience: a name that cannot be found yet, as before the network is up, is tried
// again; one that does not exist is not.

import { lookup } from 'node:dns/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { formatAddress, parseAddress } from '../base/cidr.ts'
import { podwireError, reasonOf } from '../base/errors.ts'
import type { ReadyConfig } from '../plan/quick/facts.ts'

const usualRetries = 15
const longestDelayMs = 20_000

export interface ResolveOptions {
  /** Names that cannot be found now stay names: a dry run waits for nothing. */
  readonly patient: boolean
  readonly tell: (line: string) => void
  readonly signal: AbortSignal
}

/** Errors: ERR_PODWIRE_UNRESOLVED, ERR_PODWIRE_INTERRUPTED. */
export async function resolveEndpoints(config: ReadyConfig, options: ResolveOptions): Promise<ReadyConfig> {
  const peers = config.peers.map(async peer => {
    if (peer.endpoint === undefined) return peer
    return { ...peer, endpoint: await resolveEndpoint(peer.endpoint, options) }
  })
  return { ...config, peers: await Promise.all(peers) }
}

/** The IP address of an endpoint; undefined while it is a name. */
export function endpointAddress(endpoint: string): string | undefined {
  const host = hostOf(endpoint)
  return parseAddress(host) === undefined ? undefined : host
}

function hostOf(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}

async function resolveEndpoint(endpoint: string, { patient, tell, signal }: ResolveOptions): Promise<string> {
  const port = endpoint.slice(endpoint.lastIndexOf(':') + 1)
  const host = hostOf(endpoint)
  const literal = parseAddress(host)
  if (literal !== undefined) return withPort(formatAddress(literal), port)
  let delayMs = 1000
  for (let retries = patient ? allowedRetries() : 0; ; retries--) {
    try {
      return withPort((await lookup(host)).address, port)
    } catch (error) {
      if (!patient) return endpoint
      const reason = reasonOf(error)
      // EAI_AGAIN is a server that does not answer; all others say that there is no such name.
      if ((error as NodeJS.ErrnoException).code !== 'EAI_AGAIN' || retries <= 0) {
        throw podwireError('ERR_PODWIRE_UNRESOLVED', { where: 'Endpoint', host, reason }, error)
      }
      tell(`${reason}: \`${endpoint}'. Trying again in ${(delayMs / 1000).toFixed(2)} seconds...`)
    }
    await delay(delayMs, undefined, { signal }).catch(() => {
      throw podwireError('ERR_PODWIRE_INTERRUPTED', { signal: String(signal.reason) })
    })
    delayMs = Math.min(longestDelayMs, delayMs * 1.2)
  }
}

function withPort(address: string, port: string): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

function allowedRetries(): number {
  const text = process.env.WG_ENDPOINT_RESOLUTION_RETRIES ?? ''
  if (text === 'infinity') return Number.POSITIVE_INFINITY
  return /^\d+$/.test(text) ? Number(text) : usualRetries
}
