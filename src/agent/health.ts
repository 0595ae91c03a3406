// Health over HTTP, for what watches a node: 200 or 503, and why in words.
//   /healthz   the agent works: it answers, and no round of it hangs
//   /readyz    this node is in its place: the host is closed, the device there, all that is known applied
// A store that is lost is no reason for either: the last view holds, and traffic goes on.

import { createServer, type Server } from 'node:http'
import { podwireError, reasonOf } from '../base/errors.ts'

interface Healthy {
  /** Each says why not, or undefined. */
  whyNotHealthy(): string | undefined
  whyNotReady(): string | undefined
}

/** Where health is served. */
export interface HealthAddress {
  readonly host: string
  readonly port: number
}

/** "8080", "127.0.0.1:8080", "[::]:8080"; without an address, loopback. Error: ERR_PODWIRE_VALUE. */
export function parseHealthAddress(text: string): HealthAddress {
  const [, ipv6, ipv4 = '127.0.0.1', digits] = /^(?:(?:\[([0-9a-fA-F:]+)\]|([0-9.]+)):)?(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (port >= 0 && port <= 65535) return { host: ipv6 ?? ipv4, port }
  throw podwireError('ERR_PODWIRE_VALUE', {
    where: '--health',
    text,
    expected: 'an address and a port, as 127.0.0.1:9820',
  })
}

/** Serves until it is closed. Error: ERR_PODWIRE_HEALTH. */
export async function serveHealth({ host, port }: HealthAddress, agent: Healthy): Promise<Server> {
  const checks: Record<string, () => string | undefined> = {
    '/healthz': () => agent.whyNotHealthy(),
    '/readyz': () => agent.whyNotHealthy() ?? agent.whyNotReady(),
  }
  const server = createServer({ requestTimeout: 5_000, headersTimeout: 5_000 }, (request, response) => {
    const check = Object.hasOwn(checks, request.url ?? '') ? checks[request.url ?? ''] : undefined
    response.setHeader('content-type', 'text/plain; charset=utf-8').setHeader('connection', 'close')
    if (check === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) {
      response.writeHead(404).end('there are GET /healthz and GET /readyz\n')
      return
    }
    const reason = check()
    response.writeHead(reason === undefined ? 200 : 503).end(`${reason ?? 'ok'}\n`)
  })
  server.maxConnections = 32
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, host, resolve)
    })
  } catch (error) {
    throw podwireError('ERR_PODWIRE_HEALTH', { address: `${host}:${port}`, reason: reasonOf(error) }, error)
  }
  return server.unref()
}
