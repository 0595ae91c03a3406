// The routes of a host's device as the kernel tells of them: what the agent did is taken from there, not from what it says.

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Lab } from '../../src/lab/lab.ts'
import { device, type HostName, until } from './lab.ts'

/** Thousands of routes come at once. */
const bufferBytes = 16_000_000

export class RouteWatch implements AsyncDisposable {
  readonly #lab: Lab
  readonly #host: HostName
  readonly #monitor: ChildProcess
  readonly #routes = new Set<string>()

  private constructor(lab: Lab, host: HostName) {
    this.#lab = lab
    this.#host = host
    const command = ['ip', '-rcvbuf', `${bufferBytes}`, '-o', 'monitor', 'route'] as const
    this.#monitor = lab.spawn(host, command, { stdio: ['ignore', 'pipe', 'ignore'] })
    if (this.#monitor.stdout === null) throw new Error('ip monitor has no output')
    createInterface({ input: this.#monitor.stdout }).on('line', line => this.#take(line))
  }

  static async start(lab: Lab, host: HostName): Promise<RouteWatch> {
    const watch = new RouteWatch(lab, host)
    // It listens when it tells of a route that nobody else has.
    const probe = ['dev', 'lo', 'proto', '113'] as const
    let tries = 0
    await until('ip monitor tells of routes', async () => {
      const route = `198.18.${tries++ & 255}.0/24`
      await lab.exec(host, ['ip', 'route', 'add', route, ...probe])
      await lab.exec(host, ['ip', 'route', 'delete', route, ...probe])
      return watch.#heard
    })
    await watch.list()
    return watch
  }

  #heard = false

  #take(line: string): void {
    this.#heard = true
    const [, deleted, destination] = /^(Deleted )?(?:unicast )?(\S+) .*\bdev (\S+)/.exec(line) ?? []
    if (destination === undefined || !line.includes(` dev ${device} `)) return
    if (deleted) this.#routes.delete(destination)
    else this.#routes.add(destination)
  }

  has(destination: string): boolean {
    return this.#routes.has(destination)
  }

  get count(): number {
    return this.#routes.size
  }

  /** Reads what there is: of too many at once the kernel drops what it had to tell. */
  async list(): Promise<void> {
    const texts = await Promise.all(
      ['-4', '-6'].map(family => this.#lab.exec(this.#host, ['ip', family, 'route', 'show', 'proto', '112'])),
    )
    for (const { stdout } of texts) for (const line of stdout.split('\n')) this.#take(`${line} `)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#monitor, 'close')
    this.#monitor.kill()
    await closed
  }
}
