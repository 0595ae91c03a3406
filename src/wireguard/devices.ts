// The WireGuard devices of this machine, whichever backend has them: the kernel's of this network namespace, and the userspace ones
// by their sockets. A name that has both is the userspace one, as for wg. What asks the kernel is loaded when it is asked: `podwire wg`
// starts sooner without.

import { existsSync } from 'node:fs'
import { opendir } from 'node:fs/promises'
import { connect } from 'node:net'
import { podwireError } from '../base/errors.ts'
import type { Device } from '../model/device.ts'
import { connectUapi, saysNoDevice, socketDirectory, socketError, socketPath } from './uapi-client.ts'

export interface ListedDevice {
  readonly name: string
  readonly backend: 'kernel' | 'userspace'
}

/**
 * All devices, in wg's order: the kernel's by their links' numbers, then those with a socket that answers, as their folder has them.
 * Errors: ERR_PODWIRE_SYSTEM, ERR_PODWIRE_ADDON.
 */
export async function listDevices(): Promise<ListedDevice[]> {
  const kernel = (await kernelNames()).map(name => ({ name, backend: 'kernel' }) as const)
  const userspace = (await userspaceNames()).map(name => ({ name, backend: 'userspace' }) as const)
  return [...kernel, ...userspace]
}

/** The device of that name: the userspace one if its socket answers, else the kernel's. Errors: ERR_PODWIRE_NO_DEVICE, ERR_PODWIRE_NEEDS_ROOT. */
export async function openDevice(name: string): Promise<Device> {
  if (await answers(name)) return connectUapi(name)
  const { hasWireguard } = await import('../native/wireguard-link.ts')
  if (!hasWireguard()) {
    const reason = `there is no socket ${socketPath(name)}, and the kernel has no WireGuard`
    throw podwireError('ERR_PODWIRE_NO_DEVICE', { name, reason })
  }
  const { openKernelDevice } = await import('./kernel-device.ts')
  return openKernelDevice(name)
}

async function kernelNames(): Promise<string[]> {
  // Without the module there is no device of it, and no need to load the addon.
  if (existsSync('/sys/module') && !existsSync('/sys/module/wireguard')) return []
  const { openLinks } = await import('../native/link.ts')
  const links = openLinks()
  try {
    return links.links().flatMap(({ kind, name }) => (kind === 'wireguard' ? [name] : []))
  } finally {
    links.close()
  }
}

/** Names of the sockets, whether or not somebody is behind them, in the folder's own order: `readdir` of Node.js would sort. */
export async function socketNames(): Promise<string[]> {
  const names: string[] = []
  try {
    for await (const { name } of await opendir(socketDirectory)) {
      if (name.endsWith('.sock')) names.push(name.slice(0, -'.sock'.length))
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw socketError(socketDirectory, error)
  }
  return names
}

async function userspaceNames(): Promise<string[]> {
  const names = await socketNames()
  const alive = await Promise.all(names.map(answers))
  return names.filter((_, i) => alive[i])
}

/** Whether somebody is behind the socket of that name. One that may not be opened counts: asking it says what is wrong. */
function answers(name: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(socketPath(name))
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', error => resolve(!saysNoDevice({ cause: error })))
  })
}
