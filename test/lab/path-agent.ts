// An agent that probes paths often, as a program: a test cannot wait for the usual times. Its options are JSON.

import { pino } from 'pino'
import { runAgent } from '../../src/agent/agent.ts'
import { openStore } from '../../src/store/store.ts'
import { cli } from './mesh.ts'

const { store, ...options } = JSON.parse(process.argv[2] ?? '')
const ending = new AbortController()
process.on('SIGTERM', () => ending.abort())
await runAgent(
  {
    ...options,
    store: await openStore(store),
    probeTimes: { lookMs: 100, checkMs: 200, longerMs: 400, silentMs: { least: 200, most: 1000 } },
    deviceCommand: [process.execPath, cli, 'device'],
    log: pino({ level: 'debug', base: null }, pino.destination({ fd: 1, sync: true })),
  },
  ending.signal,
)
