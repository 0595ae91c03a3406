// The text that `wg setconf`, `addconf` and `syncconf` read and `wg showconf` writes, both ways, without a file. It is INI as wg(8)
// has it: blanks count nowhere, names in any case, "#" to the end of a line is a comment, and of a key said twice the last counts.
//
//   text --parseWgConfig--> WgConfig<HostPort> --names are looked up--> WgConfig --wg-change.ts--> what a device is told

import { podwireError } from '../base/errors.ts'
import { formatSecretKey, type PublicKey, parsePublicKey, parseSecretKey } from '../base/key.ts'
import type { Secret } from '../base/secret.ts'
import type { DeviceState } from '../model/device.ts'
import { isQuickKey } from './quick-keys.ts'
import {
  type FindService,
  type HostPort,
  parseAllowedIps,
  parseFwmark,
  parseHostPort,
  parseKeepalive,
  parsePort,
} from './wg-values.ts'

/** A device as a text of wg(8) has it. An endpoint is a HostPort until its name is looked up, then "address:port". */
export interface WgConfig<Endpoint = string> {
  readonly privateKey?: Secret
  readonly listenPort?: number
  readonly fwmark?: number
  readonly peers: readonly WgPeer<Endpoint>[]
}

export interface WgPeer<Endpoint = string> {
  readonly publicKey: PublicKey
  readonly presharedKey?: Secret
  readonly endpoint?: Endpoint
  readonly allowedIps: readonly string[]
  readonly persistentKeepaliveSeconds?: number
}

export interface ParsedWgConfig {
  readonly config: WgConfig<HostPort>
  /** What is taken in another way than it is written, or than it may be meant. */
  readonly warnings: readonly string[]
}

type Draft<T> = { -readonly [K in keyof T]?: T[K] }
type DeviceDraft = Draft<Omit<WgConfig<HostPort>, 'peers'>>
interface PeerDraft extends Draft<Omit<WgPeer<HostPort>, 'allowedIps'>> {
  readonly allowedIps: Set<string>
  /** Where its section begins. */
  readonly line: number
}

/** "Key = value" in a section. */
interface Entry {
  /** In small letters. */
  readonly key: string
  readonly value: string
  /** File, line and key, for errors. */
  readonly where: string
}

/**
 * Reads a whole text. Errors, each with file, line and reason, never with what may be a key: ERR_PODWIRE_DOCUMENT (a line that is not
 * known), ERR_PODWIRE_KEY, _VALUE, _CIDR, _ENDPOINT (a value).
 */
export function parseWgConfig(text: string, file: string, findService: FindService): ParsedWgConfig {
  const device: DeviceDraft = {}
  const peers: PeerDraft[] = []
  const warnings: string[] = []
  let section: 'interface' | PeerDraft | undefined
  for (const [i, raw] of text.split('\n').entries()) {
    const line = (raw.split('#')[0] ?? '').replace(/[ \t\v\f\r]/g, '')
    if (line === '') continue
    const refuse = (reason: string) => podwireError('ERR_PODWIRE_DOCUMENT', { file, path: `line ${i + 1}`, reason })
    const [, heading] = /^\[(interface|peer)\]$/i.exec(line) ?? []
    if (heading !== undefined) {
      section = heading.length === 4 ? { allowedIps: new Set(), line: i + 1 } : 'interface'
      if (section !== 'interface') peers.push(section)
      continue
    }
    const [, name, value = ''] = /^([A-Za-z]{1,40})=(.+)$/s.exec(line) ?? []
    if (name === undefined) throw refuse('it is none of "[Interface]", "[Peer]" and "Key = value"')
    if (section === undefined) throw refuse(`"${name}" stands before the first section`)
    if (value.includes('\0')) throw refuse(`the value of "${name}" has a NUL character`)
    const entry = { key: name.toLowerCase(), value, where: `${file}, line ${i + 1}, ${name}` }
    const isKnown =
      section === 'interface'
        ? readDeviceEntry(device, entry, findService)
        : readPeerEntry(section, entry, findService, warnings)
    if (isKnown) continue
    const hint = isQuickKey(entry.key) ? ': it is for wg-quick, whose `strip` leaves it out' : ''
    throw refuse(`"${name}" is not a key of ${section === 'interface' ? 'an interface' : 'a peer'}${hint}`)
  }
  const config = { ...device, peers: peers.map(peer => finishPeer(peer, file)) }
  return { config, warnings: [...warnings, ...doublesIn(config.peers, file)] }
}

function readDeviceEntry(device: DeviceDraft, { key, value, where }: Entry, findService: FindService): boolean {
  if (key === 'privatekey') device.privateKey = parseSecretKey(value, where)
  else if (key === 'listenport') device.listenPort = parsePort(value, where, findService)
  else if (key === 'fwmark') device.fwmark = parseFwmark(value, where)
  else return false
  return true
}

function readPeerEntry(
  peer: PeerDraft,
  { key, value, where }: Entry,
  findService: FindService,
  warnings: string[],
): boolean {
  if (key === 'publickey') peer.publicKey = parsePublicKey(value, where)
  else if (key === 'presharedkey') peer.presharedKey = parseSecretKey(value, where)
  else if (key === 'endpoint') peer.endpoint = parseHostPort(value, where, findService)
  else if (key === 'persistentkeepalive') peer.persistentKeepaliveSeconds = parseKeepalive(value, where)
  else if (key === 'allowedips') {
    const change = parseAllowedIps(value, where, { signs: false })
    for (const prefix of change.allowedIps) peer.allowedIps.add(prefix)
    for (const warning of change.warnings) warnings.push(warning)
  } else return false
  return true
}

function finishPeer({ line, publicKey, allowedIps, ...peer }: PeerDraft, file: string): WgPeer<HostPort> {
  if (publicKey !== undefined) return { ...peer, publicKey, allowedIps: [...allowedIps] }
  const reason = 'this peer has no PublicKey'
  throw podwireError('ERR_PODWIRE_DOCUMENT', { file, path: `line ${line}`, reason })
}

/** Peers in two sections, and prefixes of two peers: the last has them, which may not be what is meant. */
function doublesIn(peers: readonly WgPeer<HostPort>[], file: string): string[] {
  const warnings: string[] = []
  const owners = new Map<string, PublicKey>()
  const seen = new Set<PublicKey>()
  for (const { publicKey, allowedIps } of peers) {
    if (seen.has(publicKey)) warnings.push(`${file}: two sections are about the peer ${publicKey}; the last counts`)
    seen.add(publicKey)
    for (const prefix of allowedIps) {
      const owner = owners.get(prefix)
      if (owner !== undefined && owner !== publicKey) {
        warnings.push(`${file}: ${prefix} is in AllowedIPs of ${owner} and of ${publicKey}; the last gets it`)
      }
      owners.set(prefix, publicKey)
    }
  }
  return warnings
}

/** The text that `setconf` makes the same device of. It has the keys: it is for nobody else to see. */
export function formatWgConfig(state: DeviceState): string {
  const device = ['[Interface]']
  if (state.listenPort !== 0) device.push(`ListenPort = ${state.listenPort}`)
  if (state.fwmark !== 0) device.push(`FwMark = 0x${state.fwmark.toString(16)}`)
  if (state.privateKey !== undefined) device.push(`PrivateKey = ${formatSecretKey(state.privateKey)}`)
  const peers = state.peers.map(peer => {
    const lines = ['[Peer]', `PublicKey = ${peer.publicKey}`]
    if (peer.presharedKey !== undefined) lines.push(`PresharedKey = ${formatSecretKey(peer.presharedKey)}`)
    if (peer.allowedIps.length > 0) lines.push(`AllowedIPs = ${peer.allowedIps.join(', ')}`)
    if (peer.endpoint !== undefined) lines.push(`Endpoint = ${peer.endpoint}`)
    const seconds = peer.persistentKeepaliveSeconds
    if (seconds !== 0) lines.push(`PersistentKeepalive = ${seconds}`)
    return lines
  })
  return `${[device, ...peers].map(lines => `${lines.join('\n')}\n`).join('\n')}${peers.length === 0 ? '\n' : ''}`
}
