// The messages of etcd's users and roles, as rpc.proto and auth.proto say them.

import { GrpcError, grpcStatus } from './grpc-error.ts'
import { bytesField, fieldsOf, intField } from './wire.ts'

/** A request that is one name, or two: a user's, a role's. */
export function encodeNames(...names: readonly string[]): Buffer {
  return Buffer.concat(names.map((name, i) => bytesField(i + 1, name)))
}

/** The names that are in an answer about all users, or all roles. */
export function decodeNames(message: Buffer): string[] {
  return [...fieldsOf(message)].flatMap(({ number, bytes }) => (number === 2 ? bytes.toString() : []))
}

export interface Permission {
  readonly may: 'read' | 'read and write'
  readonly key: string
  /** The first key behind them; absent: `key` alone. */
  readonly end?: string
}

export function encodePermission(role: string, { may, key, end }: Permission): Buffer {
  const kind = intField(1, may === 'read' ? 0 : 2)
  const keys = [bytesField(2, key), ...(end === undefined ? [] : [bytesField(3, end)])]
  return Buffer.concat([bytesField(1, role), bytesField(2, [kind, ...keys])])
}

/** A user's name and password: to make one, or to come in. */
export function encodeCredentials(name: string, password: string): Buffer {
  return encodeNames(name, password)
}

export function decodeToken(message: Buffer): string {
  for (const { number, bytes } of fieldsOf(message)) if (number === 2) return bytes.toString()
  throw new GrpcError(grpcStatus.unknown, 'it gave no token', true)
}
