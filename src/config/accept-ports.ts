// What an accept rule of a network document lets pass: "tcp/443", "tcp/8000-8010", "udp/53", "icmp".

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
