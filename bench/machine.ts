// Where and when a benchmark ran: what every result says of its conditions.

import { cpus, release } from 'node:os'

export interface Machine {
  /** The day, in UTC. */
  readonly date: string
  readonly kernel: string
  readonly cpu: string
  readonly cores: number
  /** Version of Node.js. */
  readonly node: string
}

export function machine(): Machine {
  const processors = cpus()
  return {
    date: new Date().toISOString().slice(0, 10),
    kernel: release(),
    cpu: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    node: process.version,
  }
}
