// A real etcd for a test: one member or several, in processes of their own, which speak over sockets in a folder of
// theirs, so that no port can be anybody else's. Tests reach them through forwarders.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { StoreAccess } from '../../src/store/access.ts'
import { EtcdClient } from '../../src/store/etcd/client.ts'
import { intField } from '../../src/store/etcd/wire.ts'
import { Forwarder } from './forwarder.ts'
import { until } from './until.ts'

/** Debian's etcd: installed, or where scripts/setup.mjs unpacks it. */
function findEtcd(): string {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'podwire/etcd/usr/bin')
  const found = [...(process.env.PATH ?? '').split(delimiter), cache].map(at => join(at, 'etcd')).find(existsSync)
  assert.ok(found, 'no etcd: run `npm run setup`, or `apt-get install etcd-server`')
  return found
}

interface Options {
  readonly members?: number
  /** "--cert-file=…" and the like; clients then come by TLS. */
  readonly tls?: readonly string[]
  /** More options of etcd. */
  readonly options?: readonly string[]
  /** How this test itself comes in. */
  readonly access?: StoreAccess
}

export class Member {
  readonly name: string
  /** The way to it that is not meant to break. */
  readonly way: Forwarder
  readonly #command: readonly string[]
  readonly #folder: string
  #process: ChildProcess | undefined
  #printed = ''

  constructor(name: string, { way, command, folder }: { way: Forwarder; command: readonly string[]; folder: string }) {
    this.name = name
    this.way = way
    this.#command = command
    this.#folder = folder
  }

  get printed(): string {
    return this.#printed
  }

  get socket(): string {
    return join(this.#folder, `${this.name}-client:1`)
  }

  start(): void {
    // Who was killed leaves its sockets.
    for (const end of ['client', 'peer']) rmSync(join(this.#folder, `${this.name}-${end}:1`), { force: true })
    const child = spawn(findEtcd(), this.#command, { cwd: this.#folder, stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr?.on('data', text => {
      this.#printed = `${this.#printed}${text}`.slice(-20_000)
    })
    this.#process = child
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(name)
  }

  /** By SIGKILL. */
  async kill(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const closed = once(child, 'close')
    child.kill('SIGKILL')
    await closed
  }
}

export class EtcdCluster implements AsyncDisposable {
  readonly folder: string
  readonly members: Member[] = []
  readonly #scheme: 'http' | 'https'
  readonly #access: StoreAccess

  private constructor(folder: string, scheme: 'http' | 'https', access: StoreAccess) {
    this.folder = folder
    this.#scheme = scheme
    this.#access = access
  }

  static async start({ members = 1, tls = [], options = [], access = {} }: Options = {}): Promise<EtcdCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'podwire-etcd-'))
    const cluster = new EtcdCluster(folder, tls.length > 0 ? 'https' : 'http', access)
    const names = Array.from({ length: members }, (_, i) => `m${i}`)
    for (const name of names) {
      const client = `unix${tls.length > 0 ? 's' : ''}://${name}-client:1`
      const command = [
        ...['--name', name, '--data-dir', join(folder, `${name}.data`), '--unsafe-no-fsync', '--logger', 'zap'],
        ...['--listen-client-urls', client, '--advertise-client-urls', client, '--log-level', 'warn'],
        ...['--listen-peer-urls', `unix://${name}-peer:1`, '--initial-advertise-peer-urls', `unix://${name}-peer:1`],
        ...['--initial-cluster', names.map(one => `${one}=unix://${one}-peer:1`).join(), ...tls, ...options],
      ]
      const way = await Forwarder.start(join(folder, `${name}-client:1`))
      cluster.members.push(new Member(name, { way, command, folder }))
    }
    try {
      for (const member of cluster.members) member.start()
      await cluster.ready()
      return cluster
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Waits until every member answers. */
  async ready(): Promise<void> {
    for (const { way, name, printed } of this.members) {
      const isUp = () =>
        this.ask(client => client.range({ key: 'x' }), way).then(
          () => true,
          () => false,
        )
      await until(`${name} answers; it printed: ${printed}`, isUp, 60)
    }
  }

  url(way: Forwarder): string {
    return `${this.#scheme}://127.0.0.1:${way.port}`
  }

  /** "etcd:http://127.0.0.1:1,http://127.0.0.1:2/PREFIX", by these ways or those that are not meant to break. */
  address(prefix = '', ways: readonly Forwarder[] = this.members.map(({ way }) => way)): string {
    return `etcd:${ways.map(way => this.url(way)).join()}${prefix}`
  }

  /** Another way to a member, to be closed by who asked for it. */
  newWay({ socket }: Member): Promise<Forwarder> {
    return Forwarder.start(socket)
  }

  /** Forgets all that was before now. */
  async compact(): Promise<void> {
    await this.ask(async client => {
      const { header } = await client.range({ key: 'x' })
      await client.ask('KV/Compact', Buffer.concat([intField(1, header.revision), intField(2, 1)]))
    })
  }

  /** The number of writes that etcd ever made, of anybody. */
  revision(): Promise<number> {
    return this.ask(async client => (await client.range({ key: 'x' })).header.revision)
  }

  /** Writes a key as anybody could. */
  async put(key: string, value: string): Promise<void> {
    await this.ask(client => client.txn({ compare: [], success: [{ put: key, value }] }))
  }

  async delete(...keys: string[]): Promise<void> {
    await this.ask(client => client.txn({ compare: [], success: keys.map(remove => ({ remove })) }))
  }

  /** Asks the first member, or another, as nobody else does. */
  async ask<T>(ask: (client: EtcdClient) => Promise<T>, way = this.members[0]?.way): Promise<T> {
    assert.ok(way)
    const endpoint = { secure: this.#scheme === 'https', host: '127.0.0.1', port: way.port, url: this.url(way) }
    const client = new EtcdClient([endpoint], this.#access)
    try {
      return await ask(client)
    } finally {
      client.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.members) await member.kill()
    for (const { way } of this.members) await way[Symbol.asyncDispose]()
    await rm(this.folder, { recursive: true, force: true })
  }
}
