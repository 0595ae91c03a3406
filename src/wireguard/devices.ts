// The WireGuard devices of this host, whatever serves them: for now those behind a UAPI socket.
// STAND-IN of the branch `wg`: the lead takes KERNEL's file, which has the same two functions.

import { type Dirent, opendirSync } from 'node:fs'
import { connect } from 'node:net'
import { podwireError } from '../base/errors.ts'
import type { Device } from '../model/device.ts'
import { connectUapi, socketDirectory, socketPath } from './uapi-client.ts'

export interface FoundDevice {
  readonly name: string
  readonly backend: 'kernel' | 'userspace'
}

/** The devices that answer, in the order in which the folder has their sockets, as wg(8) lists them. */
export async function listDevices(): Promise<FoundDevice[]> {
  const names = socketFiles().map(file => file.name.slice(0, -'.sock'.length))
  const answer = await Promise.all(names.map(name => isServed(socketPath(name))))
  return names.filter((_, i) => answer[i]).map(name => ({ name, backend: 'userspace' }))
}

function socketFiles(): Dirent[] {
  const found: Dirent[] = []
  try {
    // Not readdir, which sorts.
    const folder = opendirSync(socketDirectory)
    for (let file = folder.readSync(); file !== null; file = folder.readSync()) {
      if (file.isSocket() && /^.{1,15}\.sock$/.test(file.name)) found.push(file)
    }
    folder.closeSync()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  return found
}

/** The device of that name. Errors: ERR_PODWIRE_NO_DEVICE, and those of its methods. */
export async function openDevice(name: string): Promise<Device> {
  if (!/^[^/]{1,15}$/.test(name) || !(await isServed(socketPath(name)))) {
    throw podwireError('ERR_PODWIRE_NO_DEVICE', { name })
  }
  return connectUapi(name)
}

/** False where there is no socket, or nobody behind it. */
function isServed(file: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(file, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      resolve(!['ENOENT', 'ECONNREFUSED', 'ENOTSOCK', 'ENOTDIR'].includes(error.code ?? ''))
    })
  })
}
