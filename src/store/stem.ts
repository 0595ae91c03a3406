// How what a store holds is named there: the last part of a file's name, or of a key.

import { decodeKey, type PublicKey } from '../base/key.ts'

/** "10.99.1.0/24" as a name without "/": "10.99.1.0_24". */
export function claimStem(prefix: string): string {
  return prefix.replace('/', '_')
}

/** Hexadecimal: base64 has "/". */
export function keyStem(publicKey: PublicKey): string {
  return Buffer.from(decodeKey(publicKey, 'key')).toString('hex')
}
