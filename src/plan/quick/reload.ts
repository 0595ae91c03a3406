// `reload`: from what the host has to what the file says, without a handshake. What is new comes before what goes, and the
// device forgets a prefix last: its AllowedIPs tell the next run, after a crash, which routes were ours.

import { type Family, formatCidr, maskCidr, parseCidr } from '../../base/cidr.ts'
import type { DeviceChange, DeviceState } from '../../model/device.ts'
import { renderAcceptRules } from '../../policy/accept-rules.ts'
import { deviceDifference, wholeDifference, widenedDevice } from '../device-difference.ts'
import { findRenderedHooks } from '../node-hooks.ts'
import { configuredDevice } from './configured-device.ts'
import { ownMarks } from './down.ts'
import type { HostFacts, LinkFacts, LinkRoute, ReadyConfig } from './facts.ts'
import {
  addressAction,
  defaultRouteSteps,
  dnsStep,
  nft,
  removeDns,
  removeFirewallSteps,
  removeRuleSteps,
  routeAction,
} from './routing.ts'
import { type Action, hookSteps, run, type Step } from './step.ts'
import { planTunnel, type Tunnel } from './tunnel.ts'

/** Routes and rules that a hook made are left alone. No hook is run but those that podwire rendered. */
export function planReload(
  name: string,
  config: ReadyConfig,
  facts: HostFacts & { link: LinkFacts; device: DeviceState },
): Step[] {
  const { link, device } = facts
  const tunnel = planTunnel(config, facts)
  const wanted = configuredDevice(config, tunnel)
  // Without a mark in the file and without a default route, the one that the default route had goes with it.
  const drops = tunnel.mark === 0 && link.routes.some(({ table }) => device.fwmark !== 0 && table === device.fwmark)
  const { add, remove } = deviceDifference(device, wanted)
  const widened = widenedDevice(device, wanted)
  const stale = staleRoutes(link, device, tunnel)
  const rendered = findRenderedHooks(config)
  return [
    ...acceptSteps(name, config, facts),
    ...hookSteps(name, rendered.routes),
    ...mtuStep(name, config.mtuBytes ?? link.mtuBytes, link.mtuBytes),
    ...missing(config.addresses, link.addresses).map(
      (address): Step => ({
        action: addressAction('add', address, name),
        undo: addressAction('delete', address, name),
      }),
    ),
    ...deviceStep(add, wholeDifference(widened, { ...device, privateKey: device.privateKey ?? null })),
    ...newRoutes(link, tunnel).map(
      (route): Step => ({ action: routeAction('add', route, name), undo: routeAction('delete', route, name) }),
    ),
    ...tunnel.full.flatMap(family => defaultRouteSteps({ name, family, addresses: config.addresses, tunnel, facts })),
    ...removeOldDefault(name, tunnel, facts),
    ...deviceStep(drops ? { fwmark: 0 } : undefined, { fwmark: device.fwmark }),
    ...stale.map(
      (route): Step => ({ action: routeAction('delete', route, name), undo: routeAction('add', route, name) }),
    ),
    ...removeAddresses(name, config.addresses, link.addresses, tunnel),
    ...deviceStep(remove, wholeDifference(wanted, widened)),
    ...dnsSteps(name, config, facts),
    ...hookSteps(name, rendered.forwards),
  ]
}

/** First of all: whom the new rules keep out, no new peer is; and if nftables refuses them, nothing else has changed. */
function acceptSteps(name: string, config: ReadyConfig, { acceptTable = '' }: HostFacts): Step[] {
  const { acceptScript } = findRenderedHooks(config)
  if (acceptScript === undefined) return []
  const undo = nft(`${renderAcceptRules(undefined, name)}${acceptTable}`)
  return [{ action: nft(`${acceptScript.replaceAll('%i', name)}\n`), undo }]
}

/** One that the file does not say stays: a hook may have set it. */
function mtuStep(name: string, wanted: number, before: number): Step[] {
  const set = (mtuBytes: number) => run(['ip', 'link', 'set', 'mtu', String(mtuBytes), 'dev', name])
  return wanted === before ? [] : [{ action: set(wanted), undo: set(before) }]
}

function deviceStep(change: DeviceChange | undefined, back: DeviceChange): Step[] {
  return change === undefined ? [] : [{ action: { kind: 'device', change }, undo: { kind: 'device', change: back } }]
}

function newRoutes(link: LinkFacts, { routes }: Tunnel): LinkRoute[] {
  const there = new Set(link.routes.map(routeKey))
  return routes.filter(route => !there.has(routeKey(route)))
}

/** Routes to what the device lets in now, which the file no longer asks for. Others are the work of a hook. */
function staleRoutes(link: LinkFacts, device: DeviceState, { routes }: Tunnel): LinkRoute[] {
  const wanted = new Set(routes.map(routeKey))
  const ours = new Set(device.peers.flatMap(({ allowedIps }) => allowedIps))
  return link.routes.filter(route => ours.has(route.destination) && !wanted.has(routeKey(route)))
}

function routeKey({ destination, table }: LinkRoute): string {
  return `${destination} ${table}`
}

/** Rules of other marks than the one wanted, and the firewall of families without a default route. */
function removeOldDefault(name: string, { full, mark }: Tunnel, facts: HostFacts): Step[] {
  const isOurs = ownMarks(facts)
  const families: Family[] = [4, 6]
  return families.flatMap(family => {
    const stays = full.includes(family)
    const rules = removeRuleSteps(family, old => isOurs(old) && !(stays && old === mark), facts)
    return [...rules, ...(stays ? [] : removeFirewallSteps(name, family, facts))]
  })
}

/**
 * With the first IPv4 address of a prefix the kernel takes the others, unless it is told to promote them; with the last one of
 * a link all IPv4 routes by it.
 */
function removeAddresses(
  name: string,
  wanted: readonly string[],
  before: readonly string[],
  { routes }: Tunnel,
): Step[] {
  const gone = missing(before, wanted)
  const gone4 = new Set(gone.filter(isIpv4).map(prefixOf))
  const promotes = wanted.some(address => gone4.has(prefixOf(address)))
  const flushed = gone4.size > 0 && !wanted.some(isIpv4)
  return [
    ...(promotes ? [{ action: promoteSecondaries(name) }] : []),
    ...gone.map(address => ({
      action: addressAction('delete', address, name),
      undo: addressAction('add', address, name),
    })),
    ...(flushed ? routes.filter(({ destination }) => isIpv4(destination)) : []).map(route => ({
      action: routeAction('replace', route, name),
    })),
  ]
}

function promoteSecondaries(name: string): Action {
  return { kind: 'sysctl', name: `ipv4/conf/${name}/promote_secondaries`, value: '1' }
}

function isIpv4(cidr: string): boolean {
  return !cidr.includes(':')
}

function prefixOf(address: string): string {
  return formatCidr(maskCidr(parseCidr(address, 'Address')))
}

/** Whether the servers are the same as before nobody can be asked; to say them again changes nothing. */
function dnsSteps(name: string, { dns }: ReadyConfig, facts: HostFacts): Step[] {
  if (dns.servers.length > 0) return [{ action: dnsStep(name, dns, facts).action }]
  return facts.resolvconf === undefined ? [] : [{ action: removeDns(name, facts) }]
}

function missing(wanted: readonly string[], there: readonly string[]): string[] {
  const set = new Set(there)
  return wanted.filter(address => !set.has(address))
}
