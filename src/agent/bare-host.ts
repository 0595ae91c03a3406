// A host before its device is there: what can be seen of it, and what keeps the network's traffic from leaving in clear,
// which comes first and needs no device, no prefix and no store in sync.

import type { HostState } from '../model/host-state.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import { differenceOf } from '../plan/difference.ts'
import { unreachableRoutes } from '../plan/plan.ts'
import { applyChanges } from '../system/apply.ts'
import type { Host } from '../system/host.ts'
import { observeRoutes } from '../system/observe.ts'

/** The host without its device. Errors: ERR_PODWIRE_SYSTEM, those of nft. */
export async function observeBareHost({ deviceName: name, links, nftables }: Host): Promise<HostState> {
  return {
    device: { name, mtuBytes: 0, up: false, listenPort: 0, peers: [] },
    addresses: [],
    routes: observeRoutes(links),
    firewall: await nftables.observe(),
  }
}

/** Closes the host to the network's traffic, but for what is open already; whether it was not closed. Errors: as above. */
export async function closeHost(host: Host, network: NetworkConfig): Promise<boolean> {
  const observed = await observeBareHost(host)
  const { device, routes, firewall } = observed
  const closed: HostState = {
    ...observed,
    device: { name: device.name, mtuBytes: device.mtuBytes, listenPort: device.listenPort, peers: [] },
    routes: [...unreachableRoutes(network), ...routes],
    firewall: {
      device: host.deviceName,
      overlay: [...firewall.overlay, ...network.range],
      shares: firewall.shares,
    },
  }
  const changes = differenceOf(closed, observed).filter(({ kind }) => kind === 'firewall' || kind === 'putRoute')
  await applyChanges(host, changes)
  return changes.length > 0
}
