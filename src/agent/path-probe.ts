// Finds out how long packets to each peer may be, and answers peers who ask the same: beside the tunnel, on a port of its own.
//
//   device, kernel --look--> live peers with traffic --> search (plan/path-mtu.ts) --> questions, never fragmented
//   answers, time ---------> search --> what routes may say --changed--> the agent plans again
//   questions of peers ----> short answers to where they came from; it also tells the port behind the peer's NAT
//
// Where nobody answers, a route says what the kernel knows of the path.

import type { Socket } from 'node:dgram'
import type { Family } from '../base/cidr.ts'
import { reasonOf } from '../base/errors.ts'
import type { PublicKey } from '../base/key.ts'
import type { Log } from '../base/log.ts'
import type { Secret } from '../base/secret.ts'
import type { Device, PeerState } from '../model/device.ts'
import type { Links } from '../native/link.ts'
import { openProbeSocket } from '../native/probe-socket.ts'
import { check, minMtuBytes, type Step, startSearch, takeAnswer, takeTime } from '../plan/path-mtu.ts'
import { Allowance } from './allowance.ts'
import {
  formatPathMessage,
  isAuthentic,
  type PathMessage,
  type ProbeKeys,
  parsePathMessage,
  probeKeys,
} from './path-message.ts'
import { consider, dueMsOf, isUsed, mtuOf, type PeerPath, type ProbeTimes, probePort, usualTimes } from './peer-path.ts'
import { PeerPaths } from './peer-paths.ts'

/** WireGuard's, around a packet: a question is as long as the message that it stands for. */
const messageOverheadBytes = 32
/** A session's keys are not used for longer than this after their handshake. */
const sessionMs = 180_000
/** What this node asks, whatever the number of its peers, and what it looks at closely of others' questions. */
const questionsAtMost = { aSecond: 20, atOnce: 64 }
const heardAtMost = { aSecond: 1000, atOnce: 1000 }
/** How long nothing is asked when the allowance is used up. */
const heldForMs = 250
/** A question older than the newest by this much, in microseconds, is a copy; within it some overtake others. */
const overtakingMicros = 2_000_000

export interface PathProbeOptions {
  readonly device: Device
  readonly deviceName: string
  readonly links: Pick<Links, 'links' | 'routeTo'>
  readonly privateKey: Secret
  readonly publicKey: PublicKey
  readonly listenPort: number
  /** What routes say already. */
  readonly adopted: ReadonlyMap<PublicKey, number>
  /** The route to a peer may say something else now. */
  readonly onChange: (peer: PublicKey) => void
  readonly log: Log
  readonly times?: ProbeTimes
}

export class PathProbe {
  readonly #options: PathProbeOptions
  readonly #times: ProbeTimes
  readonly #sockets = new Map<Family, Socket>()
  readonly #paths = new PeerPaths()
  readonly #questions = new Allowance(questionsAtMost)
  readonly #heard = new Allowance(heardAtMost)
  readonly #mtus: Map<PublicKey, number>
  /** Those about which there is something to do. */
  readonly #waiting = new Set<PeerPath>()
  #deviceMtuBytes = 0
  #number = 0
  #actTimer: NodeJS.Timeout | undefined
  #actAtMs = Number.POSITIVE_INFINITY
  #lookTimer: NodeJS.Timeout | undefined
  #lookedMs = Number.NEGATIVE_INFINITY
  #lookEveryMs = 0
  #looking = false
  #closed = false

  constructor(options: PathProbeOptions) {
    this.#options = options
    this.#times = options.times ?? usualTimes
    this.#mtus = new Map(options.adopted)
  }

  /** What routes to peers may say. A peer is absent until it was seen. */
  get mtus(): ReadonlyMap<PublicKey, number> {
    return this.#mtus
  }

  /** Begins. Without a port of its own it knows only what the kernel knows. Never throws. */
  async start(): Promise<void> {
    const { listenPort, log } = this.#options
    const port = probePort(listenPort)
    for (const family of [4, 6] as const) {
      try {
        const socket = openProbeSocket(family, port)
        socket.on('message', (datagram, from) => this.#hear(datagram, from))
        socket.on('error', error => log.debug({ reason: reasonOf(error) }, 'a path probe was not sent'))
        this.#sockets.set(family, socket)
      } catch (error) {
        log.warn({ port, family, reason: reasonOf(error) }, 'paths are not probed: routes say what the kernel knows')
      }
    }
    await this.#look()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#actTimer)
    clearTimeout(this.#lookTimer)
    for (const socket of this.#sockets.values()) socket.close()
    this.#sockets.clear()
  }

  /** Reads the device. Of many peers that takes a while, and is done less often: a thousandth of a core at most. */
  async #look(): Promise<void> {
    const { device, links, deviceName, log } = this.#options
    if (this.#looking) return
    this.#looking = true
    clearTimeout(this.#lookTimer)
    this.#lookedMs = performance.now()
    this.#lookEveryMs = this.#times.lookMs
    try {
      const { peers } = await device.get()
      this.#lookEveryMs = Math.max(this.#times.lookMs, Math.min(30_000, peers.length * 6))
      const mtuBytes = links.links().find(({ name }) => name === deviceName)?.mtuBytes ?? 0
      if (!this.#closed) this.#see(peers, Math.max(minMtuBytes, mtuBytes))
    } catch (error) {
      log.debug({ reason: reasonOf(error) }, 'paths were not looked at') // no device yet: the agent says so
    }
    this.#looking = false
    if (!this.#closed) this.#lookTimer = setTimeout(() => void this.#look(), this.#lookEveryMs).unref()
  }

  #see(peers: readonly PeerState[], deviceMtuBytes: number): void {
    const isResized = deviceMtuBytes !== this.#deviceMtuBytes
    this.#deviceMtuBytes = deviceMtuBytes
    const there = new Set(peers.map(({ publicKey }) => publicKey))
    for (const path of this.#paths.all()) {
      if (isResized) this.#waiting.delete(path)
      if (isResized) delete path.search
      if (!there.has(path.publicKey)) this.#forget(path)
    }
    for (const peer of peers) {
      if (peer.endpoint === undefined) continue
      const path = this.#paths.to(peer.publicKey, peer.endpoint, this.#mtus.get(peer.publicKey))
      if (Date.now() - (peer.lastHandshakeMs ?? 0) < sessionMs) {
        if (path.search === undefined || isUsed(path, peer.txBytes)) this.#askKernel(path)
        consider(path, peer.txBytes, performance.now(), this.#times)
        if (path.next !== undefined) this.#waiting.add(path)
      }
      this.#publish(path)
    }
    this.#act()
  }

  #forget(path: PeerPath): void {
    this.#paths.forget(path)
    this.#waiting.delete(path)
    this.#mtus.delete(path.publicKey)
  }

  #askKernel(path: PeerPath): void {
    const way = this.#options.links.routeTo(path.address.replace(/%.*/, ''))
    if (way !== undefined && way.link !== this.#options.deviceName) path.knownBytes = way.mtuBytes
  }

  /** Does what is due, as far as the allowance goes, and comes again when the next is. */
  #act(): void {
    clearTimeout(this.#actTimer)
    this.#actAtMs = Number.POSITIVE_INFINITY
    const nowMs = performance.now()
    // A peer that moved left its old path behind.
    for (const path of this.#waiting) if (!this.#paths.at(path.address)?.has(path)) this.#waiting.delete(path)
    const waiting = [...this.#waiting].sort((a, b) => dueMsOf(a) - dueMsOf(b))
    for (const path of waiting) {
      if (dueMsOf(path) > nowMs || this.#questions.waitMs(nowMs) > 0) break
      this.#carryOut(path, this.#stepOf(path, nowMs), nowMs)
    }
    // Thousands that wait for the allowance are not gone through for each that may go.
    const heldMs = this.#questions.waitMs(nowMs) > 0 ? nowMs + heldForMs : 0
    this.#wake(Math.max(heldMs, Math.min(...[...this.#waiting].map(dueMsOf))))
  }

  /** Acts at that time, if not before. */
  #wake(atMs: number): void {
    if (this.#closed || atMs >= this.#actAtMs) return
    clearTimeout(this.#actTimer)
    this.#actAtMs = atMs
    this.#actTimer = setTimeout(() => this.#act(), Math.max(1, atMs - performance.now())).unref()
  }

  #stepOf(path: PeerPath, nowMs: number): Step {
    const { next, search } = path
    delete path.next
    if (next === undefined && search !== undefined) return takeTime(search, nowMs)
    path.firstNumber = this.#nextNumber()
    path.askedMs = nowMs
    if (next === 'search' || search === undefined) return startSearch(this.#deviceMtuBytes, nowMs)
    if (next === 'checkLonger') path.longerMs = nowMs
    return check(search, { longer: next === 'checkLonger' }, nowMs)
  }

  #carryOut(path: PeerPath, { search, ask }: Step, nowMs: number): void {
    const before = path.search?.state
    path.search = search
    if (search.state === 'searching') this.#waiting.add(path)
    else this.#waiting.delete(path)
    if (search.state !== 'searching' && before === 'searching') this.#ended(path, search.state)
    this.#publish(path)
    const key = this.#keysOf(path)?.asks
    if (key === undefined || ask.length === 0) return
    this.#questions.take(ask.length, nowMs)
    for (const mtuBytes of ask) {
      const bytes = mtuBytes + messageOverheadBytes
      this.#send(formatPathMessage({ kind: 'question', bytes, number: this.#nextNumber() }, key), path)
    }
  }

  #ended(path: PeerPath, state: 'found' | 'silent'): void {
    const { publicKey: peer, address, port } = path
    path.silences = state === 'silent' ? path.silences + 1 : 0
    this.#askKernel(path) // which may have learned from what was asked
    if (path.silences === 1)
      this.#options.log.info(
        { peer, address, port },
        'nobody answers path probes there: the route says what the kernel knows',
      )
  }

  #hear(datagram: Buffer, { address, port }: { address: string; port: number }): void {
    const message = parsePathMessage(datagram)
    if (message === undefined) return
    const nowMs = performance.now()
    const paths = this.#paths.at(address)
    // A peer that saw us before we saw it.
    if (paths === undefined && nowMs - this.#lookedMs > this.#lookEveryMs / 2) void this.#look()
    const isAsked = (path: PeerPath) => message.number >= path.firstNumber && message.number <= this.#number
    for (const path of paths ?? []) {
      if (message.kind === 'question') {
        if (this.#hears(path, datagram)) this.#answer(path, message, port)
      } else if (isAsked(path) && this.#isFrom(path, datagram, 'asks')) {
        this.#learn(path, message)
      }
    }
  }

  /** What costs more than a look at an address is bounded. */
  #hears(path: PeerPath, datagram: Buffer): boolean {
    const nowMs = performance.now()
    return this.#heard.take(1, nowMs) && this.#isFrom(path, datagram, 'asked') && path.heard.take(1, nowMs)
  }

  #isFrom(path: PeerPath, datagram: Buffer, which: keyof ProbeKeys): boolean {
    const key = this.#keysOf(path)?.[which]
    return key !== undefined && isAuthentic(datagram, key)
  }

  #learn(path: PeerPath, { bytes }: PathMessage): void {
    if (path.search === undefined) return
    const nowMs = performance.now()
    this.#carryOut(path, takeAnswer(path.search, bytes - messageOverheadBytes, nowMs), nowMs)
    this.#wake(dueMsOf(path))
  }

  #answer(path: PeerPath, question: PathMessage, port: number): void {
    const key = this.#keysOf(path)?.asked
    if (key === undefined || question.number < path.newestHeard - overtakingMicros) return
    this.#send(formatPathMessage({ ...question, kind: 'answer' }, key), { ...path, port })
    // The newest alone says where a peer is: copies of old questions lead nowhere.
    if (question.number <= path.newestHeard) return
    path.newestHeard = question.number
    path.port = port
    if (path.search?.state !== 'silent' || performance.now() - path.askedMs < this.#times.lookMs) return
    path.next = path.search.foundBytes === undefined ? 'search' : 'check'
    this.#waiting.add(path)
    this.#wake(0)
  }

  #send(message: Buffer, { family, address, port }: Pick<PeerPath, 'family' | 'address' | 'port'>): void {
    // One that cannot leave is one that is not answered.
    this.#sockets.get(family)?.send(message, port, address, () => {})
  }

  #keysOf(path: PeerPath): PeerPath['keys'] {
    const { privateKey, publicKey } = this.#options
    if (path.keys === undefined) path.keys = probeKeys(privateKey, publicKey, path.publicKey) ?? null
    return path.keys
  }

  /** Microseconds since 1970 when nothing was asked within the last; never the same twice. */
  #nextNumber(): number {
    this.#number = Math.max(this.#number + 1, Date.now() * 1000)
    return this.#number
  }

  #publish(path: PeerPath): void {
    const { publicKey: peer, address, search } = path
    const mtuBytes = mtuOf(path, this.#deviceMtuBytes)
    const before = this.#mtus.get(peer)
    if (mtuBytes === before) return
    this.#mtus.set(peer, mtuBytes)
    const from = search?.foundBytes === undefined ? 'route' : 'probes'
    if (before !== undefined) this.#options.log.info({ peer, address, mtuBytes, before, from }, 'path MTU')
    this.#options.onChange(peer)
  }
}
