// `podwire device status [IF]`: asks the devices of this host, by their sockets, what they say of themselves; as text or JSON.

import { PodwireError } from '../base/errors.ts'
import { offloadNames } from '../native/engine-status.ts'
import type { DeviceStatus } from '../wireguard/device-status.ts'
import { socketNames } from '../wireguard/devices.ts'
import { requestStatus, saysNoDevice } from '../wireguard/uapi-client.ts'

/**
 * Shows the device of that name, or all of podwire's: a socket without a device behind it, or with one of another make, is none. What
 * cannot be asked is an error, behind what the others say. Errors: ERR_PODWIRE_SOCKET, _NEEDS_ROOT, _NOT_PODWIRE.
 */
export async function showStatus(name: string | undefined, { json }: { json: boolean }): Promise<void> {
  const names = name === undefined ? (await socketNames()).sort() : [name]
  const answers = await Promise.allSettled(names.map(requestStatus))
  const devices = answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []))
  const errors = answers.flatMap(answer => (answer.status === 'rejected' ? [answer.reason] : []))
  const [error] = name === undefined ? errors.filter(error => !isNoPodwireDevice(error)) : errors
  if (devices.length > 0 || error === undefined) {
    if (json) console.log(JSON.stringify({ devices }, undefined, 2))
    else console.log(devices.map(statusText).join('\n\n') || 'No podwire device runs here.')
  }
  if (error !== undefined) throw error
}

function isNoPodwireDevice(error: unknown): boolean {
  return saysNoDevice(error) || (error instanceof PodwireError && error.code === 'ERR_PODWIRE_NOT_PODWIRE')
}

export function statusText(status: DeviceStatus): string {
  const { memory, peers, handshakes } = status
  const drops = Object.entries(status.drops).map(([reason, packets]) => [reason, String(packets)])
  const offloads = offloadNames.map(name => {
    const { state, reason } = status.offloads[name]
    return [name, reason === undefined ? state : `${state}: ${reason}`]
  })
  const sections: [title: string, rows: string[][]][] = [
    ['process', [[`${status.pid}, podwire ${status.version}, for ${duration(status.uptimeSeconds)}`]]],
    ['link', [[`${status.up ? 'up' : 'down'}, MTU ${status.mtuBytes}, UDP port ${status.listenPort || 'none yet'}`]]],
    ['peers', [[`${peers.count}, ${peers.withSession} with a session`]]],
    [
      'handshakes',
      rowsOf({
        'initiations received': handshakes.initiationsReceived,
        'initiations answered': handshakes.initiationsAnswered,
        'cookies received': handshakes.cookiesReceived,
      }),
    ],
    ['packets', [[`${status.threads} ${status.threads === 1 ? 'thread' : 'threads'}, sealed by ${status.aead}`]]],
    ['memory', [[`${megabytes(memory.residentBytes)}, of which the engine ${megabytes(memory.engineBytes)}`]]],
    ['offloads', offloads],
    ['dropped', drops.length === 0 ? [['nothing']] : drops],
  ]
  return [status.interface, ...sections.flatMap(([title, rows]) => section(title, rows))].join('\n')
}

const rowsOf = (counts: Record<string, number>) => Object.entries(counts).map(([name, count]) => [name, String(count)])

/** The title beside the first row; the rows' first cells in one width. */
function section(title: string, rows: readonly string[][]): string[] {
  const width = Math.max(...rows.map(([name = '']) => name.length))
  return rows.map(([name = '', value], i) => {
    const cells = value === undefined ? name : `${name.padEnd(width)}  ${value}`
    return `  ${(i === 0 ? title : '').padEnd(10)}  ${cells}`
  })
}

function duration(seconds: number): string {
  const [days, hours, minutes] = [
    Math.floor(seconds / 86400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ]
  if (days > 0) return `${days} d ${hours} h`
  if (hours > 0) return `${hours} h ${minutes} min`
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
