// The words behind `wg set IF`: first those of the device, then for each peer its key and its words. Pure: key files are read by whoever
// calls.

import { podwireError } from '../base/errors.ts'
import { parsePublicKey } from '../base/key.ts'
import { hideKeys, type Secret } from '../base/secret.ts'
import type { DeviceChange, PeerChange } from '../model/device.ts'
import {
  type FindService,
  type HostPort,
  parseAllowedIps,
  parseFwmark,
  parseHostPort,
  parseKeepalive,
  parsePort,
} from './wg-values.ts'

/** A change to a peer whose endpoint may still be a name. */
export type SetPeer = Omit<PeerChange, 'endpoint'> & { readonly endpoint?: HostPort }

export interface SetRequest {
  readonly device: Omit<DeviceChange, 'replacePeers' | 'peers'>
  readonly peers: readonly SetPeer[]
  readonly warnings: readonly string[]
}

export interface SetReaders {
  readonly findService: FindService
  /** null: the file is empty, which clears the key. */
  readonly readKeyFile: (file: string) => Secret | null
}

type Draft<T> = { -readonly [K in keyof T]: T[K] }
/** With the texts of its AllowedIPs: they are read together at its end. */
type PeerDraft = Draft<SetPeer> & { lists?: string[] }

/** Errors: ERR_PODWIRE_USAGE for the words; ERR_PODWIRE_KEY, _VALUE, _CIDR, _ENDPOINT for values; those of `readKeyFile`. */
export function parseSetWords(words: readonly string[], readers: SetReaders): SetRequest {
  const device: Draft<SetRequest['device']> = {}
  const peers: PeerDraft[] = []
  for (let i = 0; i < words.length; ) {
    const [word = '', value] = [words[i], words[i + 1]]
    const peer = peers.at(-1)
    if (word === 'remove' && peer !== undefined) {
      peer.remove = true
      i += 1
      continue
    }
    const isKnown = (peer === undefined ? deviceWords : peerWords).includes(word)
    if (!isKnown) throw usage(`"${hideKeys(word)}" is not a word ${peer === undefined ? 'of a device' : 'of a peer'}`)
    if (value === undefined) throw usage(`"${word}" needs a value behind it`)
    if (word === 'peer') peers.push({ publicKey: parsePublicKey(value, word) })
    else if (peer === undefined) readDeviceWord(device, word, value, readers)
    else readPeerWord(peer, word, value, readers)
    i += 2
  }
  const warnings: string[] = []
  return { device, peers: peers.map(peer => finishPeer(peer, warnings)), warnings }
}

const deviceWords = ['listen-port', 'fwmark', 'private-key', 'peer']
const peerWords = ['peer', 'remove', 'preshared-key', 'endpoint', 'persistent-keepalive', 'allowed-ips']

function usage(what: string): Error {
  return podwireError('ERR_PODWIRE_USAGE', { what, command: 'wg set' })
}

function readDeviceWord(device: Draft<SetRequest['device']>, word: string, value: string, readers: SetReaders): void {
  if (word === 'listen-port') device.listenPort = parsePort(value, word, readers.findService)
  else if (word === 'fwmark') device.fwmark = parseFwmark(value, word)
  else device.privateKey = readers.readKeyFile(value)
}

function readPeerWord(peer: PeerDraft, word: string, value: string, readers: SetReaders): void {
  if (word === 'preshared-key') peer.presharedKey = readers.readKeyFile(value)
  else if (word === 'endpoint') peer.endpoint = parseHostPort(value, word, readers.findService)
  else if (word === 'persistent-keepalive') peer.persistentKeepaliveSeconds = parseKeepalive(value, word)
  else peer.lists = [...(peer.lists ?? []), value]
}

/** A peer to remove is told nothing else. */
function finishPeer({ lists, ...peer }: PeerDraft, warnings: string[]): SetPeer {
  const given = lists?.filter(text => text !== '').join(',')
  if (given !== undefined) {
    const {
      replace,
      allowedIps,
      removeAllowedIps,
      warnings: found,
    } = parseAllowedIps(given, 'allowed-ips', { signs: true })
    for (const warning of found) warnings.push(warning)
    peer.allowedIps = allowedIps
    if (replace) peer.replaceAllowedIps = true
    if (removeAllowedIps.length > 0) peer.removeAllowedIps = removeAllowedIps
  }
  return peer.remove ? { publicKey: peer.publicKey, remove: true } : peer
}
