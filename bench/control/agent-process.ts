// A real agent in a host of the lab: `podwire agent` as people start it, what it says, and what it costs.

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Lab } from '../../src/lab/lab.ts'
import { root } from '../device/programs.ts'
import { memoryMb } from '../device/subjects.ts'
import { addresses, device, type HostName, until } from './lab.ts'
import type { BenchStore } from './store.ts'

export type Backend = 'kernel' | 'userspace' | 'auto'

interface Line {
  readonly msg: string
  /** When it was said: milliseconds since 1970. */
  readonly time: number
}

export interface Starting {
  readonly lab: Lab
  readonly store: BenchStore
  readonly host: HostName
  /** Of the node, and of the folder of its key. */
  readonly name: string
  readonly backend: Backend
}

export class AgentProcess {
  readonly name: string
  readonly startedMs = Date.now()
  readonly #child: ChildProcess
  readonly #lines: Line[] = []
  #errors = ''

  constructor({ lab, store, host, name, backend }: Starting) {
    this.name = name
    const where = ['--state', join(lab.sharedFolder, `state-${name}`), '--name', name, '--device', device]
    const how = ['--endpoint', `${addresses[host]}:51820`, '--backend', backend]
    const command = [
      process.execPath,
      `${root}build/src/cli/main.js`,
      'agent',
      ...store.flags,
      ...where,
      ...how,
    ] as const
    this.#child = lab.spawn(host, command, { stdio: ['ignore', 'pipe', 'pipe'] })
    const { stdout, stderr } = this.#child
    if (stdout === null || stderr === null) throw new Error('the agent has no output')
    createInterface({ input: stdout }).on('line', line => this.#lines.push(JSON.parse(line)))
    stderr.on('data', chunk => {
      this.#errors += chunk
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** The first line that says so. */
  async said(msg: string): Promise<Line> {
    let found: Line | undefined
    await until(`the agent of ${this.name} says "${msg}"`, () => {
      if (this.#child.exitCode !== null) throw new Error(`the agent of ${this.name} ended: ${this.#errors}`)
      found = this.#lines.find(line => line.msg === msg)
      return found !== undefined
    })
    return found as Line
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const closed = once(this.#child, 'close')
    this.#child.kill(signal)
    await closed
  }

  /** Of all threads since it started, those that ended apart. Milliseconds, exact to nanoseconds. */
  cpuMs(): number {
    const tasks = readdirSync(`/proc/${this.pid}/task`)
    const stats = tasks.map(task => readFileSync(`/proc/${this.pid}/task/${task}/schedstat`, 'latin1'))
    return stats.reduce((sum, text) => sum + Number(text.split(' ')[0]) / 1e6, 0)
  }

  memoryMb(what: 'VmRSS' | 'VmHWM'): number {
    return memoryMb(this.pid, what)
  }
}

/** Ends a host's device, and with it all of its sessions and routes. */
export async function deleteDevice(lab: Lab, host: HostName): Promise<void> {
  const links = async () => (await lab.exec(host, ['ip', '-br', 'link'])).stdout
  if (!(await links()).includes(device)) return
  await lab.exec(host, ['ip', 'link', 'delete', device])
  await until(`the device of ${host} is gone`, async () => {
    const sockets = await lab.exec(host, ['sh', '-c', 'ls /run/wireguard/ 2>/dev/null; true'])
    return !(await links()).includes(device) && !sockets.stdout.includes(device)
  })
}
