// Changes in words, a line each: what the agent logs and what `podwire plan` prints.

import type { PeerChange } from '../model/device.ts'
import type { Change } from '../model/host-change.ts'
import type { Route } from '../model/host-state.ts'

export function describeChange(change: Change): string {
  switch (change.kind) {
    case 'firewall':
      return `firewall: drop in clear to and from ${[...change.firewall.overlay, ...change.firewall.shares].join(', ')}`
    case 'link': {
      const words = [change.up && 'up', change.mtuBytes !== undefined && `MTU ${change.mtuBytes}`]
      return `link: ${words.filter(Boolean).join(', ')}`
    }
    case 'listenPort':
      return `device: listen on UDP port ${change.port}`
    case 'addAddress':
      return `address: add ${change.cidr}`
    case 'removeAddress':
      return `address: remove ${change.cidr}`
    case 'peer':
      return `peer: ${describePeer(change.change)}`
    case 'putRoute':
      return `route: ${describeRoute(change.route)}`
    case 'removeRoute':
      return `route: remove ${describeRoute(change.route)}`
  }
}

function describePeer(change: PeerChange): string {
  const { publicKey, remove, updateOnly, endpoint, persistentKeepaliveSeconds, allowedIps, removeAllowedIps } = change
  if (remove) return `remove ${publicKey}`
  const words = [
    endpoint !== undefined && `endpoint ${endpoint}`,
    persistentKeepaliveSeconds !== undefined && `keepalive ${persistentKeepaliveSeconds} s`,
    allowedIps?.length && `allow ${allowedIps.join(', ')}`,
    removeAllowedIps?.length && `no longer allow ${removeAllowedIps.join(', ')}`,
  ]
  return `${updateOnly ? 'change' : 'add'} ${[publicKey, ...words.filter(Boolean)].join('; ')}`
}

function describeRoute({ destination, type, device, source, mtuBytes }: Route): string {
  if (type === 'unreachable') return `${destination} unreachable unless a better one is there`
  const words = [source !== undefined && `from ${source}`, mtuBytes !== undefined && `MTU ${mtuBytes}`]
  return `${destination} by ${[device, ...words.filter(Boolean)].join(', ')}`
}
