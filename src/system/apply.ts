// Carries out changes, in their order, on a host. What went before a change that fails stays: the next round observes
// again and goes on from there.

import { setImmediate } from 'node:timers/promises'
import type { PeerChange } from '../model/device.ts'
import type { Change } from '../model/host-change.ts'
import { type Route, routeProtocol } from '../model/host-state.ts'
import type { Host } from './host.ts'

/** A request of so many peers keeps a device busy for a moment, not for a second. */
const peersAtOnce = 500
/** So many calls into the kernel, then others may have the thread. */
const callsAtOnce = 200

/**
 * Tells `onDone` of each change that was carried out. Stops at the first error: ERR_PODWIRE_SYSTEM, ERR_PODWIRE_NEEDS_ROOT, and
 * those of the device and of nft.
 */
export async function applyChanges(
  host: Host,
  changes: readonly Change[],
  onDone: (change: Change) => void = () => {},
): Promise<void> {
  for (let next = 0; next < changes.length; ) {
    const batch = peersFrom(changes, next)
    const change = changes[next]
    if (batch.length > 0) await host.device.set({ peers: batch })
    else if (change !== undefined) await applyChange(host, change)
    const end = next + Math.max(1, batch.length)
    for (const done of changes.slice(next, end)) onDone(done)
    if (batch.length === 0 && next % callsAtOnce === callsAtOnce - 1) await setImmediate()
    next = end
  }
}

/** Changes of peers that follow one another go to the device together. */
function peersFrom(changes: readonly Change[], start: number): PeerChange[] {
  const peers: PeerChange[] = []
  for (let i = start; peers.length < peersAtOnce; i++) {
    const change = changes[i]
    if (change?.kind !== 'peer') break
    peers.push(change.change)
  }
  return peers
}

async function applyChange({ deviceName, device, links, nftables }: Host, change: Change): Promise<void> {
  switch (change.kind) {
    case 'firewall':
      return nftables.run(change.script)
    case 'link': {
      const { up, mtuBytes } = change
      return links.setLink(deviceName, { ...(up && { up }), ...(mtuBytes !== undefined && { mtuBytes }) })
    }
    case 'listenPort':
      return device.set({ listenPort: change.port })
    case 'addAddress':
      return links.addAddress(deviceName, change.cidr)
    case 'removeAddress':
      return links.removeAddress(deviceName, change.cidr)
    case 'peer':
      return device.set({ peers: [change.change] })
    case 'putRoute':
      return links.putRoute(withLink(change.route))
    case 'removeRoute':
      return links.removeRoute({ ...change.route, protocol: routeProtocol })
  }
}

function withLink({ device, ...route }: Route) {
  return { ...route, ...(device !== undefined && { link: device }), protocol: routeProtocol }
}
