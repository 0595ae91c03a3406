// Where the server of a store is, by its address: "server:https://HOST:PORT" for nodes, who know it by its pin, and "server:/FOLDER"
// for root on its own host, through the socket in its folder.

import { podwireError } from '../base/errors.ts'

export const adminSocket = 'admin.sock'

export type ServerPlace = { readonly host: string; readonly port: number } | { readonly socket: string }

/** Error: ERR_PODWIRE_STORE_ADDRESS. */
export function parseServerAddress(address: string): ServerPlace {
  const fail = (reason: string) => podwireError('ERR_PODWIRE_STORE_ADDRESS', { address, reason })
  const rest = address.replace(/^server:/, '')
  if (rest.startsWith('/')) return { socket: `${rest}/${adminSocket}` }
  const [, host = '', digits] = /^https:\/\/([\w.-]+|\[[\da-fA-F:.]+\]):(\d{1,5})$/.exec(rest) ?? []
  const port = Number(digits)
  if (host === '') throw fail('a server is named server:https://HOST:PORT, or on its own host server:/FOLDER')
  if (port < 1 || port > 65535) throw fail('a port is a number from 1 to 65535')
  return { host: host.replace(/^\[|\]$/g, ''), port }
}
