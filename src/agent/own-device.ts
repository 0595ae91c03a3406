// The device is the kernel's, or a process of its own: the agent makes it if there is none, and adopts what is there. Nothing
// that happens to the agent reaches it.

import { access, constants } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { PodwireError, podwireError, reasonOf } from '../base/errors.ts'
import { exec } from '../base/exec.ts'
import type { Log } from '../base/log.ts'
import type { Secret } from '../base/secret.ts'
import type { DeviceState } from '../model/device.ts'
import type { Host } from '../system/host.ts'
import { isPortTaken } from '../system/udp-port.ts'
import { saysNoDevice } from '../wireguard/uapi-client.ts'
import type { Backend } from './backend.ts'

/** A host, and whose WireGuard its device is. */
export interface DeviceHost extends Host {
  readonly backend: Backend
}

interface Starting {
  /** The command line that starts a userspace device when its name is put behind it, in a process that goes on by itself. */
  readonly command: readonly [string, ...string[]]
  readonly privateKey: Secret
  readonly listenPort: number
  readonly log: Log
}

const answerDeadlineMs = 5_000

/**
 * What the device says; undefined if no process serves it, or the kernel has none of that name. Errors: those of asking it: one that hangs is left alone, as
 * its sessions may live.
 */
export async function findDevice({ device }: Pick<Host, 'device'>): Promise<DeviceState | undefined> {
  try {
    return await device.get()
  } catch (error) {
    if (saysNoDevice(error) || isNoDevice(error)) return undefined
    throw error
  }
}

const isNoDevice = (error: unknown) => error instanceof PodwireError && error.code === 'ERR_PODWIRE_NO_DEVICE'

/**
 * Refuses a host on which no device could be started, and changes nothing.
 * Errors: ERR_PODWIRE_NAME_IN_USE, _PORT_IN_USE, _NO_TUN, _NO_KERNEL_WIREGUARD, those of asking a device that is there.
 */
export async function requireRoom(host: DeviceHost, listenPort: number): Promise<void> {
  const { backend, deviceName: name, links } = host
  if ((await findDevice(host)) !== undefined) return
  // Someone else's interface; or its process died, and the link is not gone yet.
  if (links.links().some(link => link.name === name)) throw podwireError('ERR_PODWIRE_NAME_IN_USE', { name })
  if (backend === 'userspace') await requireTun()
  if (await isPortTaken(listenPort)) throw podwireError('ERR_PODWIRE_PORT_IN_USE', { port: listenPort })
}

async function requireTun(): Promise<void> {
  await access('/dev/net/tun', constants.R_OK | constants.W_OK).catch(error => {
    throw podwireError('ERR_PODWIRE_NO_TUN', { reason: reasonOf(error) }, error)
  })
}

/**
 * Makes sure that a device of the host's name answers and has our key; what it says, if it had all of that before. A key is only
 * set if it differs: setting one ends every session. Errors: ERR_PODWIRE_NAME_IN_USE, _PORT_IN_USE, _NO_TUN, _DEVICE_SILENT, those of starting and asking it.
 */
export async function ensureDevice(host: DeviceHost, starting: Starting): Promise<DeviceState | undefined> {
  const { deviceName, device, publicKeyOf } = host
  const { privateKey, log } = starting
  const state = await findDevice(host)
  if (state === undefined) {
    await startDevice(host, starting)
    return undefined
  }
  const key = state.privateKey && publicKeyOf(state.privateKey)
  if (key === publicKeyOf(privateKey)) return state
  if (key !== undefined) log.warn({ device: deviceName, key }, 'the device has another key: ours is set')
  await device.set({ privateKey })
  return undefined
}

async function startDevice(host: DeviceHost, { command, privateKey, listenPort, log }: Starting): Promise<void> {
  const { backend, deviceName: name, device, links } = host
  await requireRoom(host, listenPort)
  const startMs = performance.now()
  if (backend === 'kernel') links.createWireguard(name)
  else await startProcess(host, command)
  try {
    await device.set({ privateKey, listenPort })
  } catch (error) {
    links.deleteLink(name) // which ends the device: what was not there before is gone again
    throw error
  }
  log.info({ device: name, backend, tookMs: Math.round(performance.now() - startMs) }, 'device started')
}

/** Starts the process of a userspace device, and waits until it answers. */
async function startProcess({ deviceName, device }: Host, command: Starting['command']): Promise<void> {
  const deadlineMs = performance.now() + answerDeadlineMs
  // With a level it would log to our output, and hold it open for as long as it lives.
  await exec([...command, deviceName], { env: { ...process.env, LOG_LEVEL: '' } })
  for (;;) {
    try {
      await device.get()
      return
    } catch (error) {
      if (performance.now() > deadlineMs) {
        throw podwireError('ERR_PODWIRE_DEVICE_SILENT', { device: deviceName, reason: reasonOf(error) }, error)
      }
      await delay(20)
    }
  }
}
