// Endpoint names of a configuration to addresses.

import { parseAddress } from '../base/cidr.ts'
import { PodwireError } from '../base/errors.ts'
import { parseHostPort } from '../config/wg-values.ts'
import type { ReadyConfig } from '../plan/quick/facts.ts'
import { resolutionRetries, resolveEndpoint } from '../system/resolve-endpoint.ts'

export interface ResolveOptions {
  /** Names that cannot be found now stay names: a dry run waits for nothing. */
  readonly patient: boolean
  readonly tell: (line: string) => void
  readonly signal: AbortSignal
}

/** Errors: ERR_PODWIRE_UNRESOLVED, ERR_PODWIRE_INTERRUPTED, ERR_PODWIRE_VALUE (of WG_ENDPOINT_RESOLUTION_RETRIES). */
export async function resolveEndpoints(config: ReadyConfig, options: ResolveOptions): Promise<ReadyConfig> {
  const { patient, tell, signal } = options
  const lookUp = { where: 'Endpoint', retries: patient ? resolutionRetries() : 0, onRetry: tell, signal }
  const peers = config.peers.map(async peer => {
    if (peer.endpoint === undefined) return peer
    const name = peer.endpoint
    const endpoint = await resolveEndpoint(parseHostPort(name, 'Endpoint'), lookUp).catch(error => {
      if (patient || !(error instanceof PodwireError)) throw error
      return name
    })
    return { ...peer, endpoint }
  })
  return { ...config, peers: await Promise.all(peers) }
}

/** The IP address of an endpoint; undefined while it is a name, or a zone is behind it. */
export function endpointAddress(endpoint: string): string | undefined {
  const { host } = parseHostPort(endpoint, 'Endpoint')
  return parseAddress(host) === undefined ? undefined : host
}
