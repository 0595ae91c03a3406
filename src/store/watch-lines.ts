// What `podwire server` says on a watch, one JSON value a line:
//
//   {"kind":"list"} or {"kind":"resumed"}       all there is follows, or what changed since `from`
//   {"kind":"node","record":{…}} …              events of a store, as src/store/store.ts has them
//   {"kind":"inSync","at":"5f3c….17"}           that was all; `at` is what a later watch may go on from
//   {"kind":"node","record":{…},"at":"5f3c….18"} …   changes, each with its place
//   {"kind":"error","code":…,"message":…,"hint":…}   the watch ends
//   (nothing)                                   it is alive

import { type Field, objectFields, parseJson, refuse, stringValue } from '../model/document.ts'
import { parseName } from '../model/name.ts'
import { readNetworkConfig } from '../model/network-config.ts'
import { readClaim, readNodeRecord, readRemoval } from '../model/node-record.ts'
import type { Change } from './store.ts'

type Line =
  | { readonly kind: 'list' | 'resumed' }
  | { readonly kind: 'inSync'; readonly at: string }
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'change'; readonly change: Change; readonly at: string | undefined }

/** Parses a line that is not empty. Errors: ERR_PODWIRE_DOCUMENT, and those of what it holds. */
export function parseWatchLine(text: string): Line {
  const line = parseJson(text, 'the watch')
  const { kind } = (line.value ?? {}) as { kind?: unknown }
  if (kind === 'list' || kind === 'resumed') return { kind }
  if (kind === 'error') return { kind, error: line.value }
  if (kind === 'inSync') return { kind, at: stringValue(objectFields(line, ['kind', 'at']).at) }
  const { at } = line.value as { at?: unknown }
  return { kind: 'change', change: readChange(line, kind), at: typeof at === 'string' ? at : undefined }
}

function readChange(line: Field, kind: unknown): Change {
  const field = <K extends string>(name: K) => objectFields(line, ['kind', name], ['at'])[name]
  switch (kind) {
    case 'network':
      return { kind, network: readNetworkConfig(field('network')) }
    case 'node':
      return { kind, record: readNodeRecord(field('record')) }
    case 'nodeGone':
      return { kind, name: parseName(stringValue(field('name')), 'the watch: name') }
    case 'claim':
      return { kind, claim: readClaim(field('claim')) }
    case 'claimGone':
      return { kind, prefix: stringValue(field('prefix')) }
    case 'removal':
      return { kind, removal: readRemoval(field('removal')) }
    default:
      throw refuse(line, 'it is of no kind that is known here')
  }
}

export function formatLine(value: object): string {
  return `${JSON.stringify(value)}\n`
}
