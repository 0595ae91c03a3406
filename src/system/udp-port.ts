// Who has a UDP port of this host.

import { createSocket } from 'node:dgram'
import { exec } from '../base/exec.ts'

/** Whether somebody has it, in either family. */
export async function isPortTaken(port: number): Promise<boolean> {
  return (await isTaken('udp6', port)) || (await isTaken('udp4', port))
}

function isTaken(type: 'udp4' | 'udp6', port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createSocket({ type, ipv6Only: type === 'udp6' })
    const end = (taken: boolean) => socket.close(() => resolve(taken))
    // Any other error, as on a host without IPv6, is not ours to judge.
    socket.once('error', error => end('code' in error && error.code === 'EADDRINUSE'))
    socket.bind({ port, exclusive: true }, () => end(false))
  })
}

/** The program that has it, as "name (process 12)"; undefined if that may not be seen, or the kernel itself has it. */
export async function holderOf(port: number): Promise<string | undefined> {
  try {
    const { stdout } = await exec(['ss', '-H', '-ulpn', `sport = :${port}`])
    const [, name, pid] = /\(\("([^"]+)",pid=(\d+)/.exec(stdout) ?? []
    return name && `${name} (process ${pid})`
  } catch {
    return undefined // a refinement only
  }
}
