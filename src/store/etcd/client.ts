// A client of an etcd cluster: one connection at a time, to a member that answers; the next one is taken when it does not.
// A request may so be sent twice: every write of ours is a transaction that holds only if it was not done before.

import { setTimeout as delay } from 'node:timers/promises'
import { podwireError, reasonOf } from '../../base/errors.ts'
import type { StoreAccess } from '../access.ts'
import { readAccess, readPassword } from './access-files.ts'
import type { EtcdEndpoint } from './address.ts'
import { Connection } from './grpc.ts'
import { GrpcError, grpcStatus } from './grpc-error.ts'
import {
  decodeRange,
  decodeTxn,
  decodeWatch,
  encodeRange,
  encodeTxn,
  encodeWatch,
  type Header,
  type Range,
  type RangeRequest,
  type Txn,
  type TxnRequest,
  type WatchEvent,
  type WatchRequest,
} from './messages.ts'
import { decodeToken, encodeCredentials } from './permission-messages.ts'

/** An election takes a second or two: as long as members answer, they are asked again; a write for longer, so that it is settled. */
const patienceMs = { read: 5_000, write: 15_000 } as const
const againMs = 100
/** A watch is confirmed within this. */
const createdMs = 8_000

interface Watching extends WatchRequest {
  /** Told once, when nothing can be missed any more. */
  readonly onCreated: () => void
  /** Told of every change: whole revisions, in their order; of none, with what revision all is known. */
  readonly onEvents: (events: readonly WatchEvent[], header: Header) => void
  readonly signal: AbortSignal
}

export class EtcdClient {
  readonly #endpoints: readonly EtcdEndpoint[]
  readonly #access: StoreAccess
  /** Which endpoint is in use; at first any, so that thousands of nodes spread over the members. */
  #at = Math.floor(Math.random() * 1024)
  #opening: Promise<Connection> | undefined
  #token: Promise<string> | undefined
  #closed = false

  constructor(endpoints: readonly EtcdEndpoint[], access: StoreAccess) {
    this.#endpoints = endpoints
    this.#access = access
  }

  async range(request: RangeRequest): Promise<Range & { readonly header: Header }> {
    return decodeRange((await this.ask('KV/Range', encodeRange(request), patienceMs.read)).answer)
  }

  /** `resent`: it was sent more than once, so that it may have been refused since it was done before. */
  async txn(request: TxnRequest): Promise<Txn & { readonly resent: boolean }> {
    const { answer, resent } = await this.ask('KV/Txn', encodeTxn(request))
    return { ...decodeTxn(answer), resent }
  }

  /** Sends a request, to other members too if one does not answer. Error: GrpcError, of all of them if all failed. */
  async ask(
    method: string,
    request: Buffer,
    patience: number = patienceMs.write,
  ): Promise<{ readonly answer: Buffer; readonly resent: boolean }> {
    const startMs = performance.now()
    let isRenewed = false
    for (let resent = false; ; ) {
      const failures = new Map<string, string>()
      let isElecting = false
      // Twice if there is but one: the connection that was kept may be broken since.
      for (let left = Math.max(2, this.#endpoints.length); left > 0; left--) {
        const { url } = this.#endpoint
        const opening = this.#open()
        try {
          const connection = await opening
          const metadata = await this.#metadata(connection)
          return { answer: await connection.ask(`/etcdserverpb.${method}`, request, metadata), resent }
        } catch (error) {
          if (isStaleToken(error) && !isRenewed) {
            this.#token = undefined
            isRenewed = true
            left++
            continue
          }
          this.#leaveAfter(error, opening)
          if (!isAway(error)) throw error
          failures.set(url, error.message)
          isElecting ||= error.isAnswer
          resent = true
        }
      }
      if (!isElecting || performance.now() - startMs > patience) throw allFailed(failures)
      await delay(againMs * (0.5 + Math.random()))
    }
  }

  /** Follows a range of keys until the signal or a break: it always ends with an error. */
  async watch({ onCreated, onEvents, signal, ...request }: Watching): Promise<never> {
    const opening = this.#open()
    try {
      const connection = await opening
      const metadata = await this.#metadata(connection)
      signal.throwIfAborted()
      let parts: WatchEvent[] = []
      const timer = setTimeout(() => connection.close('a watch was not confirmed'), createdMs)
      const call = connection.start('/etcdserverpb.Watch/Watch', metadata, message => {
        const { created, canceled, cancelReason, compactRevision, fragment, events, header } = decodeWatch(message)
        if (canceled) {
          const what = compactRevision > 0 ? `compacted to revision ${compactRevision}` : cancelReason
          if (compactRevision === 0) this.#token = undefined // it may be what is refused
          throw new GrpcError(grpcStatus.outOfRange, `the watch was ended: ${what}`, true)
        }
        if (created) {
          clearTimeout(timer)
          return onCreated()
        }
        parts.push(...events)
        if (fragment) return
        const whole = parts
        parts = []
        onEvents(whole, header)
      })
      signal.addEventListener('abort', call.cancel, { once: true })
      try {
        call.send(encodeWatch(request))
        await call.done
      } finally {
        clearTimeout(timer)
        signal.removeEventListener('abort', call.cancel)
      }
      throw new GrpcError(grpcStatus.unavailable, 'the watch ended', true)
    } catch (error) {
      if (!signal.aborted) this.#leaveAfter(error, opening)
      throw error
    }
  }

  get #endpoint(): EtcdEndpoint {
    return this.#endpoints[this.#at % this.#endpoints.length] as EtcdEndpoint
  }

  #open(): Promise<Connection> {
    if (this.#closed) throw podwireError('ERR_PODWIRE_CLOSED', { what: 'the store' })
    if (this.#opening !== undefined) return this.#opening
    // Read anew each time: certificates are renewed.
    const opening: Promise<Connection> = readAccess(this.#access, this.#endpoint).then(tls =>
      Connection.open(this.#endpoint, tls, () => this.#leave(opening, 'the connection was closed')),
    )
    this.#opening = opening
    return opening
  }

  /** A member that answers stays, whatever it says. */
  #leaveAfter(error: unknown, opening: Promise<Connection>): void {
    if (isAway(error) || !(error instanceof GrpcError)) this.#leave(opening, reasonOf(error))
  }

  /** Takes the next member from now on, unless somebody else did so already. */
  #leave(opening: Promise<Connection>, reason: string): void {
    if (this.#opening === opening) {
      this.#opening = undefined
      this.#at++
    }
    opening.then(
      connection => connection.close(reason),
      () => {},
    )
  }

  /** A member without a leader says so, in place of old news. */
  async #metadata(connection: Connection): Promise<Record<string, string>> {
    const { user } = this.#access
    if (user === undefined) return { hasleader: 'true' }
    this.#token ??= this.#authenticate(connection, user)
    const token = this.#token
    try {
      return { hasleader: 'true', token: await token }
    } catch (error) {
      if (this.#token === token) this.#token = undefined
      throw error
    }
  }

  async #authenticate(connection: Connection, user: string): Promise<string> {
    const request = encodeCredentials(user, await readPassword(this.#access))
    return decodeToken(await connection.ask('/etcdserverpb.Auth/Authenticate', request, { hasleader: 'true' }))
  }

  close(): void {
    this.#closed = true
    if (this.#opening !== undefined) this.#leave(this.#opening, 'the store was closed')
  }
}

/** Another member may do better, or this one later. */
function isAway(error: unknown): error is GrpcError {
  if (!(error instanceof GrpcError)) return false
  const { status, message } = error
  if (status === grpcStatus.unavailable || status === grpcStatus.deadlineExceeded) return true
  return status === grpcStatus.unknown && message.startsWith('raft') // dropped, as there is no leader
}

/** A token dies after minutes unused, with the member that gave it, and when users or roles change. */
function isStaleToken(error: unknown): boolean {
  if (!(error instanceof GrpcError)) return false
  const { status, message } = error
  return (
    status === grpcStatus.unauthenticated ||
    /invalid auth token|revision (?:of auth store|in header) is old/.test(message)
  )
}

function allFailed(failures: ReadonlyMap<string, string>): GrpcError {
  const reasons = [...failures].sort(([a], [b]) => (a < b ? -1 : 1)).map(([url, reason]) => `${url}: ${reason}`)
  return new GrpcError(grpcStatus.unavailable, reasons.join('; '))
}
