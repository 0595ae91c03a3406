// A WireGuard device of this process: owns an engine, which moves packets, and decides what it cannot: handshakes, timers, peers.
//
//   set/get (UAPI, library) --> device --> peers --> engine: endpoints, AllowedIPs, keypairs, handshake messages to send
//   engine events (batches) --> device --> the peer named, or found by the key inside an initiation

import { randomBytes } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { PodwireError, reasonOf } from '../base/errors.ts'
import { formatPublicKey, type PublicKey } from '../base/key.ts'
import type { Secret } from '../base/secret.ts'
import type { Device, DeviceChange, DeviceState, PeerChange } from '../model/device.ts'
import type { Engine, EngineEvent, PeerId } from '../native/engine.ts'
import type { DeviceStatus } from './device-status.ts'
import { consumeInitiation, createIdentity, type Identity, wipeIdentity, wipeInitiation } from './noise.ts'
import { Peer, type PeerContext } from './peer.ts'

export interface UserspaceDeviceOptions {
  /** Opens the engine; `onEvents` is called on this thread when events wait. */
  readonly openEngine: (onEvents: () => void) => Engine
  readonly clock: (engine: Engine) => Clock
  /** Randomness of keys, indices and jitter; that of node:crypto unless a test says otherwise. */
  readonly randomBytes?: (count: number) => Uint8Array
  readonly log: (level: 'debug' | 'error', text: string) => void
  /** The interface was deleted: the process has nothing left to do but `close`. */
  readonly onEnd: () => void
}

export class UserspaceDevice implements Device {
  readonly #options: UserspaceDeviceOptions
  readonly #engine: Engine
  readonly #context: PeerContext
  readonly #peers = new Map<PublicKey, Peer>()
  readonly #peersById = new Map<PeerId, Peer>()
  #privateKey: Secret | undefined
  #identity: Identity | undefined
  /** The port asked for, or the one that the kernel chose: kept while the link is down. */
  #listenPort = 0
  #fwmark = 0
  #up = false
  #bound = false
  #closed = false
  readonly #startedMs: number
  readonly #handshakes = { initiationsReceived: 0, initiationsAnswered: 0, cookiesReceived: 0 }

  /** Errors: those of opening the engine. */
  constructor(options: UserspaceDeviceOptions) {
    this.#options = options
    this.#engine = options.openEngine(() => this.#drain())
    this.#context = {
      engine: this.#engine,
      clock: options.clock(this.#engine),
      randomBytes: options.randomBytes ?? (count => new Uint8Array(randomBytes(count))),
      log: options.log,
      identity: () => this.#identity,
    }
    this.#startedMs = this.#context.clock.nowMs()
  }

  /** The interface's name as the kernel has it. */
  get name(): string {
    return this.#engine.name
  }

  async get(keys?: readonly PublicKey[]): Promise<DeviceState> {
    const peers = keys === undefined ? [...this.#peers.values()] : keys.flatMap(key => this.#peers.get(key) ?? [])
    return {
      ...(this.#privateKey && { privateKey: this.#privateKey.copy() }),
      listenPort: this.#listenPort,
      fwmark: this.#fwmark,
      peers: peers.map(peer => peer.state()),
    }
  }

  /** Beyond the cross-platform interface: how it does. The version is for its program to say. */
  status(): Omit<DeviceStatus, 'version'> {
    const { memoryBytes, ...engine } = this.#engine.status()
    const peers = [...this.#peers.values()]
    const drops = Object.entries(this.#engine.drops()).filter(([, packets]) => packets > 0n)
    return {
      interface: this.name,
      pid: process.pid,
      uptimeSeconds: Math.floor((this.#context.clock.nowMs() - this.#startedMs) / 1000),
      up: this.#up,
      mtuBytes: this.#engine.mtuBytes,
      listenPort: this.#listenPort,
      peers: { count: peers.length, withSession: peers.filter(peer => peer.hasSession).length },
      ...engine,
      memory: { residentBytes: process.memoryUsage.rss(), engineBytes: memoryBytes },
      handshakes: { ...this.#handshakes },
      drops: Object.fromEntries(drops.map(([reason, packets]) => [reason, Number(packets)])),
    }
  }

  /** Errors: ERR_PODWIRE_PORT_IN_USE, ERR_PODWIRE_SYSTEM; what came before in the change stays. */
  async set(change: DeviceChange): Promise<void> {
    if (change.privateKey !== undefined) this.#setPrivateKey(change.privateKey)
    if (change.listenPort !== undefined) this.#setListenPort(change.listenPort)
    if (change.fwmark !== undefined) {
      this.#engine.setFwmark(change.fwmark)
      this.#fwmark = change.fwmark
    }
    if (change.replacePeers) for (const peer of [...this.#peers.values()]) this.#removePeer(peer)
    for (const peer of change.peers ?? []) this.#setPeer(peer)
  }

  /** Ends the device: keys are wiped, sockets closed, and an interface that the engine made is gone. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const peer of [...this.#peers.values()]) this.#removePeer(peer)
    this.#privateKey?.wipe()
    if (this.#identity) wipeIdentity(this.#identity)
    const drops = Object.entries(this.#engine.drops()).filter(([, count]) => count > 0n)
    const list = drops.map(([reason, count]) => `${reason} ${count}`).join(', ')
    this.#options.log('debug', `packets dropped: ${list || 'none'}`)
    this.#engine.close()
  }

  #setPrivateKey(key: Secret | null): void {
    if (Buffer.compare(key?.bytes ?? Buffer.alloc(0), this.#privateKey?.bytes ?? Buffer.alloc(0)) === 0) return
    const identity = key === null ? undefined : createIdentity(key.bytes)
    this.#engine.setPublicKey(identity?.publicKey ?? null)
    this.#privateKey?.wipe()
    this.#privateKey = key === null ? undefined : key.copy()
    if (this.#identity) wipeIdentity(this.#identity)
    this.#identity = identity
    const own = identity && this.#peers.get(formatPublicKey(identity.publicKey))
    if (own !== undefined) this.#removePeer(own)
    for (const peer of this.#peers.values()) peer.identityChanged()
  }

  /** While the link is down the port is only tried, so that whoever asks hears at once that it is taken. */
  #setListenPort(port: number): void {
    if (this.#up) {
      if (this.#bound && port === this.#listenPort) return
      this.#bind(port)
      return
    }
    if (port !== 0) {
      this.#engine.bind(port)
      this.#engine.unbind()
    }
    this.#listenPort = port
  }

  #bind(port: number): void {
    this.#listenPort = this.#engine.bind(port)
    this.#bound = true
    this.#options.log('debug', `listening on port ${this.#listenPort}`)
  }

  #setPeer(change: PeerChange): void {
    const { publicKey } = change
    if (this.#identity !== undefined && publicKey === formatPublicKey(this.#identity.publicKey)) return
    const known = this.#peers.get(publicKey)
    if (change.remove) {
      if (known !== undefined) this.#removePeer(known)
      return
    }
    if (known === undefined && change.updateOnly) return
    const peer = known ?? this.#addPeer(publicKey)
    if (change.presharedKey !== undefined) peer.setPresharedKey(change.presharedKey)
    if (change.endpoint !== undefined) peer.setEndpoint(change.endpoint)
    if (change.replaceAllowedIps) this.#engine.clearAllowedIps(peer.id)
    if (change.removeAllowedIps?.length) this.#engine.removeAllowedIps(peer.id, change.removeAllowedIps)
    if (change.allowedIps?.length) this.#engine.addAllowedIps(peer.id, change.allowedIps)
    if (change.persistentKeepaliveSeconds !== undefined) peer.setKeepalive(change.persistentKeepaliveSeconds)
  }

  #addPeer(publicKey: PublicKey): Peer {
    const peer = new Peer(publicKey, this.#context)
    this.#peers.set(publicKey, peer)
    this.#peersById.set(peer.id, peer)
    if (this.#up) peer.start()
    return peer
  }

  #removePeer(peer: Peer): void {
    this.#peers.delete(peer.publicKey)
    this.#peersById.delete(peer.id)
    peer.wipe()
    this.#engine.removePeer(peer.id)
  }

  /** A batch of events at a time, so that the sockets of the UAPI are served in between; the engine wakes us again after the last. */
  #drain(): void {
    if (this.#closed) return
    const events = this.#engine.drain()
    for (const event of events) this.#handle(event)
    if (events.length > 0) this.#context.clock.after(0, () => this.#drain())
  }

  /** An event that cannot be carried out (the kernel refused something) must not stop those behind it. */
  #handle(event: EngineEvent): void {
    try {
      this.#carryOut(event)
    } catch (error) {
      if (!(error instanceof PodwireError)) throw error
      this.#options.log('error', `${event.kind}: ${reasonOf(error)}`)
    }
  }

  #carryOut(event: EngineEvent): void {
    switch (event.kind) {
      case 'handshake':
        this.#takeHandshake(event.message, event.source, event.peer)
        break
      case 'handshakeWanted':
      case 'active':
        this.#peersById.get(event.peer)?.step({ kind: event.kind })
        break
      case 'confirmed':
        this.#peersById.get(event.peer)?.confirmed()
        break
      case 'linkUp':
        this.#linkUp()
        break
      case 'linkDown':
        this.#linkDown()
        break
      case 'linkMtu':
        this.#options.log('debug', `MTU ${event.mtuBytes}`)
        break
      case 'linkGone':
        this.#options.log('debug', 'the interface was deleted')
        this.#options.onEnd()
        break
      case 'warning':
        this.#options.log('error', event.message)
    }
  }

  #takeHandshake(message: Uint8Array, source: Uint8Array, id: PeerId | undefined): void {
    const named = id === undefined ? undefined : this.#peersById.get(id)
    if (message[0] === 2) named?.takeResponse(message, source)
    if (message[0] === 3 && named?.takeCookie(message)) this.#handshakes.cookiesReceived += 1
    if (message[0] !== 1 || this.#identity === undefined) return
    this.#handshakes.initiationsReceived += 1
    let peer: Peer | undefined
    const initiation = consumeInitiation(this.#identity, message, publicKey => {
      peer = this.#peers.get(formatPublicKey(publicKey))
      return peer?.remote
    })
    if (initiation === undefined) {
      this.#options.log('debug', 'an initiation is not authentic')
      return
    }
    if (peer?.respond(initiation, source)) this.#handshakes.initiationsAnswered += 1
    wipeInitiation(initiation)
  }

  #linkUp(): void {
    if (this.#up) return
    this.#up = true
    for (const peer of this.#peers.values()) peer.start()
    this.#bind(this.#listenPort) // if it is taken by now, a port that is set later binds
  }

  #linkDown(): void {
    if (!this.#up) return
    this.#up = false
    this.#bound = false
    this.#engine.unbind()
    this.#options.log('debug', 'down')
    for (const peer of this.#peers.values()) peer.stop()
  }
}
