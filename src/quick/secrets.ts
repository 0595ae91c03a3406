// The secrets of a file, each read on its own: `up` needs them all, `save` keeps the source that cannot be read, and a dry run
// runs no program for one.

import { PodwireError } from '../base/errors.ts'
import type { PublicKey } from '../base/key.ts'
import { Secret } from '../base/secret.ts'
import type { InterfaceConfig, SecretSource } from '../config/interface-config.ts'
import type { DeviceState } from '../model/device.ts'
import type { ReadyConfig } from '../plan/quick/facts.ts'
import { hideVariable, readSecret } from '../system/secret-source.ts'

/** `where` names it in errors; `peer` is whose it is, absent for the private key. Undefined: it is not known. */
export type ReadSource = (source: SecretSource, where: string, peer?: PublicKey) => Promise<Secret | undefined>

/** With its secrets read. Endpoints are still as the file says. Errors: those of `read`. */
export async function readSecrets(config: InterfaceConfig, read: ReadSource = readSecret): Promise<ReadyConfig> {
  const { privateKey, peers, ...rest } = config
  const secret = privateKey && (await read(privateKey, 'PrivateKey'))
  const ready = peers.map(async ({ presharedKey, ...peer }) => {
    const { publicKey } = peer
    const preshared = presharedKey && (await read(presharedKey, `PresharedKey of ${publicKey}`, publicKey))
    return { ...peer, ...(preshared !== undefined && { presharedKey: preshared }) }
  })
  return { ...rest, ...(secret !== undefined && { privateKey: secret }), peers: await Promise.all(ready) }
}

/** For `save`: what cannot be read is told, and is not known. */
export function readOrTell(tell: (line: string) => void): ReadSource {
  return async (source, where) => {
    try {
      return await readSecret(source, where)
    } catch (error) {
      if (!(error instanceof PodwireError)) throw error
      tell(`Warning: ${error.message}; it stays as the file says`)
      return undefined
    }
  }
}

/** For a dry run: the secret of a program is taken to be the one that the device has, or any where it has none. */
export function readWithoutRunning(
  device: DeviceState | undefined,
  tell: (line: string) => void,
  read: ReadSource = readSecret,
): ReadSource {
  return async (source, where, peer) => {
    if (source instanceof Secret || !('command' in source)) return read(source, where)
    tell(`${where}: the program ${source.command[0]} is not run; its secret is taken to be the one that is set`)
    const has =
      peer === undefined ? device?.privateKey : device?.peers.find(({ publicKey }) => publicKey === peer)?.presharedKey
    return has ?? new Secret(new Uint8Array(32).fill(1))
  }
}

/** Variables with keys of this file are for us, and not for hooks, nor for a device that lives on. */
export function hideVariables({ privateKey, peers }: InterfaceConfig): void {
  for (const source of [privateKey, ...peers.map(({ presharedKey }) => presharedKey)]) {
    if (source !== undefined && 'env' in source) hideVariable(source.env)
  }
}
