// Whose WireGuard the node's device is: the kernel's, or that of a process of its own. What is there stays what it is, so that an
// agent that starts again leaves its sessions alone.

import type { Device } from '../model/device.ts'
import type { Links } from '../native/link.ts'
import { hasWireguard } from '../native/wireguard-link.ts'
import { openKernelDevice } from '../wireguard/kernel-device.ts'
import { connectUapi } from '../wireguard/uapi-client.ts'

export type Backend = 'kernel' | 'userspace'

/** Of "auto": that of the device which is there, else the kernel's if it has any. Errors: ERR_PODWIRE_ADDON, ERR_PODWIRE_SYSTEM. */
export function chooseBackend(asked: Backend | 'auto', deviceName: string, links: Pick<Links, 'links'>): Backend {
  if (asked !== 'auto') return asked
  const there = links.links().find(({ name }) => name === deviceName)
  if (there !== undefined) return there.kind === 'wireguard' ? 'kernel' : 'userspace'
  return hasWireguard() ? 'kernel' : 'userspace'
}

/** The device of that name; nothing is opened until it is asked. */
export function openBackend(backend: Backend, deviceName: string): Device {
  return backend === 'kernel' ? openKernelDevice(deviceName) : connectUapi(deviceName)
}
