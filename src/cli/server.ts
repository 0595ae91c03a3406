// `podwire server`: the store for a handful of hosts, until a signal.

import type { Command } from 'commander'
import { parseEndpoint } from '../base/endpoint.ts'
import { podwireError } from '../base/errors.ts'
import { defaultStateFolder } from '../server/state.ts'

interface ServerFlags {
  readonly state: string
  readonly listen?: string
  readonly logLevel: string
}

const levels = ['debug', 'info', 'warn', 'error']

export function define(command: Command): void {
  command
    .option('--state <folder>', 'where it keeps everything: `podwire init` made it', defaultStateFolder)
    .option('--listen <ip:port>', "where it listens; else on all addresses, on its address's port")
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .addHelpText(
      'after',
      `
It keeps the records of all nodes, lets new ones in by the tokens of podwire token create, and tells every node what changes.
While it is away the network goes on as it is. Root on this host makes tokens and removes nodes, through a socket in the folder.

Examples:
  podwire server
  podwire server --listen 192.0.2.1:7443`,
    )
    .action(async ({ state: folder, listen, logLevel }: ServerFlags) => {
      if (!levels.includes(logLevel)) {
        throw podwireError('ERR_PODWIRE_USAGE', {
          what: '--log-level is debug, info, warn or error',
          command: 'server',
        })
      }
      const [{ startServer }, { pino }] = await Promise.all([import('../server/server.ts'), import('pino')])
      const log = pino({ level: logLevel, base: null }, pino.destination({ fd: 1, sync: true }))
      const ending = new Promise(resolve => {
        for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, resolve)
      })
      const server = await startServer({ folder, log, ...(listen !== undefined && { listen: placeOf(listen) }) })
      await ending
      await server.close()
      log.info({}, 'the server has ended')
    })
}

function placeOf(text: string): { host: string; port: number } {
  const host = text.replace(/^\[?(.*?)\]?:\d+$/, '$1')
  return { host, port: parseEndpoint(text, '--listen').port }
}
