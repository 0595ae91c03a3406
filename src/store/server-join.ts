// Lets this host into a network by a join token of `podwire server`: makes it an identity, and shows that to the server once,
// together with the token's secret. The identity is on disk before the server hears of it, so that a join that was cut off is
// finished by the next one, by the same token.

import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { podwireError } from '../base/errors.ts'
import type { JoinToken } from '../model/join-token.ts'
import type { StoreAccess } from './access.ts'
import { createFile } from './atomic-file.ts'
import { readIdentity, ServerClient } from './server-client.ts'

/**
 * Joins as `name`; `identityFile` is made if it is missing, in a folder that is there, and anew if it is of a node that was removed.
 * Returns by what right the store is opened from now on. Errors: ERR_PODWIRE_TOKEN_…, _NODE_NAME_TAKEN, _STORE_PIN, _STORE,
 * _STORE_BUSY, and those of the file. If it is refused, there is no identity that was not there before.
 */
export async function joinServer(token: JoinToken, name: string, identityFile: string): Promise<StoreAccess> {
  const { store, pin, secret } = token
  if (pin === undefined) throw podwireError('ERR_PODWIRE_JOIN_TOKEN', { reason: 'it has no pin of the server' })
  const made = await makeIdentity(identityFile)
  const identity = made ?? (await readIdentity(identityFile))
  try {
    const body = { node: name, secret: Buffer.from(secret.bytes).toString() }
    await new ServerClient(store, { pin, identity }).ask('joining', { method: 'POST', path: 'join', body })
  } catch (error) {
    const { code } = error as { code?: string }
    const isRemoved = made === undefined && code === 'ERR_PODWIRE_NODE_REMOVED'
    // After ERR_PODWIRE_STORE nobody knows whether it took.
    if (isRemoved || (made !== undefined && code !== 'ERR_PODWIRE_STORE')) await rm(identityFile)
    if (isRemoved) return joinServer(token, name, identityFile)
    throw error
  }
  return { pin, identityFile }
}

/** Undefined if there is a file already. */
async function makeIdentity(file: string): Promise<KeyObject | undefined> {
  const { privateKey } = generateKeyPairSync('ed25519')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const isMade = await createFile(file, pem, { mode: 0o600 }).catch(error => {
    throw podwireError('ERR_PODWIRE_FILE', { file, what: 'written', reason: error.message }, error)
  })
  return isMade ? privateKey : undefined
}
