// "address:port" and "[v6]:port": where a node's UDP packets go.

import { type Address, formatAddress, parseAddress } from './cidr.ts'
import { podwireError } from './errors.ts'

export interface Endpoint {
  readonly address: Address
  readonly port: number
}

/** Parses an endpoint of numbers (no host names); `where` names the place in the error: ERR_PODWIRE_ENDPOINT. */
export function parseEndpoint(text: string, where: string): Endpoint {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text)
  const fail = (reason: string) => podwireError('ERR_PODWIRE_ENDPOINT', { where, text, reason })
  if (match === null) throw fail('expected an address, a colon and a port')
  const address = parseAddress(match[1] ?? match[2] ?? '')
  if (address === undefined || (address.family === 6) !== (match[1] !== undefined)) {
    throw fail('the address is neither IPv4 nor IPv6 in brackets')
  }
  const port = Number(match[3])
  if (port < 1 || port > 65535) throw fail('the port is a number from 1 to 65535')
  return { address, port }
}

export function formatEndpoint({ address, port }: Endpoint): string {
  return address.family === 6 ? `[${formatAddress(address)}]:${port}` : `${formatAddress(address)}:${port}`
}
