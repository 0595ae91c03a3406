// What root may do on the host of `podwire server`, while it runs: make, list and revoke join tokens. Nodes are listed and removed
// through the store "server:/FOLDER" (store.ts).

import { type Field, integerValue, listItems, objectFields, placeOf, stringValue } from '../model/document.ts'
import { parseName } from '../model/name.ts'
import { ServerClient } from './server-client.ts'

export interface TokenWish {
  /** The only name that may join by it. */
  readonly node?: string
  /** How many nodes may join by it; absent: 1. */
  readonly uses?: number
  /** Absent: an hour. */
  readonly lifetimeMs?: number
}

export interface MadeToken {
  readonly id: string
  /** What a node joins by (src/model/join-token.ts), in clear. */
  readonly token: string
  /** Milliseconds since 1970. */
  readonly expiresMs: number
}

export interface ListedToken {
  readonly id: string
  readonly node?: string
  readonly uses: number
  /** Names of those who joined by it. */
  readonly usedBy: readonly string[]
  readonly sinceMs: number
  readonly expiresMs: number
  readonly revokedMs?: number
}

/** Errors: ERR_PODWIRE_STORE (no server runs on that folder), ERR_PODWIRE_DOCUMENT (a wish out of bounds). */
export async function createToken(folder: string, wish: TokenWish): Promise<MadeToken> {
  const answer = await ask(folder, 'making a token', { method: 'POST', path: 'tokens', body: wish })
  const { id, token, expiresMs } = objectFields(answer, ['id', 'token', 'expiresMs'])
  return { id: stringValue(id), token: stringValue(token), expiresMs: timeOf(expiresMs) }
}

/** Oldest first, those of the last week that ended included. */
export async function listTokens(folder: string): Promise<ListedToken[]> {
  return listItems(await ask(folder, 'reading the tokens', { method: 'GET', path: 'tokens' })).map(item => {
    const { id, node, uses, usedBy, sinceMs, expiresMs, revokedMs } = objectFields(
      item,
      ['id', 'uses', 'usedBy', 'sinceMs', 'expiresMs'],
      ['node', 'revokedMs'],
    )
    return {
      id: stringValue(id),
      ...(node && { node: parseName(stringValue(node), placeOf(node)) }),
      uses: timeOf(uses),
      usedBy: listItems(usedBy).map(use => stringValue(objectFields(use, ['node', 'key']).node)),
      sinceMs: timeOf(sinceMs),
      expiresMs: timeOf(expiresMs),
      ...(revokedMs && { revokedMs: timeOf(revokedMs) }),
    }
  })
}

/** False if there is none of that name. */
export async function revokeToken(folder: string, id: string): Promise<boolean> {
  const path = `tokens/${encodeURIComponent(id)}`
  return (await ask(folder, 'revoking a token', { method: 'DELETE', path })).value === true
}

type Question = Parameters<ServerClient['ask']>[1]

async function ask(folder: string, what: string, question: Question): Promise<Field> {
  const value = await new ServerClient(`server:${folder}`).ask(what, question)
  return { file: 'the answer', path: '', value }
}

function timeOf(field: Field): number {
  return integerValue(field, 0, Number.MAX_SAFE_INTEGER)
}
