// Actions as the commands that a person would type, for `--dry-run` and for what a run prints: secrets are never in them.

import { shellQuote } from '../../base/shell-quote.ts'
import type { DeviceChange, PeerChange } from '../../model/device.ts'
import type { Action } from './step.ts'

/** One line or more. `withInput`: also what a command reads. */
export function describeAction(name: string, action: Action, { withInput }: { withInput: boolean }): string[] {
  switch (action.kind) {
    case 'createLink':
      return [`ip link add dev ${name} type wireguard`]
    case 'run': {
      const command = action.command.map(shellQuote).join(' ')
      if (!withInput || action.input === undefined) return [command]
      return [`${command} <<'END'`, ...action.input.trimEnd().split('\n'), 'END']
    }
    case 'device':
      return describeDevice(name, action.change)
    case 'sysctl':
      return [`sysctl -q net.${action.name.replaceAll('/', '.')}=${action.value}`]
    case 'hook':
      return [action.command]
    case 'save':
      return [`podwire quick save ${name}`]
  }
}

function describeDevice(name: string, { privateKey, listenPort, fwmark, peers = [] }: DeviceChange): string[] {
  const own = [
    privateKey !== undefined && 'private-key (hidden)',
    listenPort !== undefined && `listen-port ${listenPort}`,
    fwmark !== undefined && `fwmark ${fwmark}`,
  ].filter(Boolean)
  return [
    ...(own.length > 0 ? [`wg set ${name} ${own.join(' ')}`] : []),
    ...peers.map(peer => `wg set ${name} peer ${describePeer(peer)}`),
  ]
}

function describePeer(change: PeerChange): string {
  const { publicKey, remove, presharedKey, endpoint, persistentKeepaliveSeconds: seconds } = change
  const { replaceAllowedIps, allowedIps = [], removeAllowedIps = [] } = change
  const sign = replaceAllowedIps ? '' : '+'
  const prefixes = [...allowedIps.map(prefix => sign + prefix), ...removeAllowedIps.map(prefix => `-${prefix}`)]
  const words = [
    publicKey,
    remove && 'remove',
    presharedKey !== undefined && (presharedKey === null ? 'preshared-key /dev/null' : 'preshared-key (hidden)'),
    endpoint !== undefined && `endpoint ${endpoint}`,
    seconds !== undefined && `persistent-keepalive ${seconds}`,
    prefixes.length > 0 && `allowed-ips ${prefixes.join(',')}`,
  ]
  return words.filter(Boolean).join(' ')
}
