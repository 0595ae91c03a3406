// Talks to an API server: one HTTP/2 connection for all requests and watches, so that thousands of agents cost the server
// one connection each. A connection that went dead without a word is found by a ping and given up; the next request makes
// a new one.

import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2'
import { setTimeout as delay } from 'node:timers/promises'
import type { Cluster, Credentials } from './cluster.ts'

/** What the API server said instead of doing it. */
export class ApiError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly body?: unknown
}

/** For connecting, and for each request that is no watch. */
const timeLimitMs = 10_000
/** A connection that leaves a ping unanswered for this long is dead. */
const pingMs = 15_000
/** How often a request is sent again that the server is too busy for (429). */
const maxBusy = 4
/** Many lists are longer than the 64 KiB that HTTP/2 lets a server send ahead. */
const windowBytes = 1 << 20
/** An object is at most 1.5 MiB in etcd. */
const maxLineBytes = 1 << 23

export class KubernetesClient {
  readonly #cluster: Cluster
  #session: Promise<ClientHttp2Session> | undefined
  /** The client certificate that the session was made with. */
  #cert: string | undefined
  #closed = false

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  get server(): string {
    return this.#cluster.server
  }

  /** The answer's JSON. Errors: ApiError; else what failed below. */
  async request(request: Request): Promise<unknown> {
    for (let busy = 1; ; busy++) {
      const { status, headers, text } = await this.#ask(request)
      if (status < 300) return JSON.parse(text)
      if (status !== 429 || busy === maxBusy) throw apiError(status, text)
      await delay((Number(headers['retry-after']) || 1) * 1000 * (0.5 + Math.random()))
    }
  }

  async #ask(request: Request): Promise<Pick<Answer, 'status' | 'headers'> & { text: string }> {
    const signal = AbortSignal.timeout(timeLimitMs)
    try {
      const { stream, ...head } = await this.#send(request, signal)
      return { ...head, text: await readAll(stream) }
    } catch (error) {
      throw signal.aborted ? noAnswer() : error
    }
  }

  /** Each line of an answer that has no end, as JSON, until the server ends it. Errors: as those of `request`. */
  async stream(path: string, { onOpen, onLine, signal }: StreamOptions): Promise<void> {
    const { status, stream } = await this.#send({ method: 'GET', path }, signal)
    if (status >= 300) throw apiError(status, await readAll(stream))
    onOpen()
    let rest = ''
    for await (const chunk of stream) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > maxLineBytes) throw new Error(`a line of the answer is longer than ${maxLineBytes} bytes`)
      for (const line of lines) if (line !== '') onLine(JSON.parse(line))
    }
  }

  close(): void {
    this.#closed = true
    this.#drop()
  }

  #drop(): void {
    this.#session?.then(
      session => session.destroy(),
      () => {},
    )
    this.#session = undefined
  }

  /** Until the answer's head is there. A stream ends with the signal. */
  async #send(request: Request, signal: AbortSignal): Promise<Answer> {
    const answer = await this.#sendOnce(request, await this.#cluster.credentials(), signal)
    if (answer.status !== 401) return answer
    // Rotated meanwhile, perhaps.
    answer.stream.close()
    return this.#sendOnce(request, await this.#cluster.credentials(true), signal)
  }

  async #sendOnce({ method, path, body }: Request, who: Credentials, signal: AbortSignal): Promise<Answer> {
    const session = await this.#connected(who)
    signal.throwIfAborted()
    const stream = session.request(
      {
        ':method': method,
        ':path': path,
        accept: 'application/json',
        'user-agent': 'podwire',
        ...(who.token !== undefined && { authorization: `Bearer ${who.token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      { signal, endStream: body === undefined },
    )
    stream.setEncoding('utf8')
    if (body !== undefined) stream.end(JSON.stringify(body))
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => stream.destroy(noAnswer()), timeLimitMs)
      const fail = (error: unknown) => {
        clearTimeout(timer)
        reject(error)
      }
      stream.on('error', fail)
      stream.on('close', () => fail(new Error('the connection was closed')))
      stream.on('response', headers => {
        clearTimeout(timer)
        resolve({ status: Number(headers[':status']), headers, stream })
      })
    })
  }

  async #connected({ cert, key }: Credentials): Promise<ClientHttp2Session> {
    if (this.#closed) throw new Error('it was closed')
    if (this.#session !== undefined && cert !== this.#cert) this.#drop()
    this.#cert = cert
    const { server, ca, serverName } = this.#cluster
    const session = this.#session ?? openSession(server, { ca, cert, key, servername: serverName })
    this.#session = session
    const forget = () => {
      if (this.#session === session) this.#session = undefined
    }
    const open = await session.catch((error: unknown) => {
      forget()
      throw error
    })
    if (!open.closed && !open.destroyed) return open
    forget() // the server asked us to go, or it broke
    return this.#connected({ ...(cert && { cert }), ...(key && { key }) })
  }
}

const noAnswer = () => new Error(`no answer within ${timeLimitMs / 1000} s`)

interface StreamOptions {
  /** The server said yes. */
  readonly onOpen: () => void
  readonly onLine: (line: unknown) => void
  readonly signal: AbortSignal
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly stream: ClientHttp2Stream
}

type TlsFields = Readonly<Record<'ca' | 'cert' | 'key' | 'servername', string | undefined>>

function openSession(server: string, fields: TlsFields): Promise<ClientHttp2Session> {
  const tls = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
  return new Promise((resolve, reject) => {
    const session = connect(server, { ...tls, settings: { enablePush: false, initialWindowSize: windowBytes } })
    const timer = setTimeout(
      () => session.destroy(new Error(`no connection within ${timeLimitMs / 1000} s`)),
      timeLimitMs,
    )
    session.on('error', error => {
      clearTimeout(timer)
      reject(error)
    })
    session.on('close', () => reject(new Error('the connection was closed')))
    session.on('connect', () => {
      clearTimeout(timer)
      session.setLocalWindowSize(windowBytes * 4)
      keepAlive(session)
      resolve(session)
    })
  })
}

function keepAlive(session: ClientHttp2Session): void {
  let waiting = false
  const timer = setInterval(() => {
    if (waiting) return void session.destroy(new Error(`no answer within ${pingMs / 1000} s`))
    waiting = true
    session.ping(() => {
      waiting = false
    })
  }, pingMs).unref()
  session.on('close', () => clearInterval(timer))
}

async function readAll(stream: ClientHttp2Stream): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += chunk
  return text
}

/** A failure is an object of kind Status, but for what a proxy in between says. */
function apiError(status: number, text: string): ApiError {
  let message = text
  try {
    message = String((JSON.parse(text) as { message?: unknown }).message)
  } catch {}
  return new ApiError(status, `${message.trim().slice(0, 1000) || 'no reason given'} (${status})`)
}
