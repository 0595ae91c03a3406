// Leaves a network: what the agent made is taken away, and nothing else.
//
//   store: record, claims --> agent: stopped --> device --> routes --> table --> settings, keys
//
// The store comes first: if it does not answer nothing was changed. Each step may be done already, so that a run that was
// killed is finished by the next.

import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { PodwireError, podwireError, reasonOf } from '../base/errors.ts'
import { firewallTable, routeProtocol } from '../model/host-state.ts'
import { openStore } from '../store/store.ts'
import { removeAccepts } from '../system/forward-rules.ts'
import { readKey } from '../system/secrets.ts'
import { publicKeyOf } from '../wireguard/keys.ts'
import { keyFile, openHost } from './agent.ts'
import { listAttachments } from './attach.ts'
import { lockDevice } from './host-lock.ts'
import { applyHostTraffic } from './host-traffic.ts'
import type { DeviceHost } from './own-device.ts'
import { nodePaths, type Settings } from './settings.ts'

/** Stores tell it within a second; a round may be under way. */
const endsWithinMs = 10_000

export interface LeaveOptions {
  readonly settings: Settings
  /** Go on when the store does not answer, or refuses. */
  readonly force: boolean
  /** Ends the agent for good. */
  readonly stopAgent: () => Promise<void>
  readonly say: (text: string) => void
}

/** Errors: ERR_PODWIRE_NEEDS_ROOT, ERR_PODWIRE_AGENT_RUNNING; those of the store, unless forced. */
export async function leaveNetwork({ settings, force, stopAgent, say }: LeaveOptions): Promise<void> {
  const { network, device, backend } = settings
  if (process.geteuid?.() !== 0) throw podwireError('ERR_PODWIRE_NEEDS_ROOT', { what: 'leaving a network' })
  try {
    say(`store: ${await leaveStore(settings)}`)
  } catch (error) {
    if (!force) throw error
    say(`store: left as it is: ${reasonOf(error)}; remove the node there with \`podwire node remove ${settings.name}\``)
  }
  await stopAgent()
  const unlock = await lockWhenEnded(device)
  const host = openHost(device, backend)
  try {
    await unmakeHost(host, say)
  } finally {
    host.links.close()
    unlock()
  }
  const { settingsFile, stateFolder, socketFile } = nodePaths(network)
  await rm(socketFile, { force: true })
  await rm(stateFolder, { recursive: true, force: true })
  await rm(settingsFile, { force: true })
  say(`settings and keys: removed, ${settingsFile} and ${stateFolder}`)
}

/** An agent that nobody stops ends by itself when it hears that its node was removed. Errors: those of lockDevice. */
async function lockWhenEnded(device: string): Promise<() => void> {
  for (const deadlineMs = performance.now() + endsWithinMs; ; await delay(100)) {
    try {
      return await lockDevice(device)
    } catch (error) {
      const isRunning = error instanceof PodwireError && error.code === 'ERR_PODWIRE_AGENT_RUNNING'
      if (!isRunning || performance.now() > deadlineMs) throw error
    }
  }
}

/** What came of it, in words. Errors: those of the store. */
async function leaveStore({ network, store: address, access, name }: Settings): Promise<string> {
  const key = await readKey(keyFile(nodePaths(network).stateFolder))
  const store = await openStore(address, access)
  try {
    const record = await store.readNode(name)
    if (record !== undefined && (key === undefined || record.publicKey !== publicKeyOf(key))) {
      return `its node ${name} has another key, and stays`
    }
    // Without a record, there may be claims.
    return (await store.removeNode(name)) ? `node ${name} is removed, with its prefixes` : `there is no node ${name}`
  } catch (error) {
    if (error instanceof PodwireError && error.code === 'ERR_PODWIRE_NODE_REMOVED') return 'the node was removed before'
    throw error
  } finally {
    await store.close()
  }
}

/** The device first: while it is there, the table keeps the network's traffic from leaving in clear. */
async function unmakeHost({ deviceName, links, nftables }: DeviceHost, say: (text: string) => void): Promise<void> {
  const { overlay } = await nftables.observe()
  for (const { link, device, target } of await listAttachments(links)) {
    if (device !== deviceName) continue
    links.deleteLink(link)
    say(`attached: ${target} is detached`)
  }
  if (links.links().some(({ name }) => name === deviceName)) {
    links.deleteLink(deviceName) // ends a userspace device, too
    say(`device: ${deviceName} is removed, and its routes with it`)
  }
  for (const { destination, metric, type, protocol } of links.routes()) {
    if (protocol !== routeProtocol || type !== 'unreachable' || !overlay.includes(destination)) continue
    links.removeRoute({ destination, metric, type, protocol })
    say(`route: unreachable ${destination} is removed`)
  }
  if (overlay.length > 0) {
    const table = `inet ${firewallTable(deviceName)}`
    await nftables.run(`delete table ${table}`)
    say(`firewall: the table ${table} is removed`)
  }
  await applyHostTraffic(nftables, deviceName, undefined)
  if (await removeAccepts(deviceName)) say('firewall: the accepts in rules of others are removed')
}
