// Keeps one node in step with the store.
//
//   lock --> key --> name, interface, port, range --> close the host --> rounds, until the end (agent-rounds.ts)
//
// When the agent ends, all stays as it is.

import { join } from 'node:path'
import { podwireError } from '../base/errors.ts'
import type { PublicKey } from '../base/key.ts'
import type { Log } from '../base/log.ts'
import { openLinks } from '../native/link.ts'
import type { Store } from '../store/store.ts'
import { openNftables } from '../system/nftables.ts'
import { readOrCreateKey } from '../system/secrets.ts'
import { generatePrivateKey, publicKeyOf } from '../wireguard/keys.ts'
import { AgentRounds } from './agent-rounds.ts'
import { type Backend, chooseBackend, openBackend } from './backend.ts'
import { closeHost } from './bare-host.ts'
import { lockDevice } from './host-lock.ts'
import { type DeviceHost, requireRoom } from './own-device.ts'
import type { ProbeTimes } from './peer-path.ts'
import { observePrefixes, requireApart, requireOutside } from './self.ts'
import { View } from './view.ts'

export interface AgentOptions {
  readonly store: Store
  /** Name of this node in the store. */
  readonly name: string
  /** Name of the interface. */
  readonly device: string
  /** "auto": that of the device which is there, else the kernel's, and without one a userspace device. */
  readonly backend: Backend | 'auto'
  readonly listenPort: number
  /** Where others reach this node, "ip:port"; empty behind a NAT. */
  readonly endpoints: readonly string[]
  /** Of the device and of all routes; absent: found for each peer. */
  readonly mtuBytes?: number
  /** How often paths are probed; absent: as usual. */
  readonly probeTimes?: ProbeTimes
  /** Insert accepts where rules of other programs drop what is forwarded for containers. */
  readonly acceptForward?: boolean
  /** Folder of the private key. */
  readonly stateFolder: string
  /** The command line that starts a device when the interface's name is put behind it; it must outlive the agent. */
  readonly deviceCommand: readonly [string, ...string[]]
  readonly log: Log
  /** Told of each round, which it runs. */
  readonly aroundRound?: (round: () => Promise<void>) => Promise<void>
}

/** The doors to this host, and whose WireGuard its device is. Errors: ERR_PODWIRE_ADDON, _SYSTEM. */
export function openHost(deviceName: string, asked: Backend | 'auto'): DeviceHost {
  const links = openLinks()
  const backend = chooseBackend(asked, deviceName, links)
  return {
    backend,
    deviceName,
    device: openBackend(backend, deviceName),
    links,
    nftables: openNftables(deviceName),
    clock: { wallMs: Date.now },
    publicKeyOf,
  }
}

/** The file of the node's private key. */
export function keyFile(stateFolder: string): string {
  return join(stateFolder, 'private.key')
}

/** Runs until the signal. Errors up to the first round end it; later ones are logged, and the round is tried again. */
export async function runAgent(options: AgentOptions, signal: AbortSignal): Promise<void> {
  const { store, device, listenPort, stateFolder, log } = options
  const network = await store.readNetwork()
  const host = openHost(device, options.backend)
  let unlock = () => {}
  try {
    await host.nftables.observe() // no root, no nft: said before anything is made
    unlock = await lockDevice(device)
    const privateKey = await readOrCreateKey(keyFile(stateFolder), generatePrivateKey)
    await requireName(options, publicKeyOf(privateKey))
    await requireRoom(host, listenPort)
    requireOutside(network, options, host.links)
    await requireApart(network, host)
    const inUse = observePrefixes(host.links, device, network)
    if (await closeHost(host, network)) log.info({}, 'closed: the range never leaves in clear')
    await new AgentRounds({ ...options, host, privateKey, view: new View(network), inUse }).run(signal)
  } finally {
    host.links.close()
    unlock()
  }
  log.info({}, 'stopped; the device, its routes and rules stay as they are, and traffic goes on')
}

/** Refuses a name that the store holds with another key. Errors: ERR_PODWIRE_NODE_NAME_TAKEN, ERR_PODWIRE_STORE. */
export async function requireName(
  { store, name }: Pick<AgentOptions, 'store' | 'name'>,
  ours: PublicKey,
): Promise<void> {
  const holder = await store.readNode(name)
  if (holder === undefined || holder.publicKey === ours) return
  const record = `of node ${name} in ${store.address}`
  throw podwireError('ERR_PODWIRE_NODE_NAME_TAKEN', { name, theirs: holder.publicKey, ours, record })
}
