// Joins a network: everything that `podwire agent NETWORK` needs, made in an order that may stop anywhere and be run again.
//
//   token --> device and port --> keys --> right to the store --> network, range, name: checked --> settings
//
// The settings come last: with them the host has joined, without them nothing of it counts.

import { hostname } from 'node:os'
import { podwireError } from '../base/errors.ts'
import type { JoinToken } from '../model/join-token.ts'
import { parseName } from '../model/name.ts'
import type { Links } from '../native/link.ts'
import { openStore } from '../store/store.ts'
import { readOrCreateKey } from '../system/secrets.ts'
import { observeWaysOut } from '../system/ways-out.ts'
import { generatePrivateKey, publicKeyOf } from '../wireguard/keys.ts'
import { keyFile, openHost, requireName } from './agent.ts'
import { makeStateFolder, takeAccess } from './join-access.ts'
import { requireRoom } from './own-device.ts'
import { findEndpoints } from './own-endpoints.ts'
import { requireApart, requireOutside } from './self.ts'
import { joinedNetworks, nodePaths, readSettings, type Settings, writeSettings } from './settings.ts'

export interface JoinOptions {
  readonly token: JoinToken
  /** What was asked for; what is absent is chosen. */
  readonly name?: string
  readonly device?: string
  readonly backend: Settings['backend']
  readonly listenPort?: number
  readonly endpoints?: readonly string[]
  /** Takes each thing done, in words. */
  readonly say: (text: string) => void
}

export interface Joined {
  readonly settings: Settings
  /** It had joined before: nothing was changed. */
  readonly again: boolean
}

const usual = { device: 'podwire', listenPort: 51820 }

/**
 * Errors: ERR_PODWIRE_NEEDS_ROOT, _JOINED_OTHERWISE, _JOIN_TOKEN, _NODE_NAME_TAKEN, _RANGE_IN_USE, those of the store and of
 * a device that cannot be.
 */
export async function joinNetwork(options: JoinOptions): Promise<Joined> {
  const { token, say } = options
  const { network } = token
  if (process.geteuid?.() !== 0) throw podwireError('ERR_PODWIRE_NEEDS_ROOT', { what: 'joining a network' })
  const before = await readSettings(network)
  if (before !== undefined) {
    if (before.store === token.store) return { settings: before, again: true }
    throw podwireError('ERR_PODWIRE_JOINED_OTHERWISE', { network, otherwise: `in the store ${before.store}` })
  }
  const name = chooseName(options)
  const { device, listenPort } = await chooseDevice(options)
  const host = openHost(device, options.backend)
  try {
    await requireRoom(host, listenPort)
    const { stateFolder } = nodePaths(network)
    await makeStateFolder(stateFolder)
    const publicKey = publicKeyOf(await readOrCreateKey(keyFile(stateFolder), generatePrivateKey))
    say(`key: ${publicKey}, made here; its private half stays in ${keyFile(stateFolder)}`)
    const access = await takeAccess(token, stateFolder)
    const endpoints = chooseEndpoints(options, host.links, { device, listenPort })
    const store = await openStore(token.store, access)
    try {
      const config = await store.readNetwork()
      if (config.name !== network) {
        throw podwireError('ERR_PODWIRE_JOIN_TOKEN', {
          reason: `it is for the network "${network}", and the store ${token.store} holds "${config.name}"`,
        })
      }
      requireOutside(config, { device, endpoints }, host.links)
      await requireApart(config, host)
      await requireName({ store, name }, publicKey)
    } finally {
      await store.close()
    }
    say(`store: ${token.store} answers, and holds ${network}`)
    const { backend } = options
    const settings = { network, store: token.store, access, name, device, backend, listenPort, endpoints }
    await writeSettings(settings)
    return { settings, again: false }
  } finally {
    host.links.close()
  }
}

/** Errors: ERR_PODWIRE_NAME, ERR_PODWIRE_JOIN_TOKEN. */
function chooseName({ name, token }: JoinOptions): string {
  if (name !== undefined && token.node !== undefined && name !== token.node) {
    const reason = `it is for a node named "${token.node}", and --name says "${name}"`
    throw podwireError('ERR_PODWIRE_JOIN_TOKEN', { reason })
  }
  return parseName(name ?? token.node ?? hostname(), name === undefined ? "this host's name" : '--name')
}

/** The first that no other network of this host has. */
async function chooseDevice({ device, listenPort }: JoinOptions): Promise<{ device: string; listenPort: number }> {
  const others = await Promise.all((await joinedNetworks()).map(readSettings))
  for (let number = 0; ; number++) {
    const chosen = { device: device ?? `${usual.device}${number}`, listenPort: listenPort ?? usual.listenPort + number }
    const clash = others.find(other => other?.device === chosen.device || other?.listenPort === chosen.listenPort)
    if (clash === undefined) return chosen
    if (device === undefined && listenPort === undefined) continue
    if (clash.device === device) throw podwireError('ERR_PODWIRE_NAME_IN_USE', { name: device })
    if (clash.listenPort === listenPort) throw podwireError('ERR_PODWIRE_PORT_IN_USE', { port: listenPort })
  }
}

function chooseEndpoints(
  { endpoints, say }: JoinOptions,
  links: Links,
  { device, listenPort }: { device: string; listenPort: number },
): readonly string[] {
  if (endpoints !== undefined) return endpoints
  const kinds = new Map(links.links().map(({ name, kind }) => [name, kind]))
  const isTunnel = (link: string) =>
    link === device || link.startsWith('pw') || ['tun', 'wireguard'].includes(kinds.get(link) ?? '')
  const found = findEndpoints(observeWaysOut(links, isTunnel), listenPort)
  say(`endpoint: ${found.endpoints.join(', ') || 'none'} (${found.how})`)
  return found.endpoints
}
