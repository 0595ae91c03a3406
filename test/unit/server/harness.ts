// A server in this process, with a state of its own, and ways to it that can be cut.

import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Log } from '../../../src/base/log.ts'
import { parseJoinToken } from '../../../src/model/join-token.ts'
import type { NetworkConfig } from '../../../src/model/network-config.ts'
import { type RunningServer, type ServerOptions, startServer } from '../../../src/server/server.ts'
import { createServerState } from '../../../src/server/state.ts'
import type { StoreAccess } from '../../../src/store/access.ts'
import { createToken, type TokenWish } from '../../../src/store/server-admin.ts'
import { joinServer } from '../../../src/store/server-join.ts'
import { openStore, type Store } from '../../../src/store/store.ts'

export const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** A port of this machine that leads to another, until it is cut. */
export class Way {
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  target = 0
  #state: 'open' | 'cut' | 'frozen' = 'open'

  private constructor() {
    this.#server = createServer(near => {
      if (this.#state === 'cut') {
        near.destroy()
        return
      }
      const far = connect(this.target, '127.0.0.1')
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one)
        one.on('data', data => {
          if (this.#state !== 'frozen') other.write(data)
        })
        one
          .on('error', () => {})
          .on('close', () => {
            this.#sockets.delete(one)
            if (this.#state !== 'frozen') other.destroy()
          })
      }
    })
  }

  static async open(target: number): Promise<Way> {
    const way = new Way()
    way.target = target
    way.#server.listen(0, '127.0.0.1')
    await once(way.#server, 'listening')
    return way
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  /** Ends what is open, and whatever comes. */
  cut(): void {
    this.#state = 'cut'
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Swallows what is sent, as a host that is gone does. */
  freeze(): void {
    this.#state = 'frozen'
  }

  mend(): void {
    this.#state = 'open'
  }

  close(): void {
    this.cut()
    this.#server.close()
  }
}

export class TestServer implements AsyncDisposable {
  readonly folder: string
  readonly options: Partial<ServerOptions>
  #running: RunningServer
  readonly #ways: Way[] = []
  readonly #files: string
  #joined = 0

  private constructor(folder: string, options: Partial<ServerOptions>, running: RunningServer) {
    this.folder = folder
    this.#files = folder
    this.options = options
    this.#running = running
  }

  static async start(network?: NetworkConfig, options: Partial<ServerOptions> = {}): Promise<TestServer> {
    const folder = await mkdtemp(join(tmpdir(), 'podwire-server-'))
    await createServerState(join(folder, 'state'), {
      address: 'server:https://127.0.0.1:1',
      ...(network && { network }),
    })
    const running = await run(join(folder, 'state'), options)
    return new TestServer(folder, options, running)
  }

  get state(): string {
    return join(this.folder, 'state')
  }

  get port(): number {
    return this.#running.port
  }

  async way(): Promise<Way> {
    const way = await Way.open(this.port)
    this.#ways.push(way)
    return way
  }

  /** It ends and starts again, as another process would, on the same state. */
  async restart(): Promise<void> {
    await this.#running.close()
    this.#running = await run(this.state, this.options)
    for (const way of this.#ways) way.target = this.port
  }

  admin(): Promise<Store> {
    return openStore(`server:${this.state}`)
  }

  /** Joins by a new token, or by the one given. */
  async join(node: string, { wish = {}, token = '', port = this.port, identity = '' } = {}): Promise<StoreAccess> {
    const text = token || (await createToken(this.state, wish as TokenWish)).token
    const store = `server:https://127.0.0.1:${port}`
    const file = identity || join(this.#files, `identity-${++this.#joined}`)
    return joinServer({ ...parseJoinToken(text), store }, node, file)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const way of this.#ways) way.close()
    await this.#running.close()
    await rm(this.folder, { recursive: true })
  }
}

function run(folder: string, options: Partial<ServerOptions>): Promise<RunningServer> {
  return startServer({ folder, listen: { host: '127.0.0.1', port: 0 }, log: silent, ...options })
}
