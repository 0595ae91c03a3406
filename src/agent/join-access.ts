// What a join token's secret becomes on the node: the right by which it reads and writes the store, in files of its own.

import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { podwireError } from '../base/errors.ts'
import type { JoinToken } from '../model/join-token.ts'
import type { StoreAccess } from '../store/access.ts'
import { replaceFile } from '../store/atomic-file.ts'

const own = { mode: 0o600 }

/** Makes the folder of a node's keys. */
export async function makeStateFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await chmod(folder, 0o700)
}

/** Writes what the store's form needs. Again after a crash it does the same. Errors: ERR_PODWIRE_JOIN_TOKEN, those of the store. */
export async function takeAccess(token: JoinToken, stateFolder: string): Promise<StoreAccess> {
  const [form = ''] = token.store.split(':')
  const secret = Buffer.from(token.secret.bytes).toString()
  const caFile = join(stateFolder, 'store-ca.pem')
  if (token.ca !== undefined) await replaceFile(caFile, token.ca, own)
  const ca = token.ca === undefined ? {} : { caFile }
  switch (form) {
    case 'file':
      return {}
    case 'etcd': {
      const [, user, password] = /^([^:]+):(.+)$/s.exec(secret) ?? []
      if (user === undefined || password === undefined) {
        throw podwireError('ERR_PODWIRE_JOIN_TOKEN', { reason: 'it has no user and password for etcd' })
      }
      const passwordFile = join(stateFolder, 'store-password')
      await replaceFile(passwordFile, `${password}\n`, own)
      return { ...ca, user, passwordFile }
    }
    default:
      throw podwireError('ERR_PODWIRE_STORE_ADDRESS', {
        address: token.store,
        reason: `podwire join does not know the form "${form}"`,
      })
  }
}
