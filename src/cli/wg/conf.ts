// `wg showconf`, and `wg setconf`, `addconf` and `syncconf`: a text of wg(8) to a device and back.

import { planAddconf, planSetconf, planSyncconf } from '../../config/wg-change.ts'
import { formatWgConfig, parseWgConfig, type WgConfig, type WgPeer } from '../../config/wg-config.ts'
import type { HostPort } from '../../config/wg-values.ts'
import type { Device, DeviceChange } from '../../model/device.ts'
import { openDevice } from '../../wireguard/devices.ts'
import { asWg } from './as-wg.ts'
import { readText, systemServices } from './files.ts'
import { lookUp } from './look-up.ts'
import { reaching } from './reach.ts'
import { sayUsage, sayWarning } from './say.ts'

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

type ConfVerb = 'setconf' | 'addconf' | 'syncconf'

/** Reads a text of wg(8), looks up its names, and tells the device; nothing is changed if the text is bad. */
export async function applyConf(verb: ConfVerb, args: readonly string[], program: string): Promise<number> {
  const [name, file, ...rest] = args
  if (name === undefined || file === undefined || rest.length > 0) {
    return sayUsage(`${program} ${verb} <interface> <file>`, 1)
  }
  const { config, warnings } = parseWgConfig(readText(file), file, systemServices())
  for (const warning of warnings) sayWarning(warning)
  const resolved = await resolvePeers(config, file)
  const modify = 'modify interface'
  // wg(8) reads the device only to compare its peers with some.
  const compares = verb === 'syncconf' && resolved.peers.length > 0
  const { device, change } = await reaching(
    compares ? 'retrieve current interface configuration' : modify,
    async () => {
      const device = await openDevice(name)
      return { device, change: await planOf(verb, resolved, device) }
    },
  )
  if (!isEmptyChange(change)) await reaching(modify, () => device.set(change))
  return 0
}

/** Whether it has nothing but a list of no peers. */
function isEmptyChange({ peers, ...device }: DeviceChange): boolean {
  return peers?.length === 0 && Object.keys(device).length === 0
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
