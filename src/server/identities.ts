// Who may speak for which node: an Ed25519 public key for each, let in once by a token. A key that was taken out is kept, so that
// it stays out, and is told so.

import { join } from 'node:path'
import { podwireError } from '../base/errors.ts'
import { type PublicKey, parsePublicKey } from '../base/key.ts'
import { objectFields, parseJson, placeOf, stringValue } from '../model/document.ts'
import { parseName } from '../model/name.ts'
import { timeValue } from '../model/node-record.ts'
import { keyStem } from '../store/stem.ts'
import { DurableTable } from './durable-table.ts'

export interface Identity {
  readonly node: string
  /** Ed25519, the 32 bytes in base64. */
  readonly key: PublicKey
  /** Milliseconds since 1970. */
  readonly sinceMs: number
  readonly removedMs?: number
}

export class Identities {
  readonly #table: DurableTable<Identity>

  private constructor(table: DurableTable<Identity>) {
    this.#table = table
  }

  static async open(folder: string): Promise<Identities> {
    const table = await DurableTable.open(join(folder, 'identities'), {
      key: ({ key }) => keyStem(key),
      parse: parseIdentity,
      format: identity => `${JSON.stringify(identity)}\n`,
    })
    return new Identities(table)
  }

  /** Those taken out included. */
  of(key: PublicKey): Identity | undefined {
    return this.#table.get(keyStem(key))
  }

  /** The one who speaks for a node now. */
  ofNode(name: string): Identity | undefined {
    for (const identity of this.#table.values()) {
      if (identity.node === name && identity.removedMs === undefined) return identity
    }
    return undefined
  }

  /** Whether a key may be let in for a node. Errors: ERR_PODWIRE_NODE_REMOVED, _NODE_NAME_TAKEN, _STORE_DENIED. */
  check(node: string, key: PublicKey): void {
    const known = this.of(key)
    if (known?.removedMs !== undefined) throw podwireError('ERR_PODWIRE_NODE_REMOVED', { name: known.node, key })
    if (known !== undefined && known.node !== node) {
      throw podwireError('ERR_PODWIRE_STORE_DENIED', { who: node, reason: `its identity is that of "${known.node}"` })
    }
    const holder = this.ofNode(node)
    if (holder === undefined || holder.key === key) return
    const found = { name: node, theirs: holder.key, ours: key, record: `(podwire node remove ${node})` }
    throw podwireError('ERR_PODWIRE_NODE_NAME_TAKEN', found)
  }

  async add(node: string, key: PublicKey): Promise<void> {
    if (this.of(key) === undefined) await this.#table.put({ node, key, sinceMs: Date.now() })
  }

  /** False if nobody speaks for it. */
  async remove(node: string): Promise<boolean> {
    const identity = this.ofNode(node)
    if (identity === undefined) return false
    await this.#table.put({ ...identity, removedMs: Date.now() })
    return true
  }
}

function parseIdentity(text: string, file: string): Identity {
  const { node, key, sinceMs, removedMs } = objectFields(
    parseJson(text, file),
    ['node', 'key', 'sinceMs'],
    ['removedMs'],
  )
  return {
    node: parseName(stringValue(node), placeOf(node)),
    key: parsePublicKey(stringValue(key), placeOf(key)),
    sinceMs: timeValue(sinceMs),
    ...(removedMs && { removedMs: timeValue(removedMs) }),
  }
}
