// Serves a device on its UAPI socket, for `wg` and whoever else speaks the cross-platform interface.
//
//   connection --lines (bounded)--> get=1: state as text | set=1: one change after the other | status=1: podwire's own, JSON
//                                   anything else: closed
//
// The socket file is the handle by which others end the device: when it is removed, `onRemoved` is called.

import { randomBytes } from 'node:crypto'
import { linkSync, lstatSync, mkdirSync, rmSync, watch } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { PodwireError, podwireError, reasonOf } from '../base/errors.ts'
import type { Device } from '../model/device.ts'
import type { DeviceStatus } from './device-status.ts'
import { errnoOf, formatGetAnswer, parseSetRequest } from './uapi.ts'
import { socketPath } from './uapi-client.ts'

/** No key or value of the interface comes near to it. */
const maxLineBytes = 4096
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

function socketError(file: string, error: unknown): PodwireError {
  if (error instanceof PodwireError) return error
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM') {
    return podwireError('ERR_PODWIRE_NEEDS_ROOT', { what: `the socket ${file}` }, error)
  }
  return podwireError('ERR_PODWIRE_SOCKET', { file, reason: reasonOf(error) }, error)
}

/** Listens on a path that `claimSocket` made free; only the owner may open it, from its first moment. Errors: as claimSocket. */
export async function serveUapi(options: UapiServerOptions): Promise<UapiServer> {
  const file = socketPath(options.nameOrPath)
  const connections = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    connections.add(socket)
    socket.on('close', () => connections.delete(socket)).on('error', () => {}) // whoever asked went away
    serveConnection(socket, options).catch((error: unknown) => {
      options.log('error', `UAPI: ${reasonOf(error)}`)
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

const operations = ['get=1', 'set=1', 'status=1']

async function serveConnection(socket: Socket, options: UapiServerOptions): Promise<void> {
  const lines = readLines(socket)
  for await (const operation of lines) {
    const request = operations.includes(operation) ? await readRequest(lines) : undefined
    if (request === undefined) break
    const { answer, errno } = await carryOut(operation, request, options)
    const text = `${answer}errno=${-errno}\n\n` // negative: what wg(8) makes words of
    await new Promise(resolve => socket.write(text, resolve)) // whoever does not read is not served more
  }
  socket.destroySoon()
}

async function carryOut(
  operation: string,
  lines: readonly string[],
  { device, status, log }: UapiServerOptions,
): Promise<{ answer: string; errno: number }> {
  try {
    if (operation !== 'set=1') {
      if (lines.length > 0) throw podwireError('ERR_PODWIRE_UAPI', { line: 2, reason: 'it takes no lines' })
      const answer =
        operation === 'get=1' ? formatGetAnswer(await device.get()) : `status=${JSON.stringify(status())}\n`
      return { answer, errno: 0 }
    }
    for (const change of parseSetRequest(lines)) await device.set(change)
    return { answer: '', errno: 0 }
  } catch (error) {
    log('error', `UAPI: ${reasonOf(error)}`)
    return { answer: '', errno: errnoOf(error) }
  }
}

/** The lines up to the empty one; undefined if they are too many, or the connection ends before it. */
async function readRequest(lines: AsyncIterator<string>): Promise<string[] | undefined> {
  const request: string[] = []
  for (let bytes = 0; bytes <= maxRequestBytes; ) {
    const { done, value } = await lines.next()
    if (done) return undefined
    if (value === '') return request
    request.push(value)
    bytes += value.length + 1
  }
  return undefined
}

/** The lines of a stream, without their line feeds; ends at the end of the stream, or at a line that is too long. */
async function* readLines(socket: Socket): AsyncGenerator<string, void, void> {
  socket.setEncoding('latin1')
  let rest = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    const parts = `${rest}${chunk}`.split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) {
      if (line.length > maxLineBytes) return
      yield line
    }
    if (rest.length > maxLineBytes) return
  }
}
