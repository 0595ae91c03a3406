// `wg show` as a person reads it: one block a device, then its peers, those first who shook hands last.

import { formatSecretKey } from '../../base/key.ts'
import type { Secret } from '../../base/secret.ts'
import type { DeviceState, PeerState } from '../../model/device.ts'
import { publicKeyOf } from '../../wireguard/keys.ts'

export interface PrettyOptions {
  readonly hideKeys: boolean
  readonly colors: boolean
  readonly nowMs: number
}

const codes = { reset: 0, bold: 1, red: 31, green: 32, yellow: 33, cyan: 36 } as const
type Color = keyof typeof codes

/** The lines of a device, the last one ended. */
export function formatPretty(name: string, state: DeviceState, { hideKeys, colors, nowMs }: PrettyOptions): string {
  const sgr = (color: Color) => (colors ? `\x1b[${codes[color]}m` : '')
  const paint = (color: Color, text: string) => `${sgr(color)}${text}${sgr('reset')}`
  const unit = (text: string) => paint('cyan', text)
  const heading = (color: Color, word: string, text: string) =>
    `${sgr(color)}${sgr('bold')}${word}${sgr('reset')}: ${paint(color, text)}\n`
  const row = (label: string, value: string) => `  ${paint('bold', label)}: ${value}\n`
  const secret = (key: Secret) => (hideKeys ? '(hidden)' : formatSecretKey(key))

  const deviceLines = (): string[] => [
    `${sgr('reset')}${heading('green', 'interface', name)}`,
    ...(state.privateKey
      ? [row('public key', publicKeyOf(state.privateKey)), row('private key', secret(state.privateKey))]
      : []),
    ...(state.listenPort ? [row('listening port', String(state.listenPort))] : []),
    ...(state.fwmark ? [row('fwmark', `0x${state.fwmark.toString(16)}`)] : []),
  ]

  const peerLines = (peer: PeerState): string[] => {
    const prefixes = peer.allowedIps.map(prefix => prefix.replace('/', unit('/'))).join(', ')
    const { rxBytes, txBytes, persistentKeepaliveSeconds: keepalive } = peer
    return [
      heading('yellow', 'peer', peer.publicKey),
      ...(peer.presharedKey ? [row('preshared key', secret(peer.presharedKey))] : []),
      ...(peer.endpoint ? [row('endpoint', peer.endpoint)] : []),
      row('allowed ips', prefixes || '(none)'),
      ...(handshakeSeconds(peer) > 0 ? [row('latest handshake', ago(peer))] : []),
      ...(rxBytes > 0n || txBytes > 0n
        ? [row('transfer', `${formatBytes(rxBytes, unit)} received, ${formatBytes(txBytes, unit)} sent`)]
        : []),
      ...(keepalive ? [row('persistent keepalive', `every ${formatSeconds(keepalive, unit)}`)] : []),
    ]
  }

  const ago = (peer: PeerState): string => {
    const seconds = Math.floor(nowMs / 1000) - handshakeSeconds(peer)
    if (seconds < 0) return paint('red', 'in the future: was the clock set back?')
    return seconds === 0 ? 'Now' : `${formatSeconds(seconds, unit)} ago`
  }

  const peers = [...state.peers].sort((a, b) => (b.lastHandshakeMs ?? 0) - (a.lastHandshakeMs ?? 0))
  return [deviceLines(), ...peers.map(peerLines)].map(lines => lines.join('')).join('\n')
}

function handshakeSeconds(peer: PeerState): number {
  return Math.floor((peer.lastHandshakeMs ?? 0) / 1000)
}

const timeUnits: [name: string, seconds: number][] = [
  ['year', 365 * 86400],
  ['day', 86400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
]

/** "1 hour, 2 minutes": what is zero is left out. */
export function formatSeconds(seconds: number, unit: (text: string) => string): string {
  let left = seconds
  const parts = timeUnits.flatMap(([name, length]) => {
    const count = Math.floor(left / length)
    left -= count * length
    return count === 0 ? [] : [`${count} ${unit(count === 1 ? name : `${name}s`)}`]
  })
  return parts.join(', ')
}

/** "1.18 MiB": two places behind the point, halves to the even one as C prints them. */
export function formatBytes(bytes: bigint, unit: (text: string) => string): string {
  if (bytes < 1024n) return `${bytes} ${unit('B')}`
  const power = [1n, 2n, 3n].find(power => bytes < 1024n ** (power + 1n)) ?? 4n
  const divisor = 1024n ** power
  const [whole, twiceRest] = [(bytes * 100n) / divisor, ((bytes * 100n) % divisor) * 2n]
  const roundsUp = twiceRest > divisor || (twiceRest === divisor && whole % 2n === 1n)
  const hundredths = String(whole + (roundsUp ? 1n : 0n))
  return `${hundredths.slice(0, -2)}.${hundredths.slice(-2)} ${unit(['KiB', 'MiB', 'GiB', 'TiB'][Number(power) - 1] ?? '')}`
}
