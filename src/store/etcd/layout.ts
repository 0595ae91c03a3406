// The keys of one network in an etcd, and what lies under them:
//
//   PREFIX/network               PREFIX/nodes/NAME
//   PREFIX/claims/10.99.1.0_24   PREFIX/removals/HEXADECIMAL

import { podwireError } from '../../base/errors.ts'
import { refuse } from '../../model/document.ts'
import {
  type Claim,
  type NodeRecord,
  parseClaim,
  parseNodeRecord,
  parseRemoval,
  type Removal,
} from '../../model/node-record.ts'
import { claimStem, keyStem } from '../stem.ts'
import type { KeyValue } from './messages.ts'

export interface Stored {
  readonly removals: Removal
  readonly claims: Claim
  readonly nodes: NodeRecord
}

export type Section = keyof Stored

/** In the order in which they are said: a record counts only with its claims behind it. */
export const sections: readonly Section[] = ['removals', 'claims', 'nodes']

/** "podwire/a": a node's user, and its role. No name has a slash, so that no two networks share one. */
export function nodeUser({ prefix }: { readonly prefix: string }, node: string): string {
  return `${prefix.slice(1)}/${node}`
}

/** Many times the longest record. */
const maxKib = 64

export class Layout {
  readonly prefix: string
  readonly network: string

  constructor(prefix: string) {
    this.prefix = prefix
    this.network = `${prefix}/network`
  }

  keyOf(section: Section, stem: string): string {
    return `${this.prefix}/${section}/${stem}`
  }

  nodeKey(name: string): string {
    return this.keyOf('nodes', name)
  }

  claimKey(prefix: string): string {
    return this.keyOf('claims', claimStem(prefix))
  }

  removalKey({ publicKey }: Pick<Removal, 'publicKey'>): string {
    return this.keyOf('removals', keyStem(publicKey))
  }

  /** Of a section, or of all: what begins with these keys. */
  rangeOf(section?: Section): { key: string; end: string } {
    const folder = section === undefined ? this.prefix : `${this.prefix}/${section}`
    return { key: `${folder}/`, end: `${folder}0` } // "0" is the one behind "/"
  }

  /** Where a key belongs; undefined if it is none of a section. */
  placeOf(key: string): { section: Section; stem: string } | undefined {
    const [, section, stem] = /^([a-z]+)\/(.*)$/s.exec(key.slice(this.prefix.length + 1)) ?? []
    const found = sections.find(name => name === section)
    return found && stem !== undefined ? { section: found, stem } : undefined
  }
}

const parsers: { [S in Section]: (text: string, key: string, stem: string) => Stored[S] } = {
  removals(text, key, stem) {
    const removal = parseRemoval(text, key)
    return named(removal, { key, stem, path: 'publicKey', found: keyStem(removal.publicKey) })
  },
  claims(text, key, stem) {
    const claim = parseClaim(text, key)
    return named(claim, { key, stem, path: 'prefix', found: claimStem(claim.prefix) })
  },
  nodes(text, key, stem) {
    const record = parseNodeRecord(text, key)
    return named(record, { key, stem, path: 'name', found: record.name })
  },
}

function named<T>(value: T, { key, stem, path, found }: { key: string; stem: string; path: string; found: string }): T {
  if (found === stem) return value
  throw podwireError('ERR_PODWIRE_DOCUMENT', { file: key, path, reason: `its key says "${stem}"` })
}

/** The value of a key of a section. Errors: those of the model's parsers; they name the key. */
export function parseStored<S extends Section>(section: S, stem: string, { key, value }: KeyValue): Stored[S] {
  return parsers[section](textOf({ key, value }), key, stem)
}

/** Error: ERR_PODWIRE_DOCUMENT, if it is longer than any of ours. */
export function textOf({ key, value }: Pick<KeyValue, 'key' | 'value'>): string {
  if (value.length <= maxKib << 10) return value.toString()
  throw refuse({ file: key, path: '', value: undefined }, `it is larger than ${maxKib} KiB`)
}
