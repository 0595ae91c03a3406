// What `wg` reads of the machine: key files, texts, and the names of services.

import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { podwireError } from '../../base/errors.ts'
import { parseSecretKey } from '../../base/key.ts'
import { hideKeys, type Secret } from '../../base/secret.ts'
import { type FindService, serviceFinder } from '../../config/wg-values.ts'
import { readError } from '../../system/read-text.ts'

/** Longer than any key with the blanks behind it; what goes on for ever is no key. */
const maxKeyFileBytes = 4096

/** The key in a file (or pipe); null if it is empty, which clears. Errors: ERR_PODWIRE_FILE, ERR_PODWIRE_KEY. */
export function readKeyFile(file: string): Secret | null {
  const bytes = Buffer.alloc(maxKeyFileBytes)
  const length = readingFile(file, () => {
    const fd = openSync(file, 'r')
    try {
      let end = 0
      for (let read = -1; read !== 0 && end < bytes.length; end += read)
        read = readSync(fd, bytes, end, bytes.length - end, null)
      return end
    } finally {
      closeSync(fd)
    }
  })
  const text = bytes.toString('latin1', 0, length)
  bytes.fill(0)
  return length === 0 ? null : parseSecretKey(text.trimEnd(), file)
}

/** A whole text. Error: ERR_PODWIRE_FILE. */
export function readText(file: string): string {
  return readingFile(file, () => readFileSync(file, 'utf8'))
}

function readingFile<T>(file: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (mayBeKey(file)) {
      const reason = 'a file that has the key is expected here, and this may be a key itself: make another, it was seen'
      throw podwireError('ERR_PODWIRE_FILE', { file: '(not shown)', what: 'read', reason }) // without the cause, which says the path
    }
    throw readError(file, error)
  }
}

/** Also a part of one; a path from the root is taken for a key only if it has the length of one. */
function mayBeKey(file: string): boolean {
  return /^[A-Za-z0-9+/]{43}=$/.test(file) || (/^[A-Za-z0-9+][A-Za-z0-9+/]*=?$/.test(file) && hideKeys(file) !== file)
}

/** Looks into /etc/services when first asked; without it there are no names. */
export function systemServices(): FindService {
  let find: FindService | undefined
  return name => {
    find ??= serviceFinder(readServices())
    return find(name)
  }
}

function readServices(): string {
  try {
    return readFileSync('/etc/services', 'utf8')
  } catch {
    return ''
  }
}
