// What proves to an etcd who we are, and to us who it is, read from its files.

import { constants } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import type { SecureContextOptions } from 'node:tls'
import { podwireError } from '../../base/errors.ts'
import type { StoreAccess } from '../access.ts'
import type { EtcdEndpoint } from './address.ts'

/** The system's certificates: Debian's and its kin, Red Hat's and its kin. Without any: those of Node.js. */
const systemCaFiles = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt']
/** A key of RSA is the longest. */
const maxSecretBytes = 64 << 10

/** For a connection to `endpoint`. Errors: ERR_PODWIRE_KEY_EXPOSED, ERR_PODWIRE_FILE. */
export async function readAccess(
  { caFile, certFile, keyFile }: StoreAccess,
  { secure }: EtcdEndpoint,
): Promise<SecureContextOptions> {
  if (!secure) return {}
  const ca = caFile === undefined ? await readSystemCa() : await named(caFile, () => readFile(caFile))
  return {
    ...(ca && { ca }),
    ...(certFile !== undefined && { cert: await named(certFile, () => readFile(certFile)) }),
    ...(keyFile !== undefined && { key: await readSecretFile(keyFile) }),
  }
}

async function readSystemCa(): Promise<Buffer | undefined> {
  for (const file of systemCaFiles) {
    const found = await readFile(file).catch(() => undefined)
    if (found !== undefined) return found
  }
  return undefined
}

/** The user's password, without the end of its line. Errors: ERR_PODWIRE_KEY_EXPOSED, ERR_PODWIRE_FILE. */
export async function readPassword({ passwordFile }: StoreAccess): Promise<string> {
  return passwordFile === undefined ? '' : (await readSecretFile(passwordFile)).toString().replace(/\r?\n$/, '')
}

function readSecretFile(file: string): Promise<Buffer> {
  return named(file, async () => {
    // Without waiting: what is no file has no secret, and may never answer.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const stats = await handle.stat()
      if (!stats.isFile() || stats.size > maxSecretBytes) {
        throw podwireError('ERR_PODWIRE_FILE', { file, what: 'read', reason: 'it is not a small file' })
      }
      const mode = stats.mode & 0o777
      if ((mode & 0o077) !== 0) {
        const [shown, renewal] = [mode.toString(8).padStart(4, '0'), 'have another made for this node']
        throw podwireError('ERR_PODWIRE_KEY_EXPOSED', { file, mode: shown, renewal })
      }
      return await handle.readFile()
    } finally {
      await handle.close()
    }
  })
}

async function named<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error
    const reason = (error as Error).message
    throw podwireError('ERR_PODWIRE_FILE', { file, what: 'read', reason }, error)
  }
}
