// `wg showconf`, and `wg setconf`, `addconf` and `syncconf`: a text of wg(8) to a device and back.

import { planAddconf, planSetconf, planSyncconf } from '../../config/wg-change.ts'
import { formatWgConfig, parseWgConfig, type WgConfig, type WgPeer } from '../../config/wg-config.ts'
import type { HostPort } from '../../config/wg-values.ts'
import type { Device, DeviceChange } from '../../model/device.ts'
import { resolutionRetries, resolveEndpoint } from '../../system/resolve-endpoint.ts'
import { openDevice } from '../../wireguard/devices.ts'
import { numberedZone } from '../../wireguard/zone.ts'
import { readText, systemServices } from './files.ts'
import { asWg } from './inet-text.ts'
import { reaching } from './reach.ts'
import { sayUsage, warn } from './usage.ts'

export async function showConf(args: readonly string[], program: string): Promise<number> {
  const [name, ...rest] = args
  const usage = `${program} showconf <interface>`
  if (name === undefined || rest.length > 0) return sayUsage(usage, 1)
  try {
    const state = await reaching('access interface', async () => (await openDevice(name)).get())
    process.stdout.write(formatWgConfig(asWg(state)))
    return 0
  } catch (error) {
    // To wg(8) these are names of interfaces as well: when there is none, help was meant.
    if (name === '--help' || name === '-h') return sayUsage(usage, 1)
    throw error
  }
}

export type ConfVerb = 'setconf' | 'addconf' | 'syncconf'

export async function applyConf(verb: ConfVerb, args: readonly string[], program: string): Promise<number> {
  const [name, file, ...rest] = args
  if (name === undefined || file === undefined || rest.length > 0) {
    return sayUsage(`${program} ${verb} <interface> <file>`, 1)
  }
  await applyText({ verb, device: () => openDevice(name), text: readText(file), file })
  return 0
}

export interface ApplyText {
  readonly verb: ConfVerb
  /** Opened when the text is known to be good. */
  readonly device: () => Promise<Device>
  readonly text: string
  /** Names the text in errors and warnings. */
  readonly file: string
}

/** Reads a text of wg(8), looks up its names, and tells the device; nothing is changed if the text is bad. */
export async function applyText({ verb, device: open, text, file }: ApplyText): Promise<void> {
  const { config, warnings } = parseWgConfig(text, file, systemServices())
  for (const warning of warnings) warn(warning)
  const resolved = await resolvePeers(config, file)
  const modify = 'modify interface'
  // wg(8) reads the device only to compare its peers with some.
  const compares = verb === 'syncconf' && resolved.peers.length > 0
  const { device, change } = await reaching(
    compares ? 'retrieve current interface configuration' : modify,
    async () => {
      const device = await open()
      return { device, change: await planOf(verb, resolved, device) }
    },
  )
  const changes = change.peers?.length !== 0 || Object.keys(change).length > 1
  if (changes) await reaching(modify, () => device.set(change))
}

async function planOf(verb: ConfVerb, config: WgConfig, device: Device): Promise<DeviceChange> {
  if (verb === 'setconf') return planSetconf(config)
  if (verb === 'addconf') return planAddconf(config)
  return planSyncconf(config, await device.get())
}

/** One name after the other: a resolver that is not there yet is waited for once, not once a peer. */
async function resolvePeers(config: WgConfig<HostPort>, file: string): Promise<WgConfig> {
  const peers: WgPeer[] = []
  for (const { endpoint, ...peer } of config.peers) {
    const where = `${file}, peer ${peer.publicKey}`
    peers.push(endpoint === undefined ? peer : { ...peer, endpoint: await lookUp(endpoint, where) })
  }
  return { ...config, peers }
}

/** As WG_ENDPOINT_RESOLUTION_RETRIES says; a zone becomes a number, which every device understands. */
export async function lookUp(endpoint: HostPort, where: string): Promise<string> {
  return numberedZone(await resolveEndpoint(endpoint, { where, retries: resolutionRetries(), onRetry: warn }))
}
