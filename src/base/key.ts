// Keys as text. A public key travels as canonical base64 (44 characters), which compares and sorts as a string;
// private and preshared keys travel as Secret and become text only where a protocol demands it.

import { podwireError } from './errors.ts'
import { Secret } from './secret.ts'

declare const brand: unique symbol
/** A public key in canonical base64: 44 characters, 32 bytes. */
export type PublicKey = string & { readonly [brand]: 'PublicKey' }

export const keyBytes = 32

/** The 32 bytes of a key in base64. `where` names the place in the error: ERR_PODWIRE_KEY (the text is never in it). */
export function decodeKey(text: string, where: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length !== keyBytes || bytes.toString('base64') !== text) {
    const reason =
      text.length === 44 ? 'it is not canonical base64 of 32 bytes' : `it has ${text.length} characters, not 44`
    throw podwireError('ERR_PODWIRE_KEY', { where, reason })
  }
  return new Uint8Array(bytes)
}

/** The 32 bytes of a key in hexadecimal, as on the UAPI socket. Error: ERR_PODWIRE_KEY. */
export function decodeHexKey(text: string, where: string): Uint8Array {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) {
    const reason =
      text.length === 64 ? 'it has characters that are not hexadecimal' : `it has ${text.length} digits, not 64`
    throw podwireError('ERR_PODWIRE_KEY', { where, reason })
  }
  return new Uint8Array(Buffer.from(text, 'hex'))
}

export function parsePublicKey(text: string, where: string): PublicKey {
  return formatPublicKey(decodeKey(text, where))
}

export function formatPublicKey(bytes: Uint8Array): PublicKey {
  return Buffer.from(bytes).toString('base64') as PublicKey
}

export function publicKeyBytes(key: PublicKey): Uint8Array {
  return new Uint8Array(Buffer.from(key, 'base64'))
}

export function parseSecretKey(text: string, where: string): Secret {
  return new Secret(decodeKey(text, where))
}

/** A private or preshared key in clear: only for where a protocol or a person asks for it. */
export function formatSecretKey(key: Secret): string {
  return Buffer.from(key.bytes).toString('base64')
}

export function hexKey(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
