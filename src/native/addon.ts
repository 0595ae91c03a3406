// Loads the native addon, once, when something first needs it: what works without it (parsers, the UAPI client)
// never pays for it. Errors of Rust arrive with a code of the error table and its values as JSON in the message.

import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { type ErrorCode, errorTable, PodwireError, podwireError, reasonOf } from '../base/errors.ts'

let loaded: unknown

/** The addon's exports, typed by whoever wraps them. Error: ERR_PODWIRE_ADDON. */
export function loadAddon<T>(): T {
  if (loaded === undefined) {
    const file = fileURLToPath(new URL('../../podwire.node', import.meta.url))
    try {
      loaded = createRequire(import.meta.url)(file)
    } catch (error) {
      throw podwireError('ERR_PODWIRE_ADDON', { file, reason: reasonOf(error) }, error)
    }
  }
  return loaded as T
}

/** Calls into the addon; its errors become PodwireErrors. */
export function callAddon<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    const code = (error as { code?: unknown }).code
    if (typeof code === 'string' && code in errorTable) {
      const values = JSON.parse(reasonOf(error))
      throw podwireError(code as ErrorCode, values, Object.assign(error as Error, { errno: Number(values.errno) }))
    }
    throw error
  }
}

/** The kernel's number for why a call into the addon failed (ERR_PODWIRE_SYSTEM); undefined where it was not the kernel. */
export function kernelErrno(error: unknown): number | undefined {
  if (!(error instanceof PodwireError) || error.code !== 'ERR_PODWIRE_SYSTEM') return undefined
  return (error.cause as { errno?: number } | undefined)?.errno || undefined
}
