// The primitives of WireGuard (paper, section 5.4), each under the name that the paper gives it: DH, Hash, Mac, Hmac, Kdf,
// Aead, Xaead. node:crypto does the work where it can; what it lacks (keyed BLAKE2s of 16 bytes, XChaCha20) is @noble's, and X25519,
// at which it is slow, is the addon's.

import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto'
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { blake2s } from '@noble/hashes/blake2.js'
import { publicKeyBytesOf, sharedSecret } from '../native/x25519.ts'

export const tagBytes = 16
export const macBytes = 16

/** The 32 bytes of the public key that belongs to an X25519 private key, which is clamped on use. */
export const publicBytesOf = publicKeyBytesOf

/** DH: the shared secret of 32 bytes; undefined if it is all zero, as with a public key of low order. */
export const dh = sharedSecret

/** Hash: BLAKE2s of 32 bytes over the parts, one after the other. */
export function hash(...parts: readonly Uint8Array[]): Uint8Array {
  const state = createHash('blake2s256')
  for (const part of parts) state.update(part)
  return state.digest()
}

/** Mac: keyed BLAKE2s of 16 bytes. */
export function mac(key: Uint8Array, input: Uint8Array): Uint8Array {
  return blake2s(input, { key, dkLen: macBytes })
}

/** Hmac with BLAKE2s of 32 bytes, over the parts one after the other. */
export function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const state = createHmac('blake2s256', key)
  for (const part of parts) state.update(part)
  return state.digest()
}

/** Kdf: `count` keys of 32 bytes from a chaining key and an input (HKDF of RFC 5869, without info). */
export function kdf<Count extends 1 | 2 | 3>(count: Count, key: Uint8Array, input: Uint8Array): KdfOutput[Count] {
  const pseudorandom = hmac(key, input)
  const outputs: Uint8Array[] = []
  for (let i = 1; i <= count; i++) {
    outputs.push(hmac(pseudorandom, outputs.at(-1) ?? new Uint8Array(0), Uint8Array.of(i)))
  }
  pseudorandom.fill(0)
  return outputs as unknown as KdfOutput[Count]
}

interface KdfOutput {
  1: readonly [Uint8Array]
  2: readonly [Uint8Array, Uint8Array]
  3: readonly [Uint8Array, Uint8Array, Uint8Array]
}

/** Aead: ChaCha20Poly1305 (RFC 8439); the counter is the last 8 bytes of the nonce, little-endian. */
export function seal(key: Uint8Array, counter: bigint, plaintext: Uint8Array, authenticated: Uint8Array): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, nonceOf(counter), { authTagLength: tagBytes })
  cipher.setAAD(authenticated, { plaintextLength: plaintext.length })
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

/** The plaintext; undefined if anything was changed. */
export function open(
  key: Uint8Array,
  counter: bigint,
  sealed: Uint8Array,
  authenticated: Uint8Array,
): Uint8Array | undefined {
  const length = sealed.length - tagBytes
  if (length < 0) return undefined
  const decipher = createDecipheriv('chacha20-poly1305', key, nonceOf(counter), { authTagLength: tagBytes })
  decipher.setAAD(authenticated, { plaintextLength: length })
  decipher.setAuthTag(sealed.subarray(length))
  const plaintext = decipher.update(sealed.subarray(0, length))
  try {
    decipher.final()
  } catch {
    plaintext.fill(0)
    return undefined
  }
  return plaintext
}

/** Xaead: opens XChaCha20Poly1305 with its nonce of 24 bytes; undefined if anything was changed. */
export function openExtended(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  authenticated: Uint8Array,
): Uint8Array | undefined {
  try {
    return xchacha20poly1305(key, nonce, authenticated).decrypt(sealed)
  } catch {
    return undefined
  }
}

/** Overwrites what is no longer needed. Copies that the runtime made are out of reach. */
export function wipe(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0)
}

function nonceOf(counter: bigint): Uint8Array {
  const nonce = Buffer.alloc(12)
  nonce.writeBigUInt64LE(counter, 4)
  return nonce
}
