// The agent as a program: over a store with a memory, with those beside it who answer how it is.

import { join } from 'node:path'
import { reasonOf } from '../base/errors.ts'
import { type AgentOptions, openHost, runAgent } from './agent.ts'
import { AgentReport } from './agent-report.ts'
import { parseHealthAddress, serveHealth } from './health.ts'
import { RememberedStore } from './remembered-store.ts'
import { serveStatus } from './status-socket.ts'

interface KeepOptions extends Omit<AgentOptions, 'aroundRound'> {
  /** Where health is served, "ADDRESS:PORT" or a port; absent: nowhere. */
  readonly health?: string
}

/** Runs until the signal. Errors: those of runAgent; ERR_PODWIRE_VALUE and ERR_PODWIRE_HEALTH of `health`. */
export async function keepNode({ health, ...options }: KeepOptions, signal: AbortSignal): Promise<void> {
  const { name: node, device: deviceName, stateFolder, log } = options
  const store = new RememberedStore(options.store, { file: join(stateFolder, 'view.json'), log })
  const report = new AgentReport({ node, deviceName, store, open: () => openHost(deviceName, options.backend) })
  const ends: (() => void)[] = []
  let isAsked = false
  const aroundRound = async (round: () => Promise<void>): Promise<void> => {
    // Not before: by its first round this is the only agent of the device.
    if (!isAsked && store.view !== undefined) {
      isAsked = true
      const serving = serveStatus(store.view.network.name, () => report.status())
      await serving.then(
        server => ends.push(() => server.close()),
        error => log.warn({ reason: reasonOf(error) }, '`podwire status` cannot be answered'),
      )
    }
    await report.aroundRound(round)
  }
  try {
    if (health !== undefined) {
      const server = await serveHealth(parseHealthAddress(health), report)
      ends.push(() => server.close())
    }
    await runAgent({ ...options, store, aroundRound }, signal)
  } finally {
    for (const end of ends) end()
    await store.close()
  }
}
