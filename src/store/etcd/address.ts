// Where an etcd is, and under which keys a network lies in it: etcd:https://h1:2379,https://h2:2379/PREFIX

import { BlockList, isIP } from 'node:net'
import { podwireError } from '../../base/errors.ts'

export interface EtcdEndpoint {
  readonly secure: boolean
  /** A name or an address, without brackets. */
  readonly host: string
  readonly port: number
  /** "https://h1:2379", as it was written. */
  readonly url: string
}

export interface EtcdAddress {
  /** At least one. */
  readonly endpoints: readonly EtcdEndpoint[]
  /** "/podwire": every key begins with it and a slash. */
  readonly prefix: string
}

const defaultPrefix = '/podwire'
const endpointForm = /^(https?):\/\/(?:\[([0-9a-f:.]+)\]|([0-9a-z.-]+)):(\d{1,5})$/i
const prefixForm = /^(?:\/[0-9A-Za-z._-]+)+$/

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Parses what follows "etcd:". Error: ERR_PODWIRE_STORE_ADDRESS. */
export function parseEtcdAddress(rest: string): EtcdAddress {
  const fail = (reason: string) => podwireError('ERR_PODWIRE_STORE_ADDRESS', { address: `etcd:${rest}`, reason })
  const [, list = '', prefix = defaultPrefix] = /^((?:https?:\/\/[^/,]*,?)*)(\/.*)?$/is.exec(rest) ?? []
  if (!prefixForm.test(prefix)) {
    throw fail(`the keys' prefix "${prefix}" is not of letters, digits, ".", "_", "-" and single slashes`)
  }
  const endpoints = list.split(',').map(url => {
    const [, scheme = '', ipv6, name, port] = endpointForm.exec(url) ?? []
    const host = ipv6 ?? name
    if (host === undefined || Number(port) < 1 || Number(port) > 65_535 || (ipv6 !== undefined && isIP(ipv6) !== 6)) {
      throw fail(`"${url}" is not an endpoint like https://etcd-1.example.net:2379`)
    }
    const secure = scheme.toLowerCase() === 'https'
    if (!secure && !isLoopback(host)) throw fail(`${url} would be in clear: http: is for this host only`)
    return { secure, host, port: Number(port), url }
  })
  return { endpoints, prefix }
}

function isLoopback(host: string): boolean {
  const family = isIP(host)
  return family === 0 ? host === 'localhost' : loopback.check(host, family === 4 ? 'ipv4' : 'ipv6')
}
