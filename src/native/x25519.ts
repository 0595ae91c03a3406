// X25519 (RFC 7748) of the addon: node:crypto takes several times as long, most of it for turning 32 bytes into a key object,
// and cannot wipe that.

import { callAddon, loadAddon } from './addon.ts'

interface Addon {
  x25519PublicKey(privateKey: Uint8Array): Buffer
  x25519SharedSecret(privateKey: Uint8Array, publicKey: Uint8Array): Buffer | null
}

/** The 32 bytes of the public key that belongs to a private key, which is clamped on use. */
export function publicKeyBytesOf(privateKey: Uint8Array): Uint8Array {
  return callAddon(() => loadAddon<Addon>().x25519PublicKey(privateKey))
}

/** The shared secret of 32 bytes; undefined if it is all zero, as with a public key of low order. */
export function sharedSecret(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  return callAddon(() => loadAddon<Addon>().x25519SharedSecret(privateKey, publicKey)) ?? undefined
}
