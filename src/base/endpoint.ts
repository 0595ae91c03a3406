// "address:port" and "[v6]:port": where a node's UDP packets go. A link-local address may have a zone, the link that it is on, by its
// interface's name or number: "[fe80::1%eth0]:51820".

import { type Address, formatAddress, parseAddress } from './cidr.ts'
import { podwireError } from './errors.ts'

export interface Endpoint {
  readonly address: Address
  /** Of a link-local IPv6 address: an interface's name or number. */
  readonly zone?: string
  readonly port: number
}

/** Parses an endpoint of numbers (no host names); `where` names the place in the error: ERR_PODWIRE_ENDPOINT. */
export function parseEndpoint(text: string, where: string): Endpoint {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text)
  const fail = (reason: string) => podwireError('ERR_PODWIRE_ENDPOINT', { where, text, reason })
  if (match === null) throw fail('expected an address, a colon and a port')
  const [, addressText = '', zone] = /^([^%]*)(?:%([^%\s/]{1,15}))?$/.exec(match[1] ?? match[2] ?? '') ?? []
  const address = parseAddress(addressText)
  if (address === undefined || (address.family === 6) !== (match[1] !== undefined)) {
    throw fail('the address is neither IPv4 nor IPv6 in brackets')
  }
  if (zone !== undefined && !isLinkLocal(address)) throw fail('only a link-local address has a zone')
  const port = Number(match[3])
  if (port < 1 || port > 65535) throw fail('the port is a number from 1 to 65535')
  return { address, ...(zone !== undefined && { zone }), port }
}

export function formatEndpoint({ address, zone, port }: Endpoint): string {
  const text = zone === undefined ? formatAddress(address) : `${formatAddress(address)}%${zone}`
  return address.family === 6 ? `[${text}]:${port}` : `${text}:${port}`
}

/** Whether it is in fe80::/10. */
export function isLinkLocal({ family, value }: Address): boolean {
  return family === 6 && value >> 118n === 0xfe80n >> 6n
}
