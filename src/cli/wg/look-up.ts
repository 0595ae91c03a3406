// The endpoint of a peer as wg(8) takes it, by name or number, as every device understands it.

import type { HostPort } from '../../config/wg-values.ts'
import { resolutionRetries, resolveEndpoint } from '../../system/resolve-endpoint.ts'
import { numberedZone } from '../../wireguard/zone.ts'
import { sayWarning } from './say.ts'

/** A name is tried again as WG_ENDPOINT_RESOLUTION_RETRIES says; a zone becomes a number. */
export async function lookUp(endpoint: HostPort, where: string): Promise<string> {
  return numberedZone(await resolveEndpoint(endpoint, { where, retries: resolutionRetries(), onRetry: sayWarning }))
}
