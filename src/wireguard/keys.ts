// Making keys, as `wg genkey`, `wg pubkey` and `wg genpsk` do.

import { randomBytes } from 'node:crypto'
import { formatPublicKey, keyBytes, type PublicKey } from '../base/key.ts'
import { Secret } from '../base/secret.ts'
import { publicBytesOf } from './crypto.ts'

/** A new X25519 private key, clamped. */
export function generatePrivateKey(): Secret {
  return new Secret(clamp(new Uint8Array(randomBytes(keyBytes))))
}

/** A new preshared key. */
export function generatePresharedKey(): Secret {
  return new Secret(new Uint8Array(randomBytes(keyBytes)))
}

export function publicKeyOf(privateKey: Secret): PublicKey {
  return formatPublicKey(publicBytesOf(privateKey.bytes))
}

/** The scalar that X25519 makes of these 32 bytes (RFC 7748, section 5), in a new array. */
export function clamp(bytes: Uint8Array): Uint8Array {
  const clamped = Uint8Array.from(bytes)
  clamped[0] = (clamped[0] ?? 0) & 248
  clamped[31] = ((clamped[31] ?? 0) & 127) | 64
  return clamped
}
