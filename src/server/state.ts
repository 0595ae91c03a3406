// The folder of `podwire server`, which root of its host alone can look into:
//
//   server.json                    its address as others reach it
//   server.key                     the Ed25519 key of its certificate, which the join tokens pin
//   network.json nodes/ claims/ removals/   as in a file store
//   identities/ tokens/            who may come in, and who is in
//   lock admin.sock                while it runs: one at a time, and the door of root
//
// For commands: createServerState makes it; store/server-admin.ts speaks with the server that runs on it.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { podwireError, reasonOf } from '../base/errors.ts'
import { objectFields, parseJson, stringValue } from '../model/document.ts'
import { formatNetworkConfig, type NetworkConfig } from '../model/network-config.ts'
import { createFile, replaceFile } from '../store/atomic-file.ts'
import { pinOf } from '../store/self-signed.ts'
import { parseServerAddress } from '../store/server-address.ts'
import { Identities } from './identities.ts'
import { Records } from './records.ts'
import { Tokens } from './tokens.ts'

export const defaultStateFolder = '/var/lib/podwire-server'

export interface ServerState {
  /** "server:https://HOST:PORT" */
  readonly address: string
  readonly key: KeyObject
  readonly pin: string
  readonly records: Records
  readonly identities: Identities
  readonly tokens: Tokens
}

interface NewState {
  /** "server:https://HOST:PORT", as all nodes reach it. */
  readonly address: string
  /** Absent: it is set up later, through the admin's store. */
  readonly network?: NetworkConfig
}

/**
 * Makes the folder of a server; after a crash it is finished by the next call.
 * Errors: ERR_PODWIRE_STORE_ADDRESS, ERR_PODWIRE_SERVER_STATE (it has one already, or what the file system says).
 */
export async function createServerState(folder: string, { address, network }: NewState): Promise<void> {
  parseServerAddress(address)
  await coded(folder, async () => {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const { privateKey } = generateKeyPairSync('ed25519')
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    await createFile(join(folder, 'server.key'), pem, { mode: 0o600 })
    if (network !== undefined) {
      const file = join(folder, 'network.json')
      if ((await textOf(join(folder, 'server.json'))) === undefined) {
        await replaceFile(file, formatNetworkConfig(network), { mode: 0o600 })
      }
    }
    // Last: it says that all is there.
    const text = `${JSON.stringify({ address })}\n`
    if (await createFile(join(folder, 'server.json'), text, { mode: 0o600 })) return
    throw podwireError('ERR_PODWIRE_SERVER_STATE', { folder, reason: 'there is a server already' })
  })
}

/** Reads it all. Errors: ERR_PODWIRE_SERVER_STATE, ERR_PODWIRE_DOCUMENT and others of a file that is not what it should be. */
export function openServerState(folder: string): Promise<ServerState> {
  return coded(folder, async () => {
    const file = join(folder, 'server.json')
    const text = await textOf(file)
    if (text === undefined) throw podwireError('ERR_PODWIRE_SERVER_STATE', { folder, reason: 'there is none' })
    const { address } = objectFields(parseJson(text, file), ['address'])
    const key = readKey(await readFile(join(folder, 'server.key'), 'utf8'), folder)
    return {
      address: stringValue(address),
      key,
      pin: pinOf(createPublicKey(key)),
      records: await Records.open(folder),
      identities: await Identities.open(folder),
      tokens: await Tokens.open(folder),
    }
  })
}

function readKey(pem: string, folder: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch {
    throw podwireError('ERR_PODWIRE_SERVER_STATE', { folder, reason: 'server.key holds no key' })
  }
}

async function textOf(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(error => {
    if (error.code !== 'ENOENT') throw error
    return undefined
  })
}

/** What the file system says becomes ERR_PODWIRE_SERVER_STATE. */
async function coded<T>(folder: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error
    throw podwireError('ERR_PODWIRE_SERVER_STATE', { folder, reason: reasonOf(error) }, error)
  }
}
