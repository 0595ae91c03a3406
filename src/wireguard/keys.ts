// Making keys, as `wg genkey`, `wg pubkey` and `wg genpsk` do. It is node:crypto's work alone: `podwire wg` needs one public key and
// starts faster without the addon, whose X25519 is for the thousands of a device.

import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import { formatPublicKey, keyBytes, type PublicKey } from '../base/key.ts'
import { Secret } from '../base/secret.ts'

/** A new X25519 private key, clamped. */
export function generatePrivateKey(): Secret {
  return new Secret(clamp(new Uint8Array(randomBytes(keyBytes))))
}

/** A new preshared key. */
export function generatePresharedKey(): Secret {
  return new Secret(new Uint8Array(randomBytes(keyBytes)))
}

/** What stands before the 32 bytes of an X25519 private key in PKCS #8 (RFC 8410, section 7). */
const pkcs8Header = Buffer.from('302e020100300506032b656e04220420', 'hex')

/** The public key of an X25519 private key, which is clamped on use. */
export function publicKeyOf(privateKey: Secret): PublicKey {
  const der = Buffer.concat([pkcs8Header, privateKey.bytes])
  try {
    const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
    return formatPublicKey(key.export({ format: 'der', type: 'spki' }).subarray(-keyBytes))
  } finally {
    der.fill(0)
  }
}

/** The scalar that X25519 makes of these 32 bytes (RFC 7748, section 5), in a new array. */
export function clamp(bytes: Uint8Array): Uint8Array {
  const clamped = Uint8Array.from(bytes)
  clamped[0] = (clamped[0] ?? 0) & 248
  clamped[31] = ((clamped[31] ?? 0) & 127) | 64
  return clamped
}
