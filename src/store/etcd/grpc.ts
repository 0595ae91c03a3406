// gRPC over one HTTP/2 connection: a call sends messages, each behind five bytes (not compressed, its length), and gets
// messages and, last, a status. What is beyond HTTP/2 is only that, so node:http2 does it: @grpc/grpc-js with
// @bufbuild/protobuf would cost every agent 18 MB and 24 packages. A server that is gone without a word is noticed by pings.

import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type SecureContextOptions } from 'node:tls'
import { reasonOf } from '../../base/errors.ts'
import type { EtcdEndpoint } from './address.ts'
import { GrpcError, grpcStatus } from './grpc-error.ts'

/** A server answers a connection with its settings, a request with anything, and a ping with a ping, within these. */
const limitMs = { connect: 4_000, request: 8_000, ping: 5_000 } as const
/** etcd takes it as an attack below 5 s, or while nothing is asked. */
const pingEveryMs = 10_000
/** Of one message; many times a page of records. */
const maxMessageBytes = 16 << 20
const headerBytes = 5
/** More than HTTP/2's own 64 KiB, so that a page needs no round trips. */
const windowBytes = 1 << 20

interface Call {
  send(message: Buffer): void
  /** Nothing more will be sent. */
  end(): void
  cancel(): void
  /** Ends with the status; GrpcError if it is not 0. */
  readonly done: Promise<void>
}

export class Connection {
  readonly #session: ClientHttp2Session
  #calls = 0
  #pinger: NodeJS.Timeout | undefined
  #failure: Error | undefined
  #onClose = () => {}

  private constructor(session: ClientHttp2Session) {
    this.#session = session
    session.unref() // until something is asked
    session.on('error', error => {
      this.#failure ??= error
    })
    session.on('goaway', () => this.#isOver())
    session.on('close', () => this.#isOver())
  }

  /** Connects; `onClose` is told when nothing can be asked any more. Error: GrpcError. */
  static open(endpoint: EtcdEndpoint, tls: SecureContextOptions, onClose: () => void): Promise<Connection> {
    const socket = openSocket(endpoint, tls)
    const session = connect(endpoint.url, {
      createConnection: () => socket,
      settings: { initialWindowSize: windowBytes, enablePush: false },
    })
    const connection = new Connection(session)
    return new Promise((resolve, reject) => {
      connection.#onClose = () => {
        clearTimeout(timer)
        reject(new GrpcError(grpcStatus.unavailable, connection.#reason))
        onClose()
      }
      const timer = setTimeout(
        () => connection.close(`no connection within ${limitMs.connect / 1000} s`),
        limitMs.connect,
      )
      // A session that is up knows nothing of an alert of TLS, such as one about our certificate, which comes late.
      socket.on('error', error => connection.close((error as { reason?: string }).reason ?? error.message))
      session.once('remoteSettings', () => {
        clearTimeout(timer)
        session.setLocalWindowSize(windowBytes)
        resolve(connection)
      })
    })
  }

  /** Asks once and gets one answer. A server that is silent is gone: the connection is closed. Error: GrpcError. */
  async ask(path: string, message: Buffer, metadata: Readonly<Record<string, string>>): Promise<Buffer> {
    let answer: Buffer | undefined
    const call = this.start(path, { ...metadata, 'grpc-timeout': `${limitMs.request}m` }, part => {
      answer = part
    })
    call.send(message)
    call.end()
    const silent = () => this.close(`no answer within ${limitMs.request / 1000} s`)
    // The server, which knows the limit as well, has a little longer to say that it is over.
    const timer = setTimeout(silent, limitMs.request + 500)
    try {
      await call.done
    } finally {
      clearTimeout(timer)
    }
    if (answer === undefined) throw new GrpcError(grpcStatus.unknown, 'the answer is empty', true)
    return answer
  }

  /** Begins a call; `onMessage` gets each message of the server. */
  start(path: string, metadata: Readonly<Record<string, string>>, onMessage: (message: Buffer) => void): Call {
    let failure: Error | undefined
    let status: GrpcError | undefined
    const stream = this.#request(path, metadata)
    const fail = (error: unknown) => {
      failure ??= error instanceof Error ? error : new Error(String(error))
      stream.close(constants.NGHTTP2_CANCEL)
    }
    const note = (headers: IncomingHttpHeaders) => {
      if (headers['grpc-status'] === undefined) return
      const text = String(headers['grpc-message'] ?? '').replace(/(?:%[0-9a-f]{2})+/gi, escaped => decode(escaped))
      status = new GrpcError(Number(headers['grpc-status']), text, true)
    }
    const done = new Promise<void>((resolve, reject) => {
      stream.on('response', headers => {
        if (headers[':status'] !== constants.HTTP_STATUS_OK) fail(`HTTP status ${headers[':status']}: is it an etcd?`)
        note(headers)
      })
      stream.on('trailers', note)
      stream.on('data', messagesOf(onMessage, fail))
      stream.on('error', error => {
        failure ??= error
      })
      stream.on('close', () => {
        this.#ended()
        if (failure instanceof GrpcError) reject(failure)
        else if (failure === undefined && status?.status === 0) resolve()
        else if (failure === undefined && status !== undefined) reject(status)
        else {
          this.#failure ??= failure
          reject(new GrpcError(grpcStatus.unavailable, this.#reason))
        }
      })
    })
    return {
      send: message => void stream.write(framed(message)),
      end: () => void stream.end(),
      cancel: () => stream.close(constants.NGHTTP2_CANCEL),
      done,
    }
  }

  #request(path: string, metadata: Readonly<Record<string, string>>) {
    try {
      const stream = this.#session.request(
        { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...metadata },
        { endStream: false },
      )
      if (this.#calls++ === 0) {
        this.#session.ref()
        this.#pinger = setInterval(() => this.#ping(), pingEveryMs)
      }
      return stream
    } catch (error) {
      throw new GrpcError(grpcStatus.unavailable, reasonOf(error)) // closed meanwhile
    }
  }

  #ended(): void {
    if (--this.#calls > 0) return
    clearInterval(this.#pinger)
    if (!this.#session.destroyed) this.#session.unref()
  }

  #ping(): void {
    const silent = () => this.close(`no answer to a ping within ${limitMs.ping / 1000} s`)
    const timer = setTimeout(silent, limitMs.ping)
    if (!this.#session.ping(() => clearTimeout(timer))) clearTimeout(timer)
  }

  get #reason(): string {
    return this.#failure?.message ?? 'the connection broke'
  }

  /** Ends every call with this reason. */
  close(reason = 'closed'): void {
    this.#failure ??= new Error(reason)
    this.#session.destroy()
    this.#isOver() // not every session says so itself
  }

  #isOver(): void {
    const onClose = this.#onClose
    this.#onClose = () => {}
    onClose()
  }
}

function openSocket({ secure, host, port }: EtcdEndpoint, tls: SecureContextOptions): Socket {
  if (!secure) return connectTcp({ host, port, noDelay: true })
  return connectTls({ ...tls, host, port, ALPNProtocols: ['h2'], ...(isIP(host) === 0 && { servername: host }) })
}

function decode(escaped: string): string {
  return Buffer.from(escaped.replaceAll('%', ''), 'hex').toString()
}

function framed(message: Buffer): Buffer {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt32BE(message.length, 1)
  return Buffer.concat([header, message])
}

/** Takes the bytes of a call as they come, and gives its messages whole. */
function messagesOf(onMessage: (message: Buffer) => void, fail: (error: unknown) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = []
  let [length, wanted] = [0, headerBytes]
  return chunk => {
    chunks.push(chunk)
    length += chunk.length
    if (length < wanted) return
    let bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks)
    for (;;) {
      wanted = headerBytes
      if (bytes.length < headerBytes) break
      if (bytes[0] !== 0) return fail('the server compresses, which was not asked for')
      const size = bytes.readUInt32BE(1)
      if (size > maxMessageBytes) {
        return fail(new GrpcError(grpcStatus.resourceExhausted, `an answer of ${size >> 20} MiB is refused`))
      }
      wanted += size
      if (bytes.length < wanted) break
      try {
        onMessage(bytes.subarray(headerBytes, wanted))
      } catch (error) {
        return fail(error)
      }
      bytes = bytes.subarray(wanted)
    }
    chunks = bytes.length === 0 ? [] : [bytes]
    length = bytes.length
  }
}
