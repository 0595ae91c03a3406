// A device in another process, behind its UAPI socket: podwire's own, wireguard-go's, or any other.
// Each request has a connection of its own, so that a device that was restarted in between is found again.

import { connect } from 'node:net'
import { podwireError, reasonOf } from '../base/errors.ts'
import type { Device } from '../model/device.ts'
import { formatSetRequest, parseGetAnswer } from './uapi.ts'

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
 * Errors of its methods: ERR_PODWIRE_SOCKET (not there, not permitted, no whole answer), ERR_PODWIRE_UAPI_REFUSED.
 */
export function connectUapi(nameOrPath: string): Device {
  const file = socketPath(nameOrPath)
  return {
    async get() {
      return parseGetAnswer(await request(file, 'get', 'get=1\n\n'))
    },
    async set(change) {
      await request(file, 'set', formatSetRequest(change))
    },
  }
}

/** Sends a request and returns the lines of the answer before its errno. */
async function request(file: string, operation: 'get' | 'set', text: string): Promise<string[]> {
  const lines = (await exchange(file, text)).split('\n').slice(0, -2)
  const status = /^errno=(-?\d{1,5})$/.exec(lines.pop() ?? '')
  if (status === null) throw podwireError('ERR_PODWIRE_SOCKET', { file, reason: 'the answer does not end with errno' })
  const errno = Math.abs(Number(status[1])) // devices disagree on the sign
  if (errno !== 0) throw podwireError('ERR_PODWIRE_UAPI_REFUSED', { errno, operation })
  return lines
}

/** Writes the request and reads up to the empty line that ends an answer. */
function exchange(file: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(file)
    const chunks: string[] = []
    const fail = (reason: string, cause?: unknown) => {
      socket.destroy()
      reject(podwireError('ERR_PODWIRE_SOCKET', { file, reason }, cause))
    }
    socket.setEncoding('latin1')
    socket.setTimeout(answerTimeoutMs, () => fail(`no answer within ${answerTimeoutMs / 1000} s`))
    socket.on('error', error => fail(reasonOf(error), error))
    socket.on('end', () => fail('it was closed before the answer was whole'))
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
