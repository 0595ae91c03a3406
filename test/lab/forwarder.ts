// A TCP port that leads to a server's socket, and what goes wrong on such a way: it is cut, or nothing comes through.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class Forwarder implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #way: 'open' | 'cut' | 'silent' = 'open'
  /** How many connections were made. */
  accepted = 0

  private constructor(server: Server, target: string) {
    this.#server = server
    server.on('connection', near => {
      this.accepted++
      this.#keep(near)
      // The port stays ours while nothing passes, so that nobody else can take it.
      if (this.#way === 'cut') near.destroy()
      if (this.#way !== 'open') return
      const far = connect(target)
      this.#keep(far)
      near.pipe(far).pipe(near)
      near.on('close', () => far.destroy())
      far.on('close', () => near.destroy())
    })
  }

  /** `target` is the path of a Unix socket. */
  static async start(target: string): Promise<Forwarder> {
    const server = createServer()
    const forwarder = new Forwarder(server, target)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return forwarder
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
  }

  /** Ends connections and refuses new ones. */
  cut(): void {
    this.#way = 'cut'
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Ends connections; new ones are taken, and nothing is ever answered. */
  silence(): void {
    this.cut()
    this.#way = 'silent'
  }

  open(): void {
    for (const socket of this.#sockets) if (this.#way !== 'open') socket.destroy()
    this.#way = 'open'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
