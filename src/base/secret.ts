// Bytes that must not be seen: a private key or a preshared key. Printing, logging or serialising one shows "[secret]",
// so that no log line, error or JSON document carries it by accident; whoever means it says `.bytes`.

import { inspect } from 'node:util'

export class Secret {
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** The bytes themselves, not a copy: whoever takes them keeps them out of sight. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** Another with the same bytes, so that whoever holds one may wipe it. */
  copy(): Secret {
    return new Secret(Uint8Array.from(this.#bytes))
  }

  /** Overwrites the bytes. JavaScript may still hold copies that it made; this removes ours. */
  wipe(): void {
    this.#bytes.fill(0)
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}

/** A secret as it stands in a document, or where to find it when it is needed. */
export type SecretSource =
  | Secret
  | { readonly file: string }
  | { readonly env: string }
  | { readonly command: readonly string[] }

/**
 * The text with everything hidden that could be a key or a part of one: twelve characters of base64 or hexadecimal in a row, or six
 * before "=", unless they are words or a number, so that names, paths and prefixes stay readable. For whatever somebody wrote, in errors.
 */
export function hideKeys(text: string): string {
  return text.replace(/[A-Za-z0-9+/]{6,}=+|[A-Za-z0-9+/]{12,}/g, run =>
    run
      .replace(/=+$/, '')
      .split('/')
      .every(part => plain.test(part))
      ? run
      : '[hidden]',
  )
}

/** "officeRouter2", "MTU", "51820", "0xca6c": of twelve random characters one in thousands looks so. */
const plain = /^(?=.{0,30}$)(?:[A-Z]?[a-z]*(?:[A-Z][a-z]{2,})*\d{0,5}|[A-Z]+\d{0,5}|\d{1,10}|0x[0-9a-fA-F]{1,16})$/
