// The messages of etcd's API (v3) that a store needs, with the fields that it needs: etcd's rpc.proto and
// kv.proto say the numbers. Requests are written, responses read.

import { GrpcError, grpcStatus } from './grpc-error.ts'
import { boolField, bytesField, fieldsOf, intField } from './wire.ts'

export interface KeyValue {
  readonly key: string
  readonly createRevision: number
  readonly modRevision: number
  readonly value: Buffer
}

export interface RangeRequest {
  readonly key: string
  /** The first key behind it; absent: `key` alone. */
  readonly end?: string
  /** Most keys in the answer; absent: all. */
  readonly limit?: number
  /** As of this revision; absent: now. */
  readonly revision?: number
  /** Only what was changed then or later. */
  readonly minModRevision?: number
  readonly keysOnly?: boolean
}

export interface Range {
  readonly kvs: readonly KeyValue[]
  /** There are keys behind the last one. */
  readonly more: boolean
  /** All keys of the range, also those that a limit or a revision kept out of the answer. */
  readonly count: number
}

export interface Header {
  readonly clusterId: number
  readonly revision: number
}

/** A condition of a transaction: the key's revision is (or is not) the number. 0: there is no such key. */
export interface Compare {
  readonly key: string
  readonly target: 'create' | 'mod'
  readonly is: 'equal' | 'not equal'
  readonly revision: number
}

export type Operation =
  | { readonly get: string }
  | { readonly put: string; readonly value: string }
  | { readonly remove: string }

export interface TxnRequest {
  readonly compare: readonly Compare[]
  /** Done if all of `compare` holds. */
  readonly success: readonly Operation[]
  /** Done if not. */
  readonly failure?: readonly Operation[]
}

export interface WatchRequest {
  readonly key: string
  readonly end: string
  /** From this revision on. */
  readonly revision: number
}

export interface WatchEvent {
  readonly kind: 'put' | 'delete'
  readonly kv: KeyValue
}

export interface WatchResponse {
  readonly header: Header
  readonly created: boolean
  readonly canceled: boolean
  readonly cancelReason: string
  /** Above 0: what was asked for is forgotten, up to here. */
  readonly compactRevision: number
  /** More of the same revisions follows. */
  readonly fragment: boolean
  readonly events: readonly WatchEvent[]
}

export function encodeRange({ key, end, limit, revision, minModRevision, keysOnly }: RangeRequest): Buffer {
  return Buffer.concat([
    bytesField(1, key),
    ...(end === undefined ? [] : [bytesField(2, end)]),
    intField(3, limit ?? 0),
    intField(4, revision ?? 0),
    boolField(8, keysOnly ?? false),
    intField(10, minModRevision ?? 0),
  ])
}

export function decodeRange(message: Buffer): Range & { readonly header: Header } {
  const kvs: KeyValue[] = []
  let [header, more, count] = [noHeader, false, 0]
  for (const { number, int, bytes } of fieldsOf(message)) {
    if (number === 1) header = decodeHeader(bytes)
    else if (number === 2) kvs.push(decodeKeyValue(bytes))
    else if (number === 3) more = int !== 0
    else if (number === 4) count = int
  }
  return { header, kvs, more, count }
}

export function encodeTxn({ compare, success, failure = [] }: TxnRequest): Buffer {
  return Buffer.concat([
    ...compare.map(one => bytesField(1, encodeCompare(one))),
    ...success.map(one => bytesField(2, encodeOperation(one))),
    ...failure.map(one => bytesField(3, encodeOperation(one))),
  ])
}

function encodeCompare({ key, target, is, revision }: Compare): Buffer[] {
  const result = intField(1, is === 'equal' ? 0 : 3)
  const what = intField(2, target === 'create' ? 1 : 2)
  return [result, what, bytesField(3, key), intField(target === 'create' ? 5 : 6, revision)]
}

function encodeOperation(operation: Operation): Buffer {
  if ('get' in operation) return bytesField(1, [bytesField(1, operation.get)])
  if ('put' in operation) return bytesField(2, [bytesField(1, operation.put), bytesField(2, operation.value)])
  return bytesField(3, [bytesField(1, operation.remove)])
}

export interface Txn {
  readonly succeeded: boolean
  /** What each `get` of the branch that was taken found. */
  readonly found: readonly (KeyValue | undefined)[]
}

export function decodeTxn(message: Buffer): Txn {
  const found: (KeyValue | undefined)[] = []
  let succeeded = false
  for (const { number, int, bytes } of fieldsOf(message)) {
    if (number === 2) succeeded = int !== 0
    if (number !== 3) continue
    for (const answer of fieldsOf(bytes)) if (answer.number === 1) found.push(decodeRange(answer.bytes).kvs[0])
  }
  return { succeeded, found }
}

export function encodeWatch({ key, end, revision }: WatchRequest): Buffer {
  const progressNotify = boolField(4, true)
  const fragment = boolField(8, true)
  return bytesField(1, [bytesField(1, key), bytesField(2, end), intField(3, revision), progressNotify, fragment])
}

export function decodeWatch(message: Buffer): WatchResponse {
  const events: WatchEvent[] = []
  let [header, cancelReason, compactRevision] = [noHeader, '', 0]
  let [created, canceled, fragment] = [false, false, false]
  for (const { number, int, bytes } of fieldsOf(message)) {
    if (number === 1) header = decodeHeader(bytes)
    else if (number === 3) created = int !== 0
    else if (number === 4) canceled = int !== 0
    else if (number === 5) compactRevision = int
    else if (number === 6) cancelReason = bytes.toString()
    else if (number === 7) fragment = int !== 0
    else if (number === 11) events.push(decodeEvent(bytes))
  }
  return { header, created, canceled, cancelReason, compactRevision, fragment, events }
}

const noHeader: Header = { clusterId: 0, revision: 0 }

function decodeHeader(message: Buffer): Header {
  let { clusterId, revision } = noHeader
  for (const { number, int } of fieldsOf(message)) {
    if (number === 1) clusterId = int
    else if (number === 3) revision = int
  }
  return { clusterId, revision }
}

function decodeEvent(message: Buffer): WatchEvent {
  let kind: WatchEvent['kind'] = 'put'
  let kv: KeyValue | undefined
  for (const { number, int, bytes } of fieldsOf(message)) {
    if (number === 1 && int === 1) kind = 'delete'
    else if (number === 2) kv = decodeKeyValue(bytes)
  }
  if (kv === undefined) throw new GrpcError(grpcStatus.unknown, 'it sent an event without a key', true)
  return { kind, kv }
}

function decodeKeyValue(message: Buffer): KeyValue {
  let [key, createRevision, modRevision] = ['', 0, 0]
  let value: Buffer = Buffer.alloc(0)
  for (const { number, int, bytes } of fieldsOf(message)) {
    if (number === 1) key = bytes.toString()
    else if (number === 2) createRevision = int
    else if (number === 3) modRevision = int
    else if (number === 5) value = bytes
  }
  return { key, createRevision, modRevision, value }
}
