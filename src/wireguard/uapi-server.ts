// Serves a device on its UAPI socket, for `wg` and whoever else speaks the cross-platform interface.
//
//   connection --lines (bounded)--> get=1: state as text | set=1: one change after the other
//                                   podwire's own: status=1: JSON | peers=1: as get=1, of the peers named only
//                                   anything else: closed
//
// The socket file is the handle by which others end the device: when it is removed, `onRemoved` is called.

import { randomBytes } from 'node:crypto'
import { linkSync, lstatSync, mkdirSync, rmSync, watch } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { podwireError, reasonOf } from '../base/errors.ts'
import type { Device } from '../model/device.ts'
import type { DeviceStatus } from './device-status.ts'
import { errnoOf, formatGetAnswer, parsePeersRequest, parseSetRequest } from './uapi.ts'
import { socketError, socketPath } from './uapi-client.ts'

/** No operation comes near to it. */
const maxOperationBytes = 64
/** About 500,000 AllowedIPs. */
const maxRequestBytes = 16 << 20

export interface UapiServerOptions {
  readonly device: Device
  /** What the device says of itself beyond the cross-platform interface. */
  readonly status: () => DeviceStatus
  /** Name of the interface, or a path. */
  readonly nameOrPath: string
  /** A listening socket that was opened for us, instead of making one. */
  readonly fd?: number
  readonly log: (level: 'debug' | 'error', text: string) => void
  /** The socket file is gone, or is another's. */
  readonly onRemoved: () => void
}

export interface UapiServer {
  /** Ends all connections and removes the socket file. */
  close(): void
}

/**
 * Makes the path free for a new socket: makes the directory, removes the socket of a device that died.
 * Errors: ERR_PODWIRE_NAME_IN_USE if a device answers on it, ERR_PODWIRE_NEEDS_ROOT, ERR_PODWIRE_SOCKET.
 */
export async function claimSocket(nameOrPath: string): Promise<void> {
  const file = socketPath(nameOrPath)
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
    const found = identityOf(file)
    if (found === undefined) return
    if (await answers(file)) throw podwireError('ERR_PODWIRE_NAME_IN_USE', { name: nameOrPath })
    if (identityOf(file) === found) rmSync(file) // else another claimed it meanwhile, and `serveUapi` finds out
  } catch (error) {
    throw socketError(file, error)
  }
}

/** Tells a file from another that took its place, also where the number of the inode is used again. */
function identityOf(file: string): string | undefined {
  const stat = lstatSync(file, { bigint: true, throwIfNoEntry: false })
  return stat && `${stat.ino} ${stat.birthtimeNs}`
}

/** Whether someone listens on a socket; it does not if its process is gone. Throws what else connecting says. */
function answers(file: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(file, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOTSOCK') resolve(false)
      else reject(error)
    })
  })
}

/** Listens on a path that `claimSocket` made free; only the owner may open it, from its first moment. Errors: as claimSocket. */
export async function serveUapi(options: UapiServerOptions): Promise<UapiServer> {
  const file = socketPath(options.nameOrPath)
  const connections = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    connections.add(socket)
    socket.on('close', () => connections.delete(socket)).on('error', () => {}) // whoever asked went away
    serveConnection(socket, options).catch((error: unknown) => {
      options.log('debug', `UAPI: a connection was lost: ${reasonOf(error)}`)
      socket.destroy()
    })
  })
  await listen(server, options)

  const own = identityOf(file)
  const isOurs = () => own !== undefined && identityOf(file) === own
  const watcher = isOurs() ? watch(file) : undefined
  watcher?.on('change', () => {
    if (!isOurs()) options.onRemoved()
  })
  return {
    close() {
      watcher?.close()
      if (isOurs()) rmSync(file, { force: true })
      server.close()
      for (const socket of connections) socket.destroy()
    },
  }
}

/**
 * Listens under a name beside and links it into place: it is there only when it answers, whoever comes second finds the place
 * taken, and closing, by which libuv removes the name that it bound, cannot remove the socket of another that came after us.
 */
function listen(server: Server, { nameOrPath, fd }: UapiServerOptions): Promise<void> {
  const file = socketPath(nameOrPath)
  const bound = `${file}.${randomBytes(4).toString('hex')}`
  return new Promise((resolve, reject) => {
    server.once('error', error => reject(socketError(file, error)))
    const before = process.umask(0o177) // binding happens within listen(), before it returns
    server.listen(fd === undefined ? { path: bound } : { fd }, () => {
      try {
        if (fd === undefined) linkSync(bound, file)
        resolve()
      } catch (error) {
        server.close()
        const taken = (error as NodeJS.ErrnoException).code === 'EEXIST'
        reject(taken ? podwireError('ERR_PODWIRE_NAME_IN_USE', { name: nameOrPath }) : socketError(file, error))
      } finally {
        rmSync(bound, { force: true })
      }
    })
    process.umask(before)
  })
}

async function serveConnection(socket: Socket, options: UapiServerOptions): Promise<void> {
  for await (const request of readRequests(socket)) {
    const { answer, errno } = await carryOut(request, options)
    const text = `${answer}errno=${-errno}\n\n` // negative: what wg(8) makes words of
    await new Promise(resolve => socket.write(text, resolve)) // whoever does not read is not served more
  }
  socket.destroySoon()
}

async function carryOut(
  { operation, body }: Request,
  { device, status, log }: UapiServerOptions,
): Promise<{ answer: string; errno: number }> {
  try {
    if (operation === 'peers=1') {
      return { answer: formatGetAnswer(await device.get(parsePeersRequest(linesOf(body)))), errno: 0 }
    }
    if (operation !== 'set=1') {
      if (body !== '') throw podwireError('ERR_PODWIRE_UAPI', { line: 2, reason: 'it takes no lines' })
      const answer =
        operation === 'get=1' ? formatGetAnswer(await device.get()) : `status=${JSON.stringify(status())}\n`
      return { answer, errno: 0 }
    }
    for (const change of parseSetRequest(linesOf(body))) await device.set(change)
    return { answer: '', errno: 0 }
  } catch (error) {
    log('error', `UAPI: ${reasonOf(error)}`)
    return { answer: '', errno: errnoOf(error) }
  }
}

const operations = ['get=1', 'set=1', 'status=1', 'peers=1']

interface Request {
  readonly operation: string
  /** The lines between the operation and the empty one. */
  readonly body: string
}

/** One after the other, so that a hundred thousand never exist at once. */
function* linesOf(body: string): Generator<string, void> {
  for (let at = 0; at < body.length; ) {
    const end = body.indexOf('\n', at)
    yield body.slice(at, end < 0 ? undefined : end)
    at = end < 0 ? body.length : end + 1
  }
}

/** The whole requests of a stream. Ends at its end, at an operation that is not known, at a request that is too long. */
async function* readRequests(socket: Socket): AsyncGenerator<Request, void, void> {
  socket.setEncoding('latin1')
  let pieces: string[] = [] // of a request that is not whole yet: joined when it is, so that a long one is not copied for each
  let bytes = 0
  let operation: string | undefined
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    const isWhole = `${pieces.at(-1)?.at(-1) ?? ''}${chunk}`.includes('\n\n')
    pieces.push(chunk)
    bytes += chunk.length
    if (operation === undefined || isWhole) {
      let text = pieces.join('')
      for (;;) {
        const lineEnd = text.indexOf('\n')
        operation = lineEnd < 0 ? undefined : text.slice(0, lineEnd)
        if (operation === undefined ? text.length > maxOperationBytes : !operations.includes(operation)) return
        const end = operation === undefined ? -1 : text.indexOf('\n\n', lineEnd)
        if (operation === undefined || end < 0) break
        if (end > maxRequestBytes) return
        yield { operation, body: text.slice(lineEnd + 1, end) }
        text = text.slice(end + 2)
      }
      pieces = [text]
      bytes = text.length
    }
    if (bytes > maxRequestBytes) return
  }
}
