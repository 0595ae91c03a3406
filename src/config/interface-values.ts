// Values of wg-quick(8) that wg(8) does not have, and the endpoint, for the INI and the JSON form alike. Each function takes the text and
// the place to name in its error, and gives the canonical value. The values of wg(8) are in wg-values.ts.

import { parseAddress } from '../base/cidr.ts'
import { podwireError } from '../base/errors.ts'
import { parseHostPort, refuseValue } from './wg-values.ts'

const maxUint32 = 0xffffffff

/** A whole number in decimal digits. Error: ERR_PODWIRE_VALUE. */
export function parseNumber(text: string, where: string, { min, max }: { min: number; max: number }): number {
  const value = Number(text)
  if (/^\d{1,10}$/.test(text) && value >= min && value <= max) return value
  throw refuseValue(where, text, `a whole number from ${min} to ${max}`)
}

/** "auto", "off", or a table's number. Error: ERR_PODWIRE_VALUE. */
export function parseTable(text: string, where: string): 'auto' | 'off' | number {
  const word = text.toLowerCase()
  if (word === 'auto' || word === 'off') return word
  const value = wellKnownTables[word] ?? parseDecimalOrHex(text)
  if (value !== undefined && value >= 1 && value <= maxUint32) return value
  throw refuseValue(where, text, 'auto, off, or the number of a routing table')
}

/** Names that every host has; the others are in files that we do not read here. */
const wellKnownTables: Readonly<Record<string, number>> = { default: 253, main: 254, local: 255 }

function parseDecimalOrHex(text: string): number | undefined {
  return /^(\d{1,10}|0x[0-9a-fA-F]{1,8})$/.test(text) ? Number(text) : undefined
}

/**
 * An endpoint of wg(8), returned as it is: a name is resolved when it is needed. An IPv6 address, and only that, is in brackets, which wg
 * does not ask for: of "2001:db8::1:51820" nobody can tell whether it has a port. Error: ERR_PODWIRE_ENDPOINT.
 */
export function parseEndpointText(text: string, where: string): string {
  const { host } = parseHostPort(text, where)
  if (host.includes(':') === text.startsWith('[')) return text
  const reason = 'an IPv6 address, and only that, is in brackets'
  throw podwireError('ERR_PODWIRE_ENDPOINT', { where, text, reason })
}

const maxHostLength = 253
const hostName = /^[a-zA-Z0-9_]([a-zA-Z0-9_.-]*[a-zA-Z0-9_.])?$/

function isHostName(text: string): boolean {
  return text.length <= maxHostLength && hostName.test(text)
}

/** With a zone, as in fe80::1%eth0, too. */
function isIpv6(text: string): boolean {
  const [address = ''] = text.split(/%[\w.-]{1,15}$/)
  return parseAddress(address)?.family === 6
}

/** What wg-quick takes for the address of a name server, and not for a search domain. */
function looksLikeServer(text: string): boolean {
  return text.includes(':') || /^[\d.]+$/.test(text)
}

/** The address of a name server. Error: ERR_PODWIRE_VALUE. */
export function parseDnsServer(text: string, where: string): string {
  if (parseAddress(text) !== undefined || isIpv6(text)) return text
  throw refuseValue(where, text, 'the address of a name server')
}

/** A domain in which names are looked up. Error: ERR_PODWIRE_VALUE. */
export function parseSearchDomain(text: string, where: string): string {
  if (isHostName(text) && !looksLikeServer(text)) return text
  throw refuseValue(where, text, 'a domain')
}

/** One word of wg-quick's "DNS": an address is a server, a name a search domain. Error: ERR_PODWIRE_VALUE. */
export function parseDns(text: string, where: string): { server: string } | { search: string } {
  return looksLikeServer(text) ? { server: parseDnsServer(text, where) } : { search: parseSearchDomain(text, where) }
}

/** Why INI cannot say this command; undefined if it can. */
export function unsayableHook(command: string): string | undefined {
  if (command.includes('#')) return 'it has "#", which begins a comment there'
  if (command.includes('\n')) return 'it has more than one line'
  if (command.trim() !== command) return 'spaces at its ends are lost there'
  return undefined
}
