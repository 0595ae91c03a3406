// A subject: two devices of one program, one on each host, joined; or the bare link. All are up at once, and idle but for
// the one that is measured. Every pair has the same keys, so that what is prepared for one fits all.

import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { PublicKey } from '../../src/base/key.ts'
import type { Secret } from '../../src/base/secret.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { bareLink, deviceMtu } from './conditions.ts'
import { outer, until } from './lab.ts'
import type { Program } from './programs.ts'

/** Ticks of /proc/PID/stat: 100 a second on every Linux that Node.js runs on. */
const ticksPerSecond = 100

const privateKeys: Record<'a' | 'b', Secret> = { a: generatePrivateKey(), b: generatePrivateKey() }
export const publicKeys: Record<'a' | 'b', PublicKey> = {
  a: publicKeyOf(privateKeys.a),
  b: publicKeyOf(privateKeys.b),
}

export interface Device {
  readonly host: 'a' | 'b'
  readonly link: string
  readonly address: string
  readonly port: number
  readonly pid: number
}

export interface Subject {
  readonly name: string
  /** What is reached on b through the devices: an address inside the tunnel. */
  readonly target: string
  /** Of a and of b; none for the bare link. */
  readonly devices: readonly Device[]
}

export const bare: Subject = { name: bareLink, target: outer.b, devices: [] }

/** Starts a pair of devices and joins them. `net` (1 to 99) keeps pairs apart. */
export async function startSubject(lab: Lab, { name, command }: Program, net: number): Promise<Subject> {
  const port = 51_800 + net
  const start = async (host: 'a' | 'b', last: number): Promise<Device> => {
    const link = `bench${net}`
    const child = lab.spawn(host, [...command, link], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, LOG_LEVEL: 'error', WG_LOG_LEVEL: 'error', WG_PROCESS_FOREGROUND: '1' },
    })
    const device = { host, link, address: `10.99.${net}.${last}`, port, pid: pidOf(child) }
    await until(`${name} serves its socket on ${host}`, () => lab.exec(host, ['wg', 'show', link]))
    return device
  }
  const [a, b] = await Promise.all([start('a', 1), start('b', 2)])
  for (const [device, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const key = Buffer.from(privateKeys[device.host].bytes).toString('hex')
    await setUapi(device, `private_key=${key}\nlisten_port=${port}\n${peerLines(other)}`)
    await lab.exec(device.host, ['ip', 'address', 'add', `${device.address}/24`, 'dev', device.link])
    await lab.exec(device.host, ['ip', 'link', 'set', device.link, 'mtu', `${deviceMtu}`, 'up'])
  }
  await until(`${name} passes a ping`, () => lab.exec('a', ['ping', '-c1', '-W1', b.address]))
  return { name, target: b.address, devices: [a, b] }
}

/** The other end as a peer, for `setUapi`. */
export function peerLines({ host, address, port }: Device): string {
  const key = Buffer.from(publicKeys[host], 'base64').toString('hex')
  return `public_key=${key}\nendpoint=${outer[host]}:${port}\nreplace_allowed_ips=true\nallowed_ip=${address}/32\n`
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('a device did not start')
  return child.pid
}

/**
 * A device's socket. It lies in a folder that only the host sees; the process's root is the way there. (/var/run is an
 * absolute link to /run, which would lead out again.)
 */
export const socketOf = ({ pid, link }: Pick<Device, 'pid' | 'link'>): string =>
  `/proc/${pid}/root/run/wireguard/${link}.sock`

/** Sends a `set` request as it stands, so that nothing but the device's own time is in it. Resolves to milliseconds. */
export function setUapi(device: Pick<Device, 'pid' | 'link'>, lines: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now()
    const socket = connect(socketOf(device))
    let answer = ''
    socket.setEncoding('latin1').on('error', reject)
    socket.on('data', (text: string) => {
      answer += text
      if (!answer.endsWith('\n\n')) return
      socket.destroy()
      if (/errno=0\n/.test(answer)) resolve(performance.now() - startMs)
      else reject(new Error(`${device.link} refused a set request: ${answer.trim()}`))
    })
    socket.write(`set=1\n${lines}\n`)
  })
}

/** CPU time of the subject's processes since they started, user and system. */
export function cpuSeconds({ devices }: Pick<Subject, 'devices'>): number {
  return devices.reduce((sum, { pid }) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
    return sum + (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
  }, 0)
}

/** Peak resident memory of the larger of the two processes, in MB. */
export function peakMemoryMb({ devices }: Subject): number {
  return Math.max(...devices.map(({ pid }) => memoryMb(pid, 'VmHWM')))
}

/** Resident memory of a process, now or at its peak, in MB of 1,000,000 bytes: the kernel says it in units of 1,024. */
export function memoryMb(pid: number, what: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  return (Number(new RegExp(`${what}:\\s+(\\d+)`).exec(status)?.[1]) * 1024) / 1e6
}
