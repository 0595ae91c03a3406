// Two small texts in a network document: where a peer is reached, and what an accept rule lets pass.

import { formatEndpoint, parseEndpoint } from '../base/endpoint.ts'
import { podwireError } from '../base/errors.ts'

/** What one item of `ports` lets pass. */
export type AcceptPort =
  | { readonly protocol: 'tcp' | 'udp'; readonly first: number; readonly last: number }
  | { readonly protocol: 'icmp' }

/** Parses "tcp/443", "udp/8000-8010" and "icmp" (which is ICMPv6 as well). Error: ERR_PODWIRE_PORTS. */
export function parseAcceptPort(text: string, where: string): AcceptPort {
  if (text === 'icmp') return { protocol: 'icmp' }
  const [, protocol, firstText, lastText = firstText] = /^(tcp|udp)\/(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []
  const [first, last] = [Number(firstText), Number(lastText)]
  const fail = (reason: string) => podwireError('ERR_PODWIRE_PORTS', { where, text, reason })
  if (protocol !== 'tcp' && protocol !== 'udp') throw fail('expected "tcp/" or "udp/" and a port, or "icmp"')
  if (first < 1 || last > 65535) throw fail('a port is a number from 1 to 65535')
  if (first > last) throw fail('a range begins with its lower port')
  return { protocol, first, last }
}

/** As parseAcceptPort reads it. */
export function formatAcceptPort(port: AcceptPort): string {
  if (port.protocol === 'icmp') return 'icmp'
  return `${port.protocol}/${port.first}${port.last === port.first ? '' : `-${port.last}`}`
}

/** Parses "host:port", where the host is an address or a name; canonical. Error: ERR_PODWIRE_ENDPOINT. */
export function parsePeerEndpoint(text: string, where: string): { text: string; port: number } {
  const [, host = '', portText] = /^([^:[\]]+):(\d{1,5})$/.exec(text) ?? []
  const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
  const isName = /[a-z]/i.test(host) && new RegExp(`^${label}(\\.${label})*\\.?$`, 'i').test(host) && host.length <= 253
  const port = Number(portText)
  if (isName && port >= 1 && port <= 65535) return { text: `${host}:${port}`, port }
  const endpoint = parseEndpoint(text, where)
  return { text: formatEndpoint(endpoint), port: endpoint.port }
}
