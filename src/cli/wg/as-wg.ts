// Addresses as wg(8) writes them, where the C library differs from RFC 5952 and from devices: the last 32 bits of "::a:b" as IPv4, and
// a zone by its interface's name.

import type { DeviceState } from '../../model/device.ts'
import { namedZone } from '../../wireguard/zone.ts'

/** The same state with its addresses in that form. */
export function asWg(state: DeviceState): DeviceState {
  return {
    ...state,
    peers: state.peers.map(peer => ({
      ...peer,
      ...(peer.endpoint !== undefined && { endpoint: namedZone(dottedTail(peer.endpoint)) }),
      allowedIps: peer.allowedIps.map(dottedTail),
    })),
  }
}

/** "::102:304/128" to "::1.2.3.4/128"; anything else as it is. */
function dottedTail(text: string): string {
  if (!/^\[?::/.test(text)) return text
  return text.replace(
    /^(\[?::)([0-9a-f]{1,4}):([0-9a-f]{1,4})(?=[/\]]|$)/,
    (_, start: string, high: string, low: string) => {
      const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
      return `${start}${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`
    },
  )
}
