// Says hello to new peers, through the tunnel. A node that joins, or whose device was started anew, begins to talk before
// all others have read of it, and what it sends then is lost: it would try again after 5 s (WireGuard paper, section 6.4),
// and a peer that still holds a dead session would notice after 15. One packet from the other side makes the session.
//
// If both began at once, each would answer the other, none would take the answer, and both would wait 5 s. So the one with
// the smaller key begins, and the other only if nothing came of that.

import { createSocket } from 'node:dgram'
import { setTimeout as delay } from 'node:timers/promises'
import { formatAddress, parsePrefix } from '../base/cidr.ts'
import type { PublicKey } from '../base/key.ts'
import type { Device } from '../model/device.ts'
import type { Change } from '../model/host-change.ts'
import { overlayAddress } from '../plan/plan.ts'

/** The discard service (RFC 863): nobody answers, and nobody needs to. */
const discardPort = 9
/** A handshake takes two ways of a packet; longer than between any two places on Earth. */
const secondMs = 400

interface NewPeer {
  readonly publicKey: PublicKey
  readonly address: string
}

/** The peers that the changes add, and their overlay addresses. */
function addedPeers(changes: readonly Change[]): NewPeer[] {
  return changes.flatMap(change => {
    if (change.kind !== 'peer' || change.change.remove || change.change.updateOnly) return []
    const { publicKey, allowedIps: [prefix] = [] } = change.change
    if (prefix === undefined) return []
    return { publicKey, address: formatAddress(overlayAddress(parsePrefix(prefix, 'allowedIps'))) }
  })
}

/** Greets the peers that the changes added; a courtesy: what cannot be sent is not. */
export async function greetNewPeers(device: Device, ownKey: PublicKey, changes: readonly Change[]): Promise<void> {
  const peers = addedPeers(changes)
  if (peers.length === 0) return
  await greetAll(peers.filter(({ publicKey }) => ownKey < publicKey))
  await delay(secondMs, undefined, { ref: false })
  const state = await device.get(peers.map(({ publicKey }) => publicKey)).catch(() => undefined)
  const silent = new Set(state?.peers.flatMap(peer => (peer.lastHandshakeMs === undefined ? peer.publicKey : [])))
  await greetAll(peers.filter(({ publicKey }) => silent.has(publicKey)))
}

/** One after the other: thousands of sockets at once are more than a process may have. */
async function greetAll(peers: readonly NewPeer[]): Promise<void> {
  for (const { address } of peers) await greet(address)
}

/** Sends an empty datagram. */
function greet(address: string): Promise<void> {
  return new Promise(resolve => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    socket.on('error', () => {}) // the callback has it as well
    socket.send('', discardPort, address, () => socket.close(() => resolve()))
  })
}
