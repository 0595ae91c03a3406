// What the tests in the virtual machine share: keys, devices of the kernel that are gone at a test's end, and what `wg` says of one.

import { randomBytes } from 'node:crypto'
import { exec } from '../../src/base/exec.ts'
import { formatPublicKey, type PublicKey } from '../../src/base/key.ts'
import { Secret } from '../../src/base/secret.ts'
import type { Device, DeviceState } from '../../src/model/device.ts'
import { openLinks } from '../../src/native/link.ts'
import { openKernelDevice } from '../../src/wireguard/kernel-device.ts'

export const anyKey = (): PublicKey => formatPublicKey(randomBytes(32))
export const anySecret = (): Secret => new Secret(randomBytes(32))

/** Runs a program of the machine; words are split at blanks. */
export async function run(command: string, input = ''): Promise<string> {
  return (await exec(command.split(' ') as [string, ...string[]], { input })).stdout
}

/** Runs a test with a new device of the kernel, down. */
export async function withDevice(name: string, test: (device: Device) => Promise<void>): Promise<void> {
  const links = openLinks()
  links.createWireguard(name)
  try {
    await test(openKernelDevice(name))
  } finally {
    links.deleteLink(name)
    links.close()
  }
}

/** A device's state in the words of `wg show IF dump`. */
export async function dumpOf(state: DeviceState): Promise<string> {
  const base64 = (secret?: Secret) => (secret ? Buffer.from(secret.bytes).toString('base64') : '(none)')
  const { privateKey, listenPort, fwmark } = state
  const publicKey = privateKey ? (await run('wg pubkey', `${base64(privateKey)}\n`)).trim() : '(none)'
  const lines: unknown[][] = [
    [base64(privateKey), publicKey, listenPort, fwmark === 0 ? 'off' : `0x${fwmark.toString(16)}`],
  ]
  for (const peer of state.peers) {
    lines.push([
      peer.publicKey,
      base64(peer.presharedKey),
      peer.endpoint ?? '(none)',
      peer.allowedIps.join(',') || '(none)',
      Math.floor((peer.lastHandshakeMs ?? 0) / 1000),
      String(peer.rxBytes),
      String(peer.txBytes),
      peer.persistentKeepaliveSeconds || 'off',
    ])
  }
  return lines.map(fields => `${fields.join('\t')}\n`).join('')
}
