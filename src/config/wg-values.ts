// The values of wg(8), as text: in the files of setconf, addconf and syncconf, in the words of `wg set`, and in wg-quick's INI and JSON
// (interface-values.ts has those that are wg-quick's own). `where` names the place in errors. Stricter than wg(8) where it takes what
// nobody means: a port of 65536 (0 there), "+80", and addresses like 010.1.1.1.

import { canonicalPrefix } from '../base/canonical-prefix.ts'
import { formatAddress, parseAddress, parseCidr } from '../base/cidr.ts'
import { isLinkLocal } from '../base/endpoint.ts'
import { podwireError } from '../base/errors.ts'

/** The port of a UDP service by its name (services(5)); undefined if there is none. */
export type FindService = (name: string) => number | undefined

/** Where a peer is, before its name is looked up. */
export interface HostPort {
  /** A canonical address, one of IPv6 with its zone ("fe80::1%eth0"), or a name. */
  readonly host: string
  readonly port: number
}

const maxFwmark = 0xffffffff
const maxKeepalive = 0xffff

/** The error of a value that is not as expected: ERR_PODWIRE_VALUE. */
export function refuseValue(where: string, text: string, expected: string): Error {
  return podwireError('ERR_PODWIRE_VALUE', { where, text, expected })
}

/** A number of 16 bits, or, where names are looked up, that of a UDP service. Error: ERR_PODWIRE_VALUE. */
export function parsePort(text: string, where: string, findService?: FindService): number {
  const port = /^\d+$/.test(text) ? Number(text) : findService?.(text)
  if (port !== undefined && port <= 0xffff) return port
  throw refuseValue(where, text, `a port from 0 to 65535${findService ? ', or the name of a UDP service' : ''}`)
}

/** "off", or a number of 32 bits, decimal or "0x…"; 0 is off. Error: ERR_PODWIRE_VALUE. */
export function parseFwmark(text: string, where: string): number {
  const mark = isOff(text) ? 0 : /^(\d+|0x[0-9a-fA-F]+)$/.test(text) ? Number(text) : Number.NaN
  if (mark <= maxFwmark) return mark
  throw refuseValue(where, text, 'off, or a number of 32 bits, from 0 to 0xffffffff')
}

export function formatFwmark(mark: number): string {
  return mark === 0 ? 'off' : `0x${mark.toString(16)}`
}

/** "off", or seconds; 0 is off. Error: ERR_PODWIRE_VALUE. */
export function parseKeepalive(text: string, where: string): number {
  const seconds = isOff(text) ? 0 : /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (seconds <= maxKeepalive) return seconds
  throw refuseValue(where, text, 'off, or a number of seconds from 0 to 65535')
}

const isOff = (text: string): boolean => text.toLowerCase() === 'off'

/** "host:port" or "[host]:port"; the last colon ends the host. Error: ERR_PODWIRE_ENDPOINT. */
export function parseHostPort(text: string, where: string, findService?: FindService): HostPort {
  const fail = (reason: string) => podwireError('ERR_PODWIRE_ENDPOINT', { where, text, reason })
  const match = /^(?:\[([^\]]*)\]|(.*)):([^:\]]*)$/s.exec(text)
  if (match === null) throw fail('expected an address or a name, a colon and a port')
  const host = match[1] ?? match[2] ?? ''
  const portText = match[3] ?? ''
  const port = /^\d+$/.test(portText) ? Number(portText) : findService?.(portText)
  if (port === undefined || port < 1 || port > 0xffff) throw fail('the port is a number from 1 to 65535')
  const canonical = canonicalHost(host)
  if (canonical === undefined) throw fail('its host is neither an address nor a name')
  return { host: canonical, port }
}

/** A name must not end in a number: the resolver would read it as an address of another form, octal ones included. */
function canonicalHost(host: string): string | undefined {
  const [, addressText = '', zone] = /^([^%]*)(%[^%\s/\]]{1,15})?$/.exec(host) ?? []
  const address = parseAddress(addressText)
  if (address !== undefined) {
    if (zone === undefined) return formatAddress(address)
    return isLinkLocal(address) ? `${formatAddress(address)}${zone}` : undefined
  }
  const isName =
    host !== '' && host.length <= 253 && host.split('.').every((label, i, all) => isLabel(label, i === all.length - 1))
  return isName ? host : undefined
}

/**
 * Also what DNS does not have but people do: "_" (services), and letters beyond ASCII. An empty last one is the root. Nothing that ends
 * as a key does: a name is sent to servers in clear.
 */
function isLabel(label: string, isLast: boolean): boolean {
  if (label === '') return isLast
  return label.length <= 63 && !/[\s:%/[\]@"'\\=+]/.test(label) && !(isLast && /^(\d+|0x[0-9a-f]*)$/i.test(label))
}

/** What a list of AllowedIPs asks for. */
export interface AllowedIpsChange {
  readonly allowedIps: readonly string[]
  readonly removeAllowedIps: readonly string[]
  /** None has a sign: they are all that the peer is to have. */
  readonly replace: boolean
  /** Of each with host bits: how it is written, and what is taken in its place. */
  readonly warnings: readonly string[]
}

/**
 * Prefixes between commas; blanks do not count, and the empty text is none. With `signs`, "+" and "-" before them change the list
 * that is there; of two about one prefix the last counts. Error: ERR_PODWIRE_CIDR.
 */
export function parseAllowedIps(text: string, where: string, { signs }: { signs: boolean }): AllowedIpsChange {
  const entries = text === '' ? [] : text.replace(/[ \t\n\v\f\r]/g, '').split(',')
  const isAdded = new Map<string, boolean>()
  const warnings: string[] = []
  let replace = true
  for (const entry of entries) {
    const hasSign = signs && /^[+-]/.test(entry)
    const written = hasSign ? entry.slice(1) : entry
    const prefix = canonicalPrefix(written, where)
    if (prefix !== written && parseCidr(written, where).value !== parseCidr(prefix, where).value) {
      warnings.push(`${where}: ${written} has bits set behind its length; ${prefix} is taken`)
    }
    if (hasSign) replace = false
    isAdded.set(prefix, !(hasSign && entry.startsWith('-')))
  }
  const which = (added: boolean) => [...isAdded].flatMap(([prefix, is]) => (is === added ? [prefix] : []))
  return { allowedIps: which(true), removeAllowedIps: which(false), replace, warnings }
}

/** Finds UDP services in the text of /etc/services: name, port/protocol, aliases, "#" and a comment. */
export function serviceFinder(servicesText: string): FindService {
  return name => {
    for (const line of servicesText.split('\n')) {
      const [service, place = '', ...aliases] = (line.split('#')[0] ?? '').trim().split(/\s+/)
      const [, port] = /^(\d{1,5})\/udp$/.exec(place) ?? []
      if (port !== undefined && (service === name || aliases.includes(name))) return Number(port)
    }
    return undefined
  }
}
