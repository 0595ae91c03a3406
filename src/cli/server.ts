// `podwire server`: the store for a handful of hosts, until a signal.

import type { Command } from 'commander'
import { placed } from '../agent/settings.ts'
import { parseEndpoint } from '../base/endpoint.ts'
import { defaultStateFolder } from '../store/server-address.ts'
import { endingSignal, openLog } from './long-running.ts'

interface ServerFlags {
  readonly state: string
  readonly listen?: string
  readonly logLevel: string
}

export function define(command: Command): void {
  command
    .option('--state <folder>', 'where it keeps everything: `podwire init` made it', placed(defaultStateFolder))
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
      const log = await openLog(logLevel, 'server')
      const { startServer } = await import('../server/server.ts')
      const signal = endingSignal()
      const ending = new Promise(resolve => signal.addEventListener('abort', resolve))
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
