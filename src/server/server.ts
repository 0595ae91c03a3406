// `podwire server`: HTTPS for the nodes of a network, and a socket for root of this host. Whoever connects may say nothing,
// garbage, or too much: that costs its own connection.

import { chmod, unlink } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { PodwireError, podwireError, reasonOf } from '../base/errors.ts'
import { formatPublicKey, type PublicKey } from '../base/key.ts'
import type { Log } from '../base/log.ts'
import { selfSigned } from '../store/self-signed.ts'
import { adminSocket, parseServerAddress } from '../store/server-address.ts'
import { type Lock, takeFileLock } from '../system/process-lock.ts'
import { errorBody, readBody, respond, statusOf } from './respond.ts'
import { type Caller, nodeOf, Routes } from './routes.ts'
import { openServerState, type ServerState } from './state.ts'
import { serveWatch, type WatchTiming } from './watchers.ts'

export interface ServerOptions {
  readonly folder: string
  /** Absent: the port of its address, on all addresses of the host. */
  readonly listen?: { readonly host?: string; readonly port: number }
  readonly log: Log
  /** For tests. */
  readonly limits?: Partial<Limits>
}

interface Limits extends WatchTiming {
  /** For a TLS handshake, for a request's head, and for its body. */
  readonly patienceMs: number
  /** Connections in all, and from one address of callers that are no nodes. */
  readonly connections: number
  readonly strangers: number
}

const defaultLimits: Limits = { beatMs: 5_000, silentMs: 20_000, patienceMs: 10_000, connections: 4096, strangers: 256 }

export interface RunningServer {
  /** Where it listens for nodes. */
  readonly port: number
  /** Ends all connections, after what was begun is on disk. */
  close(): Promise<void>
}

/** Errors: ERR_PODWIRE_SERVER_STATE, ERR_PODWIRE_SYSTEM (the port), and those of the state's files. */
export async function startServer({ folder, listen, log, limits }: ServerOptions): Promise<RunningServer> {
  const lock = await lockState(folder)
  try {
    const state = await openServerState(folder)
    const service = new Service(state, log, { ...defaultLimits, ...limits })
    const place = parseServerAddress(state.address)
    const port = await service.listen(listen ?? { port: 'port' in place ? place.port : 0 }, join(folder, adminSocket))
    log.info({ address: state.address, port, pin: state.pin }, 'the server is ready')
    return {
      port,
      async close() {
        await service.close()
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

async function lockState(folder: string): Promise<Lock> {
  const lock = await takeFileLock(join(folder, 'lock')).catch(error => {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error
    throw podwireError('ERR_PODWIRE_SERVER_STATE', { folder, reason: reasonOf(error) }, error)
  })
  if (lock !== undefined) return lock
  throw podwireError('ERR_PODWIRE_SERVER_STATE', { folder, reason: 'another server runs on it' })
}

class Service {
  readonly #state: ServerState
  readonly #log: Log
  readonly #limits: Limits
  readonly #routes: Routes
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  /** By address: connections of callers that are not known to be nodes. */
  readonly #strangers = new Map<string, Set<Socket>>()

  constructor(state: ServerState, log: Log, limits: Limits) {
    this.#state = state
    this.#log = log
    this.#limits = limits
    this.#routes = new Routes(state, log)
  }

  /** Returns the port for nodes. */
  async listen(tcp: { host?: string; port: number }, socket: string): Promise<number> {
    const { patienceMs } = this.#limits
    const limited = {
      maxHeaderSize: 8192,
      headersTimeout: patienceMs,
      requestTimeout: 0, // a watch's never ends; bodies have a limit of their own
      connectionsCheckingInterval: Math.min(patienceMs, 5_000),
    }
    const tls = createTlsServer(
      {
        ...limited,
        key: this.#state.key.export({ type: 'pkcs8', format: 'pem' }),
        cert: selfSigned(this.#state.key, 'podwire'),
        minVersion: 'TLSv1.3',
        handshakeTimeout: patienceMs,
        // What a node shows is a key, proven by the handshake; who it is, `identities` knows.
        requestCert: true,
        rejectUnauthorized: false,
      },
      this.#listener(request => ({ ...keyOf(request.socket as TLSSocket), address: addressOf(request.socket) })),
    )
    const admin = createServer(
      limited,
      this.#listener(() => ({ address: 'root on the server' })),
    )
    this.#servers.push(tls, admin)
    tls.on('connection', (raw: Socket) => this.#admit(raw))
    tls.on('secureConnection', (secure: TLSSocket) => this.#recognise(secure))
    for (const server of this.#servers) {
      server.maxConnections = this.#limits.connections
      server.on('clientError', (_, connection) => connection.destroy())
      server.on('connection', (connection: Socket) => {
        this.#sockets.add(connection)
        connection.on('error', () => {}).on('close', () => this.#sockets.delete(connection))
      })
    }
    try {
      // We hold the lock: a socket that is there was left by a server that was killed.
      await unlink(socket).catch(() => {})
      await listening(admin, { path: socket })
      await chmod(socket, 0o600)
      await listening(tls, tcp)
    } catch (error) {
      await this.close()
      throw podwireError('ERR_PODWIRE_SYSTEM', { what: 'listening for nodes', reason: reasonOf(error) }, error)
    }
    return (tls.address() as { port: number }).port
  }

  #admit(raw: Socket): void {
    const address = addressOf(raw)
    const beside = this.#strangers.get(address) ?? new Set()
    if (beside.size >= this.#limits.strangers) return void raw.destroy()
    this.#strangers.set(address, beside.add(raw))
    raw.on('close', () => this.#forget(raw, address))
  }

  #forget(raw: Socket, address: string): void {
    const beside = this.#strangers.get(address)
    beside?.delete(raw)
    if (beside?.size === 0) this.#strangers.delete(address)
  }

  /** A node's connection counts with the strangers' no more. */
  #recognise(secure: TLSSocket): void {
    const { key } = keyOf(secure)
    const identity = key === undefined ? undefined : this.#state.identities.of(key)
    if (identity === undefined || identity.removedMs !== undefined) return
    const address = addressOf(secure)
    for (const raw of this.#strangers.get(address) ?? []) {
      if (raw.remotePort === secure.remotePort) this.#forget(raw, address)
    }
  }

  #listener(callerOf: (request: IncomingMessage) => Caller): RequestListener {
    return (request, response) => {
      this.#answer(callerOf(request), request, response).catch(error => {
        if (request.socket.destroyed) return
        if (!(error instanceof PodwireError)) this.#log.error({ reason: String(error) }, 'a request failed by a defect')
        if (response.headersSent) return void request.socket.destroy()
        respond(response, statusOf(error), errorBody(error))
      })
    }
  }

  async #answer(caller: Caller, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request
    const [, path = '', from] = /^\/v1\/([^?]*)(?:\?from=(.*))?$/.exec(url) ?? []
    if (method === 'POST' && path === 'watch') {
      nodeOf(this.#state, caller)
      request.socket.setNoDelay(true)
      return serveWatch(this.#state, caller, { request, response, from, timing: this.#limits })
    }
    const body = await readBody(request, this.#limits.patienceMs)
    const answer = await this.#routes.answer(caller, { method, path, body })
    respond(response, 200, { answer })
  }

  async close(): Promise<void> {
    const closed = this.#servers
      .filter(server => server.listening)
      .map(server => new Promise(resolve => server.close(resolve)))
    await this.#routes.settled()
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(closed)
  }
}

function listening(server: Server, where: object): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function addressOf(socket: Socket): string {
  return socket.remoteAddress ?? ''
}

const keys = new WeakMap<TLSSocket, { key?: PublicKey }>()

/** The Ed25519 key that a connection was made with, if it showed one. */
function keyOf(socket: TLSSocket): { key?: PublicKey } {
  const known = keys.get(socket)
  if (known !== undefined) return known
  const publicKey = socket.getPeerX509Certificate()?.publicKey
  const found =
    publicKey?.asymmetricKeyType === 'ed25519'
      ? { key: formatPublicKey(Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')) }
      : {}
  keys.set(socket, found)
  return found
}
