// How an agent is asked: who connects to its socket gets its status, one line of JSON, and the end. The folder and the socket are
// root's alone.

import { mkdir, readdir, rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { dirname } from 'node:path'
import { podwireError, reasonOf } from '../base/errors.ts'
import type { AgentStatus } from './agent-report.ts'
import { nodePaths, placed } from './settings.ts'

const deadlineMs = 5_000

/** Serves until it is closed. One agent has a device, and by it this socket: what lies there is left by one that died. */
export async function serveStatus(network: string, status: () => Promise<AgentStatus>): Promise<Server> {
  const { socketFile } = nodePaths(network)
  await mkdir(dirname(socketFile), { recursive: true, mode: 0o700 })
  await rm(socketFile, { force: true })
  const server = createServer(socket => {
    socket.on('error', () => {}) // whoever asked has gone
    void status().then(
      answer => socket.end(`${JSON.stringify(answer)}\n`),
      () => socket.destroy(),
    )
  })
  // No others may connect in between: the mask is that of the file's making.
  const before = process.umask(0o177)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(socketFile, resolve)
    })
  } finally {
    process.umask(before)
  }
  return server.unref()
}

/** Asks the agent of a network. Error: ERR_PODWIRE_AGENT_SILENT. */
export function requestStatus(network: string): Promise<AgentStatus> {
  const { socketFile } = nodePaths(network)
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => reject(podwireError('ERR_PODWIRE_AGENT_SILENT', { network, reason }))
    const socket = connect(socketFile).setEncoding('utf8')
    let text = ''
    socket.setTimeout(deadlineMs, () => socket.destroy(new Error(`not within ${deadlineMs / 1000} s`)))
    socket.on('data', chunk => {
      text += chunk
    })
    socket.on('error', error => fail(reasonOf(error)))
    socket.on('end', () => {
      try {
        resolve(JSON.parse(text))
      } catch {
        fail('it ended without an answer')
      }
    })
  })
}

/** Networks of which an agent runs on this host, or did. */
export async function agentNetworks(): Promise<string[]> {
  const names = await readdir(placed('/run/podwire')).catch(() => [])
  return names.flatMap(name => /^([^.].*)\.sock$/.exec(name)?.[1] ?? []).sort()
}
