// `up`, in wg-quick's order: link, device, addresses, MTU, DNS, routes (most specific first), what default routes need, PostUp.
// PreUp comes before all of it, and before the facts: it may change them.

import { parseCidr } from '../../base/cidr.ts'
import type { InterfaceConfig } from '../../config/interface-config.ts'
import { addedPeer } from '../device-difference.ts'
import { undoHook } from '../node-hooks.ts'
import { configuredDevice } from './configured-device.ts'
import type { HostFacts, ReadyConfig } from './facts.ts'
import { addressAction, defaultRouteSteps, dnsStep, routeAction } from './routing.ts'
import { hookSteps, run, type Step } from './step.ts'
import { planTunnel } from './tunnel.ts'

/** PreUp. What podwire rendered there can be taken back; of other commands only their file knows how. */
export function planPreUp(name: string, { hooks: { preUp } }: InterfaceConfig): Step[] {
  return preUp.flatMap(command => {
    const undo = undoHook(command)
    const [back] = undo === undefined ? [] : hookSteps(name, [undo])
    return hookSteps(name, [command]).map(step => ({ ...step, ...(back && { undo: back.action }) }))
  })
}

/** The steps after PreUp. Whoever carries them out takes them back, last one first, when one fails. */
export function planUp(name: string, config: ReadyConfig, facts: HostFacts): Step[] {
  const tunnel = planTunnel(config, facts)
  const { peers, ...device } = configuredDevice(config, tunnel)
  const defaults = new Set(tunnel.full)
  const isDefault = (destination: string) => {
    const { family, length } = parseCidr(destination, 'AllowedIPs')
    return length === 0 && defaults.has(family)
  }
  const routeSteps = tunnel.routes.flatMap((route): Step[] => {
    const step = { action: routeAction('add', route, name) }
    if (!isDefault(route.destination)) return [step]
    const { family } = parseCidr(route.destination, 'AllowedIPs')
    return [step, ...defaultRouteSteps({ name, family, addresses: config.addresses, tunnel, facts })]
  })
  return [
    { action: { kind: 'createLink' }, undo: run(['ip', 'link', 'delete', 'dev', name]) },
    { action: { kind: 'device', change: { ...device, peers: peers.map(addedPeer) } } },
    ...config.addresses.map(address => ({ action: addressAction('add', address, name) })),
    { action: run(['ip', 'link', 'set', 'mtu', String(tunnel.mtuBytes), 'up', 'dev', name]) },
    ...(config.dns.servers.length > 0 ? [dnsStep(name, config.dns, facts)] : []),
    ...routeSteps,
    ...hookSteps(name, config.hooks.postUp),
  ]
}
