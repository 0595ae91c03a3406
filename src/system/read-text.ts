// A file of text that a person wrote: whole, and in UTF-8, so that what is written back or run is what was written. What is
// wrong with it is said in one way, whichever command reads it.

import { readFile } from 'node:fs/promises'
import { type PodwireError, podwireError, reasonOf } from '../base/errors.ts'

/** More than any configuration of WireGuard; what goes on for ever is none. */
const maxBytes = 16 << 20

/** The text of a file. Errors: ERR_PODWIRE_FILE, ERR_PODWIRE_DOCUMENT (it is not UTF-8; with the line). */
export async function readText(file: string): Promise<string> {
  return decodeText(await readFile(file).catch(error => Promise.reject(readError(file, error))), file)
}

/** Bytes as the text that they are; `file` names them in errors. Error: ERR_PODWIRE_DOCUMENT. */
export function decodeText(bytes: Uint8Array, file: string): string {
  if (bytes.length > maxBytes) {
    const reason = `it has ${bytes.length >> 20} MiB, and a configuration has at most ${maxBytes >> 20}`
    throw podwireError('ERR_PODWIRE_FILE', { file, what: 'read', reason })
  }
  try {
    return decode(bytes)
  } catch {
    const isUtf16 = ['fffe', 'feff'].includes(Buffer.from(bytes.subarray(0, 2)).toString('hex'))
    const reason = isUtf16
      ? 'the file is UTF-16: save it as UTF-8, as by `iconv -f UTF-16 -t UTF-8`'
      : 'the bytes are not UTF-8: write it anew, as by `iconv -f ISO-8859-1 -t UTF-8`'
    throw podwireError('ERR_PODWIRE_DOCUMENT', { file, path: `line ${wrongLine(bytes)}`, reason })
  }
}

/** A byte-order mark stays, as all else does. Throws if it is not UTF-8. */
function decode(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
}

/** The end of a line is in no longer character, so that lines can be tried one by one. */
function wrongLine(bytes: Uint8Array): number {
  for (let line = 1, start = 0; ; line++) {
    const end = bytes.indexOf(0x0a, start)
    if (end === -1) return line
    try {
      decode(bytes.subarray(start, end))
    } catch {
      return line
    }
    start = end + 1
  }
}

const reasons: Record<string, string> = {
  ENOENT: 'there is no such file',
  EACCES: 'it may not be read',
  EISDIR: 'it is a folder',
}

/** Why a file could not be read, in words for those that people meet. */
export function readError(file: string, error: unknown): PodwireError {
  const { code = '' } = error as NodeJS.ErrnoException
  return podwireError('ERR_PODWIRE_FILE', { file, what: 'read', reason: reasons[code] ?? reasonOf(error) }, error)
}
