// `wg show`: every device or one, as a person reads it, as fields between tabs for scripts, or with --json.

import { formatSecretKey } from '../../base/key.ts'
import type { DeviceState, PeerState } from '../../model/device.ts'
import { listDevices, openDevice } from '../../wireguard/devices.ts'
import { publicKeyOf } from '../../wireguard/keys.ts'
import { asWg } from './as-wg.ts'
import { reaching, sayUnable } from './reach.ts'
import { sayUsage } from './say.ts'

/** The lines of a field, each as its cells; `wg show all` puts the interface's name before them. */
const fields: Record<string, (state: DeviceState) => string[][]> = {
  'public-key': state => [[publicKeyText(state)]],
  'private-key': state => [[secretText(state.privateKey)]],
  'listen-port': state => [[String(state.listenPort)]],
  fwmark: state => [[fwmarkText(state)]],
  peers: state => state.peers.map(peer => [peer.publicKey]),
  'preshared-keys': eachPeer(peer => [secretText(peer.presharedKey)]),
  endpoints: eachPeer(peer => [peer.endpoint ?? none]),
  'allowed-ips': eachPeer(peer => [peer.allowedIps.join(' ') || none]),
  'latest-handshakes': eachPeer(peer => [handshakeText(peer)]),
  transfer: eachPeer(peer => [String(peer.rxBytes), String(peer.txBytes)]),
  'persistent-keepalive': eachPeer(peer => [keepaliveText(peer)]),
  dump: state => [
    [secretText(state.privateKey), publicKeyText(state), String(state.listenPort), fwmarkText(state)],
    ...eachPeer(dumpCells)(state),
  ],
}

const none = '(none)'

function eachPeer(cells: (peer: PeerState) => string[]): (state: DeviceState) => string[][] {
  return ({ peers }) => peers.map(peer => [peer.publicKey, ...cells(peer)])
}

const secretText = (key: DeviceState['privateKey']): string => (key === undefined ? none : formatSecretKey(key))
const publicKeyText = (state: DeviceState): string => (state.privateKey ? publicKeyOf(state.privateKey) : none)
const fwmarkText = ({ fwmark }: DeviceState): string => (fwmark === 0 ? 'off' : `0x${fwmark.toString(16)}`)
const handshakeText = (peer: PeerState): string => String(Math.floor((peer.lastHandshakeMs ?? 0) / 1000))
const keepaliveText = (peer: PeerState): string => String(peer.persistentKeepaliveSeconds || 'off')

function dumpCells(peer: PeerState): string[] {
  const addresses = [peer.endpoint ?? none, peer.allowedIps.join(',') || none]
  const counters = [handshakeText(peer), String(peer.rxBytes), String(peer.txBytes)]
  return [secretText(peer.presharedKey), ...addresses, ...counters, keepaliveText(peer)]
}

export async function show(args: readonly string[], program: string): Promise<number> {
  const json = args.includes('--json')
  const [which = 'all', field, ...rest] = args.filter(word => word !== '--json')
  const usage = `${program} show { <interface> | all | interfaces } [${Object.keys(fields).join(' | ')}] [--json]`
  if (field === undefined && ['help', '-h', '--help'].includes(which)) return sayUsage(usage, 0)
  const isField = field === undefined || Object.hasOwn(fields, field)
  if (rest.length > 0 || !isField || (which === 'interfaces' && field !== undefined)) {
    if (!isField) process.stderr.write(`${program}: "${field}" is nothing to show\n`)
    return sayUsage(usage, 1)
  }
  if (which === 'interfaces') return showInterfaces(json)
  const states =
    which === 'all'
      ? await readAll()
      : [{ name: which, state: await reaching('access interface', () => readState(which)) }]
  if (states === undefined) return 1
  const hideKeys = process.env.WG_HIDE_KEYS !== 'never'
  if (json) {
    const { formatJson } = await import('./show-json.ts')
    process.stdout.write(formatJson(states, field, { hideKeys }))
  } else if (field === undefined) {
    const { formatPretty } = await import('./pretty.ts')
    const options = { hideKeys, colors: wantsColors(), nowMs: Date.now() }
    process.stdout.write(states.map(({ name, state }) => formatPretty(name, state, options)).join('\n'))
  } else {
    const text = states.map(({ name, state }) => fieldText(field, state, which === 'all' ? name : undefined))
    process.stdout.write(text.join(''))
  }
  return 0
}

async function showInterfaces(json: boolean): Promise<number> {
  const devices = await listDevices()
  if (json) process.stdout.write(`${JSON.stringify({ interfaces: devices }, undefined, 2)}\n`)
  else if (devices.length > 0) process.stdout.write(`${devices.map(({ name }) => name).join(' ')}\n`)
  return 0
}

export interface NamedState {
  readonly name: string
  readonly state: DeviceState
}

/** A device that cannot be asked is said to be so, and the others are shown; undefined if that is so of all. */
async function readAll(): Promise<NamedState[] | undefined> {
  const states: NamedState[] = []
  const devices = await listDevices()
  for (const { name } of devices) {
    try {
      states.push({ name, state: await readState(name) })
    } catch (error) {
      sayUnable(`access interface ${name}`, error)
    }
  }
  return states.length === 0 && devices.length > 0 ? undefined : states
}

const readState = async (name: string): Promise<DeviceState> => asWg(await (await openDevice(name)).get())

function fieldText(field: string, state: DeviceState, name: string | undefined): string {
  const rows = fields[field]?.(state) ?? []
  const lines = rows.map(cells => `${cells.join('\t')}\n`)
  if (name === undefined) return lines.join('')
  // wg(8) says the name once a device here, on a line with the first peer or, without peers, the next device's; scripts know it so.
  if (field === 'endpoints') return `${name}\t${lines.join('')}`
  return lines.map(line => `${name}\t${line}`).join('')
}

/** WG_COLOR_MODE: "always", "never", or where a terminal reads. */
function wantsColors(): boolean {
  const mode = process.env.WG_COLOR_MODE
  return mode === 'always' || (mode !== 'never' && process.stdout.isTTY)
}
