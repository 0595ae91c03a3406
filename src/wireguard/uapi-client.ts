// A device in another process, behind its UAPI socket: podwire's own, wireguard-go's, or any other.
// Each request has a connection of its own, so that a device that was restarted in between is found again.

import { connect } from 'node:net'
import { constants } from 'node:os'
import { basename } from 'node:path'
import { getSystemErrorMap } from 'node:util'
import { PodwireError, podwireError, reasonOf } from '../base/errors.ts'
import type { Device } from '../model/device.ts'
import type { DeviceStatus } from './device-status.ts'
import { formatPeersRequest, formatSetRequest, parseGetAnswer } from './uapi.ts'

/** Where the devices of this machine put their sockets. */
export const socketDirectory = '/var/run/wireguard'

/** A device answers from memory; one that takes this long hangs. */
const answerTimeoutMs = 10_000

/** The path of an interface's socket; what has a slash in it is a path already. */
export function socketPath(nameOrPath: string): string {
  return nameOrPath.includes('/') ? nameOrPath : `${socketDirectory}/${nameOrPath}.sock`
}

/**
 * The device of that interface name or socket path. Nothing is opened until the first request.
 * Errors of its methods: ERR_PODWIRE_SOCKET (not there, no whole answer), ERR_PODWIRE_NEEDS_ROOT, ERR_PODWIRE_PORT_IN_USE,
 * ERR_PODWIRE_UAPI_REFUSED.
 */
export function connectUapi(nameOrPath: string): Device {
  const file = socketPath(nameOrPath)
  let isPodwire = true
  return {
    async get(peers) {
      if (peers !== undefined && isPodwire) {
        const answer = await exchange(file, formatPeersRequest(peers))
        if (answer !== undefined) return parseGetAnswer(linesOf(file, 'get', answer))
        isPodwire = false // another program's device ends the connection
      }
      return parseGetAnswer(await request(file, 'get', 'get=1\n\n'))
    },
    async set(change) {
      await request(file, 'set', formatSetRequest(change), change.listenPort)
    },
  }
}

/**
 * What a podwire device says of itself, which others cannot be asked.
 * Errors: ERR_PODWIRE_SOCKET, ERR_PODWIRE_NEEDS_ROOT, ERR_PODWIRE_NOT_PODWIRE.
 */
export async function requestStatus(nameOrPath: string): Promise<DeviceStatus> {
  const answer = await exchange(socketPath(nameOrPath), 'status=1\n\n')
  const [, json = ''] = /^status=(\{.*\})\nerrno=0\n\n$/.exec(answer ?? '') ?? []
  try {
    return JSON.parse(json)
  } catch (error) {
    throw podwireError('ERR_PODWIRE_NOT_PODWIRE', { name: basename(nameOrPath, '.sock') }, error)
  }
}

/** Whether an error of asking a device says that there is none: no socket, or one that its process left behind. */
export function saysNoDevice(error: unknown): boolean {
  const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ECONNREFUSED'
}

/** What is wrong with a socket, as an error of ours. */
export function socketError(file: string, error: unknown): PodwireError {
  if (error instanceof PodwireError) return error
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM') {
    return podwireError('ERR_PODWIRE_NEEDS_ROOT', { what: `the socket ${file}` }, error)
  }
  return podwireError('ERR_PODWIRE_SOCKET', { file, reason: reasonOf(error) }, error)
}

/** Sends a request, which may be for a port, and returns the lines of the answer before its errno. */
async function request(file: string, operation: 'get' | 'set', text: string, port?: number): Promise<string[]> {
  const answer = await exchange(file, text)
  if (answer === undefined) {
    throw podwireError('ERR_PODWIRE_SOCKET', { file, reason: 'it was closed before the answer was whole' })
  }
  return linesOf(file, operation, answer, port)
}

/** The lines of an answer before its errno, which must be 0. */
function linesOf(file: string, operation: 'get' | 'set', answer: string, port?: number): string[] {
  const lines = answer.split('\n').slice(0, -2)
  const status = /^errno=(-?\d{1,5})$/.exec(lines.pop() ?? '')
  if (status === null) throw podwireError('ERR_PODWIRE_SOCKET', { file, reason: 'the answer does not end with errno' })
  const errno = Math.abs(Number(status[1])) // devices disagree on the sign
  if (errno === constants.errno.EADDRINUSE && port) throw podwireError('ERR_PODWIRE_PORT_IN_USE', { port })
  if (errno !== 0) throw podwireError('ERR_PODWIRE_UAPI_REFUSED', { operation, reason: errnoText(errno) })
  return lines
}

/** "invalid argument (EINVAL)"; a number that is not this system's stays one. */
function errnoText(errno: number): string {
  const [name, words] = getSystemErrorMap().get(-errno) ?? []
  return name === undefined ? `errno ${errno}` : `${words} (${name})`
}

/** Writes the request and reads up to the empty line that ends an answer; undefined if the connection is closed before it. */
function exchange(file: string, text: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(file)
    const chunks: string[] = []
    socket.setEncoding('latin1')
    socket.setTimeout(answerTimeoutMs, () => socket.destroy(new Error(`no answer within ${answerTimeoutMs / 1000} s`)))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Closed with part of the request unread.
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') resolve(undefined)
      else reject(socketError(file, error))
    })
    socket.on('end', () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.on('data', (chunk: string) => {
      chunks.push(chunk)
      const tail = chunks.slice(-2).join('')
      if (!tail.endsWith('\n\n')) return
      socket.destroy()
      resolve(chunks.join(''))
    })
    socket.write(text)
  })
}
