// The difference between what a host should be and what it is: a list of changes, empty when there is none, in an
// order that neither leaks nor drops.
//
//   what closes          firewall grows, unreachable routes
//   what lets more pass  link, addresses, peers with their AllowedIPs, then the routes that lead to them
//   what lets less pass  routes, AllowedIPs, addresses, unreachable routes, firewall shrinks, unknown peers last
//
// Nothing is torn down and built again: each change names the one thing that differs.

import { containsCidr, parsePrefix } from '../base/cidr.ts'
import type { PublicKey } from '../base/key.ts'
import type { PeerChange } from '../model/device.ts'
import type { Change } from '../model/host-change.ts'
import {
  type Firewall,
  type HostDevice,
  type HostPeer,
  type HostState,
  type Route,
  routeKey,
} from '../model/host-state.ts'
import { firewallSeal, outermostPrefixes, renderElements, renderFirewall } from '../policy/base-chains.ts'

/** The changes that take `observed` to `desired`, in the order in which to carry them out. Error: ERR_PODWIRE_NAME. */
export function differenceOf(desired: HostState, observed: HostState): Change[] {
  const firewall = firewallChanges(desired.firewall, observed.firewall)
  const routes = routeChanges(desired, observed)
  const peers = peerChanges(desired.device.peers, observed.device.peers)
  const address = (kind: 'addAddress' | 'removeAddress', from: readonly string[], without: readonly string[]) =>
    from.filter(cidr => !without.includes(cidr)).map((cidr): Change => ({ kind, cidr }))
  return [
    ...firewall.grow,
    ...routes.putUnreachable,
    ...linkChanges(desired.device, observed.device),
    ...address('addAddress', desired.addresses, observed.addresses),
    ...peers.change,
    ...routes.putUnicast,
    ...routes.removeUnicast,
    ...peers.narrow,
    ...address('removeAddress', observed.addresses, desired.addresses),
    ...routes.removeUnreachable,
    ...firewall.shrink,
    ...peers.remove,
  ]
}

/**
 * First everything desired is covered and nothing is uncovered; at the end what is no longer desired goes. A prefix
 * that lies in one that is to go is covered until then, and the two are exchanged in one transaction.
 */
function firewallChanges(desired: Firewall, observed: Firewall): { grow: Change[]; shrink: Change[] } {
  // What is in the kernel covers nothing twice: the same is as it should be. Most changes are not of the firewall.
  if (observed.seal === firewallSeal(desired.device) && sameElements(observed, desired)) return { grow: [], shrink: [] }
  const target: Firewall = {
    device: desired.device,
    overlay: outermostPrefixes(desired.overlay),
    shares: outermostPrefixes(desired.shares),
  }
  const grown: Firewall = {
    device: desired.device,
    overlay: outermostPrefixes([...observed.overlay, ...target.overlay]),
    shares: outermostPrefixes([...observed.shares, ...target.shares]),
  }
  const change = (script: string, firewall: Firewall): Change => ({
    kind: 'firewall',
    script,
    firewall: { ...firewall, seal: firewallSeal(firewall.device) },
  })
  const replace = observed.seal !== firewallSeal(desired.device)
  const grow = replace
    ? [change(renderFirewall(grown), grown)]
    : sameElements(observed, grown)
      ? []
      : [change(renderElements(observed, grown), grown)]
  return { grow, shrink: sameElements(grown, target) ? [] : [change(renderElements(grown, target), target)] }
}

function sameElements(a: Firewall, b: Firewall): boolean {
  return sameTexts(a.overlay, b.overlay) && sameTexts(a.shares, b.shares)
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  const texts = new Set(b)
  return a.length === b.length && a.every(text => texts.has(text))
}

function linkChanges(desired: HostDevice, observed: HostDevice): Change[] {
  const up = observed.up === false
  const mtu = desired.mtuBytes !== observed.mtuBytes
  const changes: Change[] = []
  if (up || mtu) changes.push({ kind: 'link', ...(up && { up }), ...(mtu && { mtuBytes: desired.mtuBytes }) })
  if (desired.listenPort !== observed.listenPort) changes.push({ kind: 'listenPort', port: desired.listenPort })
  return changes
}

/**
 * A route takes the place of another of its key without a gap. What is no longer desired is ours to remove if it leads to our
 * device, or closes what our firewall closes: a host may be in several networks.
 */
function routeChanges({ routes: desired, device, firewall }: HostState, { routes: observed, ...was }: HostState) {
  const closed = [firewall, was.firewall].flatMap(({ overlay, shares }) => [...overlay, ...shares])
  const ranges = closed.map(text => parsePrefix(text, 'the firewall'))
  const isOurs = (route: Route) =>
    route.type === 'unicast'
      ? route.device === device.name
      : ranges.some(range => containsCidr(range, parsePrefix(route.destination, 'a route')))
  const desiredKeys = new Set(desired.map(routeKey))
  const observedByKey = new Map(observed.map(route => [routeKey(route), route]))
  const puts = desired.filter(route => !sameRoute(route, observedByKey.get(routeKey(route))))
  const removals = observed.filter(route => !desiredKeys.has(routeKey(route)) && isOurs(route))
  const changes = (kind: 'putRoute' | 'removeRoute', routes: Route[], type: Route['type']) =>
    routes.filter(route => route.type === type).map((route): Change => ({ kind, route }))
  return {
    putUnreachable: changes('putRoute', puts, 'unreachable'),
    putUnicast: changes('putRoute', puts, 'unicast'),
    removeUnicast: changes('removeRoute', removals, 'unicast'),
    removeUnreachable: changes('removeRoute', removals, 'unreachable'),
  }
}

function sameRoute(a: Route, b: Route | undefined): boolean {
  return a.type === b?.type && a.device === b.device && a.mtuBytes === b.mtuBytes && a.source === b.source
}

/** AllowedIPs that move are only added to their new peer: that takes them from the old one, with no gap between. */
function peerChanges(desired: readonly HostPeer[], observed: readonly HostPeer[]) {
  const observedByKey = new Map(observed.map(peer => [peer.publicKey, peer]))
  const desiredKeys = new Set<PublicKey>(desired.map(peer => peer.publicKey))
  const wanted = new Set(desired.flatMap(peer => peer.allowedIps))
  const change: PeerChange[] = []
  const narrow: PeerChange[] = []
  for (const peer of desired) {
    const known = observedByKey.get(peer.publicKey)
    const widened = widen(peer, known)
    if (widened !== undefined) change.push(widened)
    const removeAllowedIps = known?.allowedIps.filter(cidr => !wanted.has(cidr)) ?? []
    if (removeAllowedIps.length > 0) narrow.push({ publicKey: peer.publicKey, updateOnly: true, removeAllowedIps })
  }
  const remove = observed
    .filter(peer => !desiredKeys.has(peer.publicKey))
    .map((peer): PeerChange => ({ publicKey: peer.publicKey, remove: true }))
  const asChanges = (changes: PeerChange[]) => changes.map((change): Change => ({ kind: 'peer', change }))
  return { change: asChanges(change), narrow: asChanges(narrow), remove: asChanges(remove) }
}

/** What a peer lacks; undefined if nothing. An endpoint that works is never replaced by one that is only declared. */
function widen(peer: HostPeer, known: HostPeer | undefined): PeerChange | undefined {
  const { publicKey, endpoint, persistentKeepaliveSeconds } = peer
  const had = new Set(known?.allowedIps)
  const allowedIps = peer.allowedIps.filter(cidr => !had.has(cidr))
  const works = known?.working === true && known.endpoint !== undefined
  const parts = {
    ...(endpoint !== undefined && endpoint !== known?.endpoint && !works && { endpoint }),
    ...(persistentKeepaliveSeconds !== (known?.persistentKeepaliveSeconds ?? 0) && { persistentKeepaliveSeconds }),
    ...(allowedIps.length > 0 && { allowedIps }),
  }
  if (known === undefined) return { publicKey, ...parts }
  return Object.keys(parts).length === 0 ? undefined : { publicKey, updateOnly: true, ...parts }
}
