// The text of WireGuard's cross-platform interface, both ways, without a socket: requests to changes and back, a device's
// state to the answer of `get=1` and back. The order of keys and the edge rules are those of wireguard.com/xplatform and wg(8).
//
//   client: formatSetRequest(change) --lines--> server: parseSetRequest(lines) -> one DeviceChange after the other
//   client: parseGetAnswer(lines) <--lines-- server: formatGetAnswer(state)

import { constants } from 'node:os'
import { canonicalPrefix } from '../base/canonical-prefix.ts'
import { formatEndpoint, parseEndpoint } from '../base/endpoint.ts'
import { PodwireError, podwireError, reasonOf } from '../base/errors.ts'
import { decodeHexKey, formatPublicKey, hexKey, keyBytes, type PublicKey, publicKeyBytes } from '../base/key.ts'
import { Secret } from '../base/secret.ts'
import type { DeviceChange, DeviceState, PeerChange, PeerState } from '../model/device.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** One line with its number, counted from the request's (or answer's) first line, which is 1. */
interface Line {
  readonly number: number
  readonly key: string
  readonly value: string
}

/**
 * The changes of a set request, in its order: one for each line of the device and one for each peer. `lines` are those
 * after `set=1`, without the empty one at the end. Whoever carries them out as they come has, at the first bad line,
 * done all that came before it. Errors: ERR_PODWIRE_UAPI, ERR_PODWIRE_UAPI_PROTOCOL, with the number of the line.
 */
export function* parseSetRequest(lines: Iterable<string>): Generator<DeviceChange, void> {
  let peer: PeerDraft | undefined
  let number = 1
  for (const text of lines) {
    number += 1
    try {
      const line = splitLine(text, number)
      if (line.key === 'public_key') {
        if (peer !== undefined) yield changeOf(peer)
        peer = undefined // it is done, also if this line is bad
        peer = { change: { publicKey: formatPublicKey(hexBytes(line)) }, removes: false }
      } else if (peer === undefined) {
        yield deviceLine(line)
      } else {
        readPeerLine(peer, line)
      }
    } catch (error) {
      if (peer !== undefined) yield changeOf(peer)
      throw error
    }
  }
  if (peer !== undefined) yield changeOf(peer)
}

/** A peer's change while its lines are read. */
interface PeerDraft {
  readonly change: Mutable<PeerChange>
  /** AllowedIPs in the order of their lines, "-" before those to remove. */
  prefixes?: string[]
  /** Whether there are any to remove. */
  removes: boolean
}

/** AllowedIPs to add and to remove never share a prefix: the later line wins. */
function changeOf({ change, prefixes, removes }: PeerDraft): DeviceChange {
  if (prefixes === undefined) return { peers: [change] }
  if (!removes) return { peers: [{ ...change, allowedIps: prefixes }] }
  const last = new Map(prefixes.map(text => (text.startsWith('-') ? [text.slice(1), false] : [text, true])))
  const which = (added: boolean) => [...last].flatMap(([prefix, is]) => (is === added ? [prefix] : []))
  return { peers: [{ ...change, allowedIps: which(true), removeAllowedIps: which(false) }] }
}

function deviceLine(line: Line): DeviceChange {
  switch (line.key) {
    case 'private_key':
      return { privateKey: secretOrNull(line) }
    case 'listen_port':
      return { listenPort: integer(line, 0xffff) }
    case 'fwmark':
      return { fwmark: integer(line, 0xffffffff) }
    case 'replace_peers':
      return { replacePeers: flag(line) }
    default:
      throw bad(line, `"${printable(line.key)}" is not a key of a device`)
  }
}

/** Takes one line into the peer's change. */
function readPeerLine(draft: PeerDraft, line: Line): void {
  const peer = draft.change
  switch (line.key) {
    case 'remove':
      peer.remove = flag(line)
      break
    case 'update_only':
      peer.updateOnly = flag(line)
      break
    case 'preshared_key':
      peer.presharedKey = secretOrNull(line)
      break
    case 'endpoint':
      peer.endpoint = parsed(line, () => formatEndpoint(parseEndpoint(line.value, 'endpoint')))
      break
    case 'persistent_keepalive_interval':
      peer.persistentKeepaliveSeconds = integer(line, 0xffff)
      break
    case 'replace_allowed_ips':
      peer.replaceAllowedIps = flag(line)
      draft.prefixes = []
      draft.removes = false
      break
    case 'allowed_ip': {
      const removed = line.value.startsWith('-')
      const prefix = allowedIp(line, removed ? line.value.slice(1) : line.value)
      draft.prefixes ??= []
      draft.prefixes.push(removed ? `-${prefix}` : prefix)
      draft.removes ||= removed
      break
    }
    case 'protocol_version':
      if (line.value !== '1') throw bad(line, 'the protocol version is 1')
      break
    default:
      throw bad(line, `"${printable(line.key)}" is not a key of a peer`)
  }
}

/** The lines of a set request that carries out `change`, ending with the empty one. */
export function formatSetRequest(change: DeviceChange): string {
  const lines = ['set=1']
  if (change.privateKey !== undefined) lines.push(`private_key=${secretHex(change.privateKey)}`)
  if (change.listenPort !== undefined) lines.push(`listen_port=${change.listenPort}`)
  if (change.fwmark !== undefined) lines.push(`fwmark=${change.fwmark}`)
  if (change.replacePeers) lines.push('replace_peers=true')
  for (const peer of change.peers ?? []) {
    lines.push(`public_key=${hexKey(publicKeyBytes(peer.publicKey))}`)
    if (peer.remove) lines.push('remove=true')
    if (peer.updateOnly) lines.push('update_only=true')
    if (peer.presharedKey !== undefined) lines.push(`preshared_key=${secretHex(peer.presharedKey)}`)
    if (peer.endpoint !== undefined) lines.push(`endpoint=${peer.endpoint}`)
    if (peer.persistentKeepaliveSeconds !== undefined) {
      lines.push(`persistent_keepalive_interval=${peer.persistentKeepaliveSeconds}`)
    }
    if (peer.replaceAllowedIps) lines.push('replace_allowed_ips=true')
    for (const prefix of peer.allowedIps ?? []) lines.push(`allowed_ip=${prefix}`)
    for (const prefix of peer.removeAllowedIps ?? []) lines.push(`allowed_ip=-${prefix}`)
  }
  return `${lines.join('\n')}\n\n`
}

/** podwire's own request, for some peers in place of all: `peers=1`, a line for each, and the empty one. */
export function formatPeersRequest(keys: readonly PublicKey[]): string {
  return ['peers=1', ...keys.map(key => `public_key=${hexKey(publicKeyBytes(key))}`), '', ''].join('\n')
}

/** The peers of such a request, from its lines after the first. Errors: ERR_PODWIRE_UAPI, ERR_PODWIRE_UAPI_PROTOCOL. */
export function parsePeersRequest(lines: Iterable<string>): PublicKey[] {
  return [...lines].map((text, i) => {
    const line = splitLine(text, i + 2)
    if (line.key !== 'public_key') throw bad(line, `"${printable(line.key)}" is not "public_key"`)
    return formatPublicKey(hexBytes(line))
  })
}

/** The lines that answer `get=1`, each with its line feed; `errno` is not among them. */
export function formatGetAnswer(state: DeviceState): string {
  const lines: string[] = []
  if (state.privateKey !== undefined) lines.push(`private_key=${secretHex(state.privateKey)}`)
  if (state.listenPort !== 0) lines.push(`listen_port=${state.listenPort}`)
  if (state.fwmark !== 0) lines.push(`fwmark=${state.fwmark}`)
  for (const peer of state.peers) {
    lines.push(
      `public_key=${hexKey(publicKeyBytes(peer.publicKey))}`,
      `preshared_key=${secretHex(peer.presharedKey ?? null)}`,
      'protocol_version=1',
    )
    if (peer.endpoint !== undefined) lines.push(`endpoint=${peer.endpoint}`)
    const handshakeMs = peer.lastHandshakeMs ?? 0
    lines.push(
      `last_handshake_time_sec=${Math.floor(handshakeMs / 1000)}`,
      `last_handshake_time_nsec=${Math.floor(handshakeMs % 1000) * 1_000_000}`,
      `tx_bytes=${peer.txBytes}`,
      `rx_bytes=${peer.rxBytes}`,
      `persistent_keepalive_interval=${peer.persistentKeepaliveSeconds}`,
    )
    if (peer.allowedIps.length > 0) lines.push(`allowed_ip=${peer.allowedIps.join('\nallowed_ip=')}`)
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

/**
 * A device's state from the lines of its answer, those before `errno`. Keys that are not known are passed over.
 * Errors: ERR_PODWIRE_UAPI, ERR_PODWIRE_UAPI_PROTOCOL.
 */
export function parseGetAnswer(lines: Iterable<string>): DeviceState {
  const device: Mutable<DeviceState> & { peers: Mutable<PeerState>[] } = { listenPort: 0, fwmark: 0, peers: [] }
  let peer: (Mutable<PeerState> & { allowedIps: string[] }) | undefined
  let number = 0
  for (const text of lines) {
    number += 1
    const line = splitLine(text, number)
    if (line.key === 'public_key') {
      const publicKey = formatPublicKey(hexBytes(line))
      peer = { publicKey, txBytes: 0n, rxBytes: 0n, persistentKeepaliveSeconds: 0, allowedIps: [] }
      device.peers.push(peer)
    } else if (peer === undefined) {
      const secret = line.key === 'private_key' ? secretOrNull(line) : null
      if (secret !== null) device.privateKey = secret
      if (line.key === 'listen_port') device.listenPort = integer(line, 0xffff)
      if (line.key === 'fwmark') device.fwmark = integer(line, 0xffffffff)
    } else {
      readPeerState(peer, line)
    }
  }
  return device
}

function readPeerState(peer: Mutable<PeerState> & { allowedIps: string[] }, line: Line): void {
  switch (line.key) {
    case 'preshared_key': {
      const secret = secretOrNull(line)
      if (secret !== null) peer.presharedKey = secret
      break
    }
    case 'endpoint':
      peer.endpoint = line.value // as the device says it; a zone index is possible here
      break
    case 'last_handshake_time_sec':
    case 'last_handshake_time_nsec': {
      const part = integer(line, Number.MAX_SAFE_INTEGER)
      const addedMs = line.key.endsWith('_nsec') ? Math.floor(part / 1_000_000) : part * 1000
      if (addedMs > 0) peer.lastHandshakeMs = (peer.lastHandshakeMs ?? 0) + addedMs
      break
    }
    case 'tx_bytes':
      peer.txBytes = counter(line)
      break
    case 'rx_bytes':
      peer.rxBytes = counter(line)
      break
    case 'persistent_keepalive_interval':
      peer.persistentKeepaliveSeconds = integer(line, 0xffff)
      break
    case 'allowed_ip':
      peer.allowedIps.push(allowedIp(line, line.value))
  }
}

/** The error number (Linux, positive) that the socket answers for an error. */
export function errnoOf(error: unknown): number {
  const { EINVAL, EPROTO, EADDRINUSE, EPERM, EIO } = constants.errno
  if (!(error instanceof PodwireError)) return EIO
  switch (error.code) {
    case 'ERR_PODWIRE_UAPI':
    case 'ERR_PODWIRE_ENDPOINT': // a zone that this host does not have
      return EINVAL
    case 'ERR_PODWIRE_UAPI_PROTOCOL':
      return EPROTO
    case 'ERR_PODWIRE_PORT_IN_USE':
      return EADDRINUSE
    case 'ERR_PODWIRE_NEEDS_ROOT':
      return EPERM
    default:
      return EIO
  }
}

function splitLine(text: string, number: number): Line {
  const at = text.indexOf('=')
  if (at < 0) throw podwireError('ERR_PODWIRE_UAPI_PROTOCOL', { line: number, reason: 'it has no "="' })
  return { number, key: text.slice(0, at), value: text.slice(at + 1) }
}

/** A line's key, if it looks like one. (What does not may be part of a secret.) */
function printable(key: string): string {
  return /^[a-z_]{1,40}$/.test(key) ? key : '?'
}

function bad(line: Line, reason: string): PodwireError {
  return podwireError('ERR_PODWIRE_UAPI', { line: line.number, reason })
}

/** Runs a parser of base/, its error told as one of this line. */
function parsed<T>(line: Line, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw bad(line, reasonOf(error))
  }
}

function integer(line: Line, max: number): number {
  const value = Number(line.value)
  if (!/^\d{1,16}$/.test(line.value) || value > max) throw bad(line, `${line.key} is a number from 0 to ${max}`)
  return value
}

function counter(line: Line): bigint {
  if (!/^\d{1,20}$/.test(line.value)) throw bad(line, `${line.key} is a number`)
  return BigInt(line.value)
}

function flag(line: Line): true {
  if (line.value !== 'true') throw bad(line, `${line.key} is "true" or absent`)
  return true
}

function allowedIp(line: Line, text: string): string {
  return parsed(line, () => canonicalPrefix(text, 'allowed_ip'))
}

function hexBytes(line: Line): Uint8Array {
  return parsed(line, () => decodeHexKey(line.value, line.key))
}

const zeroes = '00'.repeat(keyBytes)

/** Zeroes on the socket mean that there is none. */
function secretOrNull(line: Line): Secret | null {
  if (line.value === zeroes) return null // most peers have no preshared key: quickly
  const bytes = hexBytes(line)
  return bytes.every(byte => byte === 0) ? null : new Secret(bytes)
}

function secretHex(secret: Secret | null): string {
  return secret === null ? zeroes : hexKey(secret.bytes)
}
