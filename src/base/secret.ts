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

/** The text with everything that could be a key (42 characters of base64, or of hexadecimal, or more) hidden: for values in errors. */
export function hideKeys(text: string): string {
  return text.replace(/[A-Za-z0-9+/]{42,}={0,2}/g, '[hidden]')
}
