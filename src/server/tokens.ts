// Tokens by which nodes are let in. The server keeps of each secret only its hash: 32 random bytes need no slow one. A token says
// who used it before anyone is let in by it, so that a crash in between lets the same key in again, and no other.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { join } from 'node:path'
import { podwireError } from '../base/errors.ts'
import { type PublicKey, parsePublicKey } from '../base/key.ts'
import {
  type Field,
  integerValue,
  listItems,
  objectFields,
  parseJson,
  placeOf,
  refuse,
  stringValue,
} from '../model/document.ts'
import { parseName } from '../model/name.ts'
import { timeValue } from '../model/node-record.ts'
import { DurableTable } from './durable-table.ts'

interface Use {
  readonly node: string
  readonly key: PublicKey
}

export interface Token {
  /** By which people name it. */
  readonly id: string
  /** SHA-256 of the secret, hexadecimal. */
  readonly hash: string
  /** The only name that may join by it. */
  readonly node?: string
  /** How many nodes may join by it. */
  readonly uses: number
  readonly usedBy: readonly Use[]
  /** Milliseconds since 1970. */
  readonly sinceMs: number
  readonly expiresMs: number
  readonly revokedMs?: number
}

/** What a token may be asked for. */
export interface TokenRequest {
  readonly node?: string
  /** Absent: 1. */
  readonly uses?: number
  /** Absent: an hour. */
  readonly lifetimeMs?: number
}

const hourMs = 3_600_000
const limits = { uses: 1000, lifetimeMs: 366 * 24 * hourMs }
/** How long one that ended is remembered, so that its end can be said. */
const rememberMs = 7 * 24 * hourMs

export class Tokens {
  readonly #table: DurableTable<Token>

  private constructor(table: DurableTable<Token>) {
    this.#table = table
  }

  static async open(folder: string): Promise<Tokens> {
    const table = await DurableTable.open(join(folder, 'tokens'), {
      key: ({ id }) => id,
      parse: parseToken,
      format: token => `${JSON.stringify(token)}\n`,
    })
    return new Tokens(table)
  }

  /** Oldest first. */
  list(): Token[] {
    return [...this.#table.values()].sort((a, b) => a.sinceMs - b.sinceMs)
  }

  /** Makes one; its secret is said here and nowhere else. */
  async create({ node, uses = 1, lifetimeMs = hourMs }: TokenRequest): Promise<{ token: Token; secret: string }> {
    const nowMs = Date.now()
    for (const { id, expiresMs } of this.list()) if (expiresMs + rememberMs < nowMs) await this.#table.delete(id)
    let id: string
    do id = randomBytes(4).toString('hex')
    while (this.#table.get(id) !== undefined)
    const secret = `${id}.${randomBytes(32).toString('base64url')}`
    const times = { sinceMs: nowMs, expiresMs: nowMs + lifetimeMs }
    const token = { id, hash: hashOf(secret).toString('hex'), ...(node && { node }), uses, usedBy: [], ...times }
    await this.#table.put(token)
    return { token, secret }
  }

  /** False if there is none of that name. */
  async revoke(id: string): Promise<boolean> {
    const token = this.#table.get(id)
    if (token === undefined) return false
    if (token.revokedMs === undefined) await this.#table.put({ ...token, revokedMs: Date.now() })
    return true
  }

  /**
   * The token of a secret, if this node may join by it with this key.
   * Errors: ERR_PODWIRE_TOKEN_UNKNOWN, _REVOKED, _FOR_ANOTHER, _EXPIRED, _USED.
   */
  check(secret: string, { node, key }: Use): Token {
    const token = this.#table.get(secret.split('.')[0] ?? '')
    const hash = Buffer.from(token?.hash ?? '0'.repeat(64), 'hex')
    if (!timingSafeEqual(hashOf(secret), hash) || token === undefined) {
      throw podwireError('ERR_PODWIRE_TOKEN_UNKNOWN', {})
    }
    const { id, node: bound, usedBy } = token
    if (token.revokedMs !== undefined) throw podwireError('ERR_PODWIRE_TOKEN_REVOKED', { id })
    if (bound !== undefined && bound !== node) {
      throw podwireError('ERR_PODWIRE_TOKEN_FOR_ANOTHER', { id, bound, name: node })
    }
    if (isUsedBy(token, { node, key })) return token
    if (Date.now() >= token.expiresMs) {
      throw podwireError('ERR_PODWIRE_TOKEN_EXPIRED', { id, time: new Date(token.expiresMs).toISOString() })
    }
    if (usedBy.length >= token.uses) {
      throw podwireError('ERR_PODWIRE_TOKEN_USED', { id, nodes: usedBy.map(use => `"${use.node}"`).join(', ') })
    }
    return token
  }

  async use(token: Token, use: Use): Promise<void> {
    if (!isUsedBy(token, use)) await this.#table.put({ ...token, usedBy: [...token.usedBy, use] })
  }
}

function isUsedBy({ usedBy }: Token, { node, key }: Use): boolean {
  return usedBy.some(use => use.key === key && use.node === node)
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

/** Reads what a token is asked for. Errors: ERR_PODWIRE_DOCUMENT, _NAME. */
export function readTokenRequest(field: Field): TokenRequest {
  const { node, uses, lifetimeMs } = objectFields(field, [], ['node', 'uses', 'lifetimeMs'])
  return {
    ...(node && { node: parseName(stringValue(node), placeOf(node)) }),
    ...(uses && { uses: integerValue(uses, 1, limits.uses) }),
    ...(lifetimeMs && { lifetimeMs: integerValue(lifetimeMs, 1, limits.lifetimeMs) }),
  }
}

function parseToken(text: string, file: string): Token {
  const { id, hash, node, uses, usedBy, sinceMs, expiresMs, revokedMs } = objectFields(
    parseJson(text, file),
    ['id', 'hash', 'uses', 'usedBy', 'sinceMs', 'expiresMs'],
    ['node', 'revokedMs'],
  )
  if (!/^[0-9a-f]{64}$/.test(stringValue(hash))) throw refuse(hash, 'expected 64 hexadecimal digits')
  return {
    id: stringValue(id),
    hash: stringValue(hash),
    ...(node && { node: parseName(stringValue(node), placeOf(node)) }),
    uses: integerValue(uses, 1, limits.uses),
    usedBy: listItems(usedBy).map(readUse),
    sinceMs: timeValue(sinceMs),
    expiresMs: timeValue(expiresMs),
    ...(revokedMs && { revokedMs: timeValue(revokedMs) }),
  }
}

/** Who joins, or joined. Errors: ERR_PODWIRE_DOCUMENT, _NAME, _KEY. */
function readUse(field: Field): Use {
  const { node, key } = objectFields(field, ['node', 'key'])
  return {
    node: parseName(stringValue(node), placeOf(node)),
    key: parsePublicKey(stringValue(key), placeOf(key)),
  }
}
