// Reads what a caller sends, within limits, and writes an answer or an error as JSON.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ErrorCode, PodwireError, podwireError } from '../base/errors.ts'
import { type Field, parseJson, refuse } from '../model/document.ts'

const maxBodyBytes = 64 << 10

/** The body as JSON; nothing is null. Error: ERR_PODWIRE_DOCUMENT; one that takes too long ends its connection. */
export async function readBody(request: IncomingMessage, withinMs: number): Promise<Field> {
  const field = { file: 'the request', path: '', value: null }
  const tooLarge = () => refuse(field, `it is larger than ${maxBodyBytes >> 10} KiB`)
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge()
  const timer = setTimeout(() => request.socket.destroy(), withinMs)
  try {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of request) {
      bytes += chunk.length
      if (bytes > maxBodyBytes) throw tooLarge()
      chunks.push(chunk)
    }
    return bytes === 0 ? field : parseJson(Buffer.concat(chunks).toString(), field.file)
  } finally {
    clearTimeout(timer)
  }
}

/** Every answer ends its connection: they are few, and none is ever sent into one that is about to close. */
export function respond(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body)
  const length = Buffer.byteLength(text)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': length, connection: 'close' })
  response.end(text)
}

const statuses: Partial<Record<ErrorCode, number>> = {
  ERR_PODWIRE_STORE: 503,
  ERR_PODWIRE_STORE_BUSY: 429,
  ERR_PODWIRE_NODE_NAME_TAKEN: 409,
  ERR_PODWIRE_NODE_REMOVED: 410,
  ERR_PODWIRE_DOCUMENT: 400,
  ERR_PODWIRE_NAME: 400,
  ERR_PODWIRE_KEY: 400,
  ERR_PODWIRE_CIDR: 400,
  ERR_PODWIRE_ENDPOINT: 400,
}

export function statusOf(error: unknown): number {
  return error instanceof PodwireError ? (statuses[error.code] ?? 403) : 500
}

/** What a caller is told. A defect is for the log only. */
export function errorBody(error: unknown): { code: ErrorCode; message: string; hint: string } {
  const known = error instanceof PodwireError ? error : defect
  return { code: known.code, message: known.message, hint: known.hint }
}

const defect = podwireError('ERR_PODWIRE_STORE', {
  store: 'server',
  what: 'answering',
  reason: 'a defect, which the log of the server has',
})
