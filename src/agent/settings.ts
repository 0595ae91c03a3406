// What a node that has joined a network keeps on its disk, and where:
//
//   /etc/podwire/NETWORK.json     its settings: the store, by what right, its name and device. Read by `podwire agent NETWORK`
//   /var/lib/podwire/NETWORK/     private.key, identity.key, what the store's form needs, and view.json, the last view
//   /run/podwire/NETWORK.sock     where its agent answers `podwire status`
//
// PODWIRE_ROOT=/folder puts all of these below that folder.

import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { podwireError, reasonOf } from '../base/errors.ts'
import { type Field, integerValue, objectFields, parseJson, placeOf, refuse, stringValue } from '../model/document.ts'
import { parseName } from '../model/name.ts'
import { parseEndpoints } from '../model/node-record.ts'
import { requireDeviceName } from '../policy/base-chains.ts'
import type { StoreAccess } from '../store/access.ts'
import { replaceFile } from '../store/atomic-file.ts'
import { readError } from '../system/read-text.ts'
import type { Backend } from './backend.ts'

/** Everything that `podwire join` decided; no secret is in it. */
export interface Settings {
  readonly network: string
  /** The store's address, as openStore takes it. */
  readonly store: string
  readonly access: StoreAccess
  /** Name of this node in the store. */
  readonly name: string
  /** Name of the interface. */
  readonly device: string
  readonly backend: Backend | 'auto'
  readonly listenPort: number
  /** "ip:port", best first; empty behind a NAT. */
  readonly endpoints: readonly string[]
}

export const backends: readonly Settings['backend'][] = ['auto', 'kernel', 'userspace']

const accessKeys: readonly (keyof StoreAccess)[] = [
  'pin',
  'identityFile',
  'caFile',
  'certFile',
  'keyFile',
  'user',
  'passwordFile',
  'kubeconfigFile',
]

/** A path of the machine, below PODWIRE_ROOT if that is set. */
export function placed(path: string): string {
  return join(process.env.PODWIRE_ROOT || '/', path)
}

const settingsFolder = (): string => placed('/etc/podwire')

export interface NodePaths {
  readonly settingsFile: string
  readonly stateFolder: string
  /** The last view of the network. */
  readonly viewFile: string
  /** Where the agent answers. */
  readonly socketFile: string
}

export function nodePaths(network: string): NodePaths {
  const stateFolder = placed(`/var/lib/podwire/${network}`)
  return {
    settingsFile: join(settingsFolder(), `${network}.json`),
    stateFolder,
    viewFile: join(stateFolder, 'view.json'),
    socketFile: placed(`/run/podwire/${network}.sock`),
  }
}

/** Names of the networks that this host has joined. Error: ERR_PODWIRE_FILE. */
export async function joinedNetworks(): Promise<string[]> {
  const folder = settingsFolder()
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw readError(folder, error)
  })
  return names.flatMap(name => /^([^.].*)\.json$/.exec(name)?.[1] ?? []).sort()
}

/** Undefined if this host has not joined that network. Errors: ERR_PODWIRE_FILE, those of parseSettings. */
export async function readSettings(network: string): Promise<Settings | undefined> {
  const { settingsFile: file } = nodePaths(network)
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw readError(file, error)
  })
  return text === undefined ? undefined : parseSettings(text, file)
}

/** Error: ERR_PODWIRE_FILE. */
export async function writeSettings(settings: Settings): Promise<void> {
  const { settingsFile: file } = nodePaths(settings.network)
  try {
    await mkdir(settingsFolder(), { recursive: true, mode: 0o755 })
    await replaceFile(file, formatSettings(settings), { mode: 0o600 })
  } catch (error) {
    throw podwireError('ERR_PODWIRE_FILE', { file, what: 'written', reason: reasonOf(error) }, error)
  }
}

/** Parses settings. Errors: ERR_PODWIRE_DOCUMENT, _NAME, _ENDPOINT. */
export function parseSettings(text: string, file: string): Settings {
  const fields = objectFields(parseJson(text, file), [
    'network',
    'store',
    'access',
    'name',
    'device',
    'backend',
    'listenPort',
    'endpoints',
  ])
  const backend = backends.find(each => each === fields.backend.value)
  if (backend === undefined) throw refuse(fields.backend, `expected one of ${backends.join(', ')}`)
  return {
    network: parseName(stringValue(fields.network), placeOf(fields.network)),
    store: stringValue(fields.store),
    access: parseAccess(fields.access),
    name: parseName(stringValue(fields.name), placeOf(fields.name)),
    device: parseDeviceName(stringValue(fields.device), placeOf(fields.device)),
    backend,
    listenPort: integerValue(fields.listenPort, 1, 65535),
    endpoints: parseEndpoints(fields.endpoints),
  }
}

function parseAccess(field: Field): StoreAccess {
  const fields = objectFields(field, [], accessKeys)
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, stringValue(value)]))
}

/** As parseSettings reads it. */
export function formatSettings(settings: Settings): string {
  return `${JSON.stringify(settings, undefined, 2)}\n`
}

/** A name that the agent may give its interface. Error: ERR_PODWIRE_NAME. */
export function parseDeviceName(text: string, where: string): string {
  requireDeviceName(text, where)
  return text
}
