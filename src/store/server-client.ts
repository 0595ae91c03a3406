// One question to `podwire server`, and its answer. A node's connection is TLS 1.3, made with the node's own key, and nothing is
// said on it before the server has shown the key that is pinned; names and dates of certificates are not looked at. Root on the
// server's host asks through a socket. Each question has a connection of its own: they are few, and none meets one half closed.

import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { connect as connectSocket, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type ErrorCode, errorTable, PodwireError, podwireError, reasonOf } from '../base/errors.ts'
import { pinOf, selfSigned } from './self-signed.ts'
import { parseServerAddress } from './server-address.ts'

const timeoutMs = 10_000
const maxAnswerBytes = 64 << 20

/** What a node shows and asks to be shown; absent for root's socket. */
export interface Credentials {
  readonly pin: string
  /** Ed25519. */
  readonly identity: KeyObject
}

export class ServerClient {
  readonly address: string
  readonly #connect: () => Promise<Socket>

  /** Error: ERR_PODWIRE_STORE_ADDRESS. */
  constructor(address: string, credentials?: Credentials) {
    this.address = address
    const place = parseServerAddress(address)
    if ('socket' in place) {
      this.#connect = () => connected(connectSocket(place.socket), 'connect')
      return
    }
    if (credentials === undefined) {
      const reason = 'it needs a pin and an identity (--store-pin, --store-identity), which `podwire join` makes'
      throw podwireError('ERR_PODWIRE_STORE_ADDRESS', { address, reason })
    }
    const { pin, identity } = credentials
    const cert = selfSigned(identity, 'podwire')
    const key = identity.export({ type: 'pkcs8', format: 'pem' })
    // `ca` only keeps the system's 140 certificates from being loaded: what counts is the pin.
    const options = { ...place, key, cert, ca: cert, minVersion: 'TLSv1.3', rejectUnauthorized: false } as const
    this.#connect = async () => {
      const socket = connectTls(options)
      await connected(socket, 'secureConnect')
      const publicKey = socket.getPeerX509Certificate()?.publicKey
      const found = publicKey === undefined ? 'none' : pinOf(publicKey)
      if (found === pin) return socket
      socket.destroy()
      throw podwireError('ERR_PODWIRE_STORE_PIN', { store: address, found, expected: pin })
    }
  }

  /** The answer. Errors: ERR_PODWIRE_STORE, with `what` in it, and those that the server says. */
  ask(what: string, { method, path, body }: Question): Promise<unknown> {
    return this.#coded(what, async () => {
      const text = body === undefined ? '' : JSON.stringify(body)
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
      const asked = await this.#request(method, path, headers)
      asked.end(text)
      const answer = await answered(asked)
      const value: unknown = JSON.parse(await textOf(answer))
      if (answer.statusCode === 200) return (value as { answer?: unknown }).answer
      throw serverError(value)
    })
  }

  /** A question that stays open both ways. Errors: as above. */
  open(what: string, path: string): Promise<{ asked: ClientRequest; answer: IncomingMessage }> {
    return this.#coded(what, async () => {
      const asked = await this.#request('POST', path, {})
      asked.flushHeaders()
      const answer = await answered(asked)
      asked.socket?.setTimeout(0)
      if (answer.statusCode === 200) return { asked, answer }
      throw serverError(JSON.parse(await textOf(answer)))
    })
  }

  async #request(method: string, path: string, headers: Record<string, string | number>): Promise<ClientRequest> {
    const socket = await this.#connect()
    socket.setTimeout(timeoutMs, () => socket.destroy(late()))
    return request({
      createConnection: () => socket,
      method,
      path: `/v1/${path}`,
      headers: { host: 'podwire', ...headers },
    })
  }

  async #coded<T>(what: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      if (error instanceof PodwireError) throw error
      throw podwireError('ERR_PODWIRE_STORE', { store: this.address, what, reason: reasonOf(error) }, error)
    }
  }
}

interface Question {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** What follows "/v1/". */
  readonly path: string
  readonly body?: object
}

function late(): Error {
  return new Error(`no answer within ${timeoutMs / 1000} s`)
}

function connected(socket: Socket, event: 'connect' | 'secureConnect'): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(late()), timeoutMs)
    socket.on('close', () => clearTimeout(timer))
    socket.once('error', reject).once('close', () => reject(new Error('the connection was closed')))
    socket.once(event, () => {
      clearTimeout(timer)
      resolve(socket)
    })
  })
}

function answered(asked: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    asked.on('error', reject).once('response', resolve)
  })
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of answer) {
    bytes += chunk.length
    if (bytes > maxAnswerBytes) throw new Error(`the answer is larger than ${maxAnswerBytes >> 20} MiB`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** The error that the server says, as if it had been thrown here. */
export function serverError(value: unknown): Error {
  const { code, message, hint } = (value ?? {}) as Record<string, unknown>
  if (typeof code !== 'string' || !Object.hasOwn(errorTable, code))
    return new Error('it refuses, for a reason not known here')
  return new PodwireError(code as ErrorCode, String(message), String(hint))
}

/** The private key of a node's identity. Errors: ERR_PODWIRE_KEY_EXPOSED, ERR_PODWIRE_KEY, ERR_PODWIRE_FILE. */
export async function readIdentity(file: string): Promise<KeyObject> {
  const pem = await readPrivate(file)
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // Its error may have some of the key.
  }
  throw podwireError('ERR_PODWIRE_KEY', { where: file, reason: 'it is not an Ed25519 private key in PEM' })
}

async function readPrivate(file: string): Promise<string> {
  try {
    const mode = (await stat(file)).mode & 0o777
    if ((mode & 0o077) === 0) return await readFile(file, 'utf8')
    const shown = mode.toString(8).padStart(4, '0')
    throw podwireError('ERR_PODWIRE_KEY_EXPOSED', { file, mode: shown, renewal: 'remove the node and join anew' })
  } catch (error) {
    if (error instanceof PodwireError) throw error
    throw podwireError('ERR_PODWIRE_FILE', { file, what: 'read', reason: reasonOf(error) }, error)
  }
}
