// Says hello to new peers, through the tunnel. A node that joins, or whose device was started anew, begins to talk before
// all others have read of it, and what it sends then is lost: it would try again after 5 s (WireGuard paper, section 6.4),
// and a peer that still holds a dead session would notice after 15. One packet from the other side makes the session.

import { createSocket } from 'node:dgram'
import { formatAddress, parsePrefix } from '../base/cidr.ts'
import type { Change } from '../model/host-change.ts'
import { overlayAddress } from '../plan/plan.ts'

/** The discard service (RFC 863): nobody answers, and nobody needs to. */
const discardPort = 9

/** Overlay addresses of the peers that the changes add. */
export function addedPeers(changes: readonly Change[]): string[] {
  return changes.flatMap(change => {
    if (change.kind !== 'peer' || change.change.remove || change.change.updateOnly) return []
    const [prefix] = change.change.allowedIps ?? []
    return prefix === undefined ? [] : formatAddress(overlayAddress(parsePrefix(prefix, 'allowedIps')))
  })
}

/** Sends an empty datagram to each address. It is a courtesy: what cannot be sent is not. */
export async function greet(addresses: readonly string[]): Promise<void> {
  await Promise.all(
    addresses.map(
      address =>
        new Promise<void>(resolve => {
          const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
          const end = () => socket.close(() => resolve())
          socket.once('error', end).send('', discardPort, address, error => error ?? end())
        }),
    ),
  )
}
