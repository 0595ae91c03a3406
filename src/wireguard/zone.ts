// The zone of a link-local endpoint: people and wg(8) write an interface's name, sockets and the engine have its number. The numbers are
// those of this process's network namespace, of interfaces that are up and have a link-local address: others reach nobody there.

import { networkInterfaces } from 'node:os'
import { podwireError } from '../base/errors.ts'

/** "[fe80::1%eth0]:5" to "[fe80::1%2]:5"; what has no name as it is. Error: ERR_PODWIRE_ENDPOINT. */
export function numberedZone(endpoint: string): string {
  return endpoint.replace(/%([^\]]*\D[^\]]*)\]/, (_, name: string) => {
    const number = networkInterfaces()
      [name]?.map(scopeOf)
      .find(scope => scope !== 0)
    if (number !== undefined) return `%${number}]`
    const reason = `no interface "${name}" is up with a link-local address`
    throw podwireError('ERR_PODWIRE_ENDPOINT', { where: 'endpoint', text: endpoint, reason })
  })
}

/** The other way; a number that is not known stays. */
export function namedZone(endpoint: string): string {
  return endpoint.replace(/%(\d+)\]/, (whole, number: string) => {
    const links = Object.entries(networkInterfaces())
    const [name] = links.find(([, addresses = []]) => addresses.some(one => scopeOf(one) === Number(number))) ?? []
    return name === undefined ? whole : `%${name}]`
  })
}

function scopeOf(address: { readonly family: string; readonly scopeid?: number }): number {
  return address.family === 'IPv6' ? (address.scopeid ?? 0) : 0
}
