// One peer of a userspace device: its keys, the handshake that runs, its timers and cookies, and the engine's part of it.
// Events of the engine come in through the device, handshake messages and keypairs go out; the timers' one deadline is kept here.

import type { Clock } from '../base/clock.ts'
import type { PublicKey } from '../base/key.ts'
import { keyBytes, publicKeyBytes } from '../base/key.ts'
import type { Secret } from '../base/secret.ts'
import type { PeerState } from '../model/device.ts'
import type { Engine, PeerId } from '../native/engine.ts'
import { addMacs, consumeCookieReply, createMacState, type MacState } from './cookie.ts'
import { wipe } from './crypto.ts'
import {
  type ConsumedInitiation,
  consumeResponse,
  createInitiation,
  createRemote,
  createResponse,
  type Identity,
  type Initiator,
  type Remote,
  wipeInitiator,
} from './noise.ts'
import { isAfter, timestamp } from './tai64n.ts'
import { restingTimers, stepTimers, type TimerAction, type TimerEvent } from './timers.ts'
import { numberedZone } from './zone.ts'

/** At most fifty initiations a second of one peer are answered. */
const initiationIntervalMs = 20

/** Keys older than this are not used. */
const rejectAfterMs = 180_000

const noPresharedKey = new Uint8Array(keyBytes)

/** What the peers of a device share. */
export interface PeerContext {
  readonly engine: Engine
  readonly clock: Clock
  /** Fresh random bytes. */
  readonly randomBytes: (count: number) => Uint8Array
  readonly log: (level: 'debug' | 'error', text: string) => void
  /** The device's own key, if it has one. */
  identity(): Identity | undefined
}

export class Peer {
  readonly publicKey: PublicKey
  readonly id: PeerId
  readonly #context: PeerContext
  #remote: Remote | undefined
  #presharedKey: Secret | undefined
  #initiator: Initiator | undefined
  #macs: MacState
  #timers = restingTimers(0)
  #cancelDeadline = () => {}
  #running = false
  #keepaliveSeconds = 0
  #lastSentTimestamp: Uint8Array | undefined
  #lastTimestamp: Uint8Array | undefined
  #lastInitiationMs = Number.NEGATIVE_INFINITY
  #lastHandshakeMs: number | undefined

  /** Also makes the engine's peer; throws what `addPeer` throws. */
  constructor(publicKey: PublicKey, context: PeerContext) {
    const bytes = publicKeyBytes(publicKey)
    this.publicKey = publicKey
    this.#context = context
    this.#macs = createMacState(bytes)
    this.id = context.engine.addPeer(bytes)
  }

  /** What handshakes with it need: made for the first one, so that a thousand peers load at once. undefined: none can succeed. */
  get remote(): Remote | undefined {
    const identity = this.#context.identity()
    this.#remote ??= identity && createRemote(identity, publicKeyBytes(this.publicKey))
    return this.#remote
  }

  /** Short, for log lines. */
  get label(): string {
    return `peer ${this.publicKey.slice(0, 4)}…${this.publicKey.slice(-5, -1)}`
  }

  /** Whether it has keys that packets may be sent or received under. */
  get hasSession(): boolean {
    const { sessionMs } = this.#timers
    return this.#running && sessionMs !== undefined && this.#context.clock.nowMs() < sessionMs + rejectAfterMs
  }

  state(): PeerState {
    const { engine } = this.#context
    const { txBytes, rxBytes } = engine.counters(this.id)
    const endpoint = engine.endpoint(this.id)
    return {
      publicKey: this.publicKey,
      ...(this.#presharedKey && { presharedKey: this.#presharedKey.copy() }),
      ...(endpoint !== undefined && { endpoint }),
      ...(this.#lastHandshakeMs !== undefined && { lastHandshakeMs: this.#lastHandshakeMs }),
      txBytes,
      rxBytes,
      persistentKeepaliveSeconds: this.#keepaliveSeconds,
      allowedIps: engine.allowedIps(this.id),
    }
  }

  /** The link is up: timers run, and a persistent keepalive starts. */
  start(): void {
    if (this.#running) return
    const { engine, clock } = this.#context
    this.#running = true
    // What the engine said of the peer while the link was down went unheard. It says so once: that a handshake is wanted until
    // it may ask again, and that data passes until its watch is put to rest.
    const nowMs = clock.nowMs()
    this.#timers = { ...restingTimers(0), gaveUpMs: nowMs, keepaliveSentMs: nowMs }
    this.step({ kind: 'active' })
    engine.askAgain(this.id)
    if (this.#keepaliveSeconds > 0) this.step({ kind: 'persistentSet', seconds: this.#keepaliveSeconds })
  }

  /** The link is down, or the peer goes: no session, no timer, nothing staged. */
  stop(): void {
    const { engine } = this.#context
    this.#running = false
    this.#cancelDeadline()
    this.#forgetHandshake()
    engine.clearKeypairs(this.id)
    engine.dropStaged(this.id)
    engine.askAgain(this.id)
  }

  /** Forgets the keys of a peer that was removed from the engine. */
  wipe(): void {
    this.#running = false
    this.#cancelDeadline()
    if (this.#initiator) wipeInitiator(this.#initiator)
    if (this.#remote) wipe(this.#remote.staticStatic)
    this.#presharedKey?.wipe()
  }

  /** The device's private key changed: sessions end, and the next packet makes a new one. */
  identityChanged(): void {
    const { engine } = this.#context
    if (this.#remote) wipe(this.#remote.staticStatic)
    this.#remote = undefined
    this.#forgetHandshake()
    engine.clearKeypairs(this.id)
    engine.askAgain(this.id)
    const { persistentMs, armed } = this.#timers
    this.#timers = { ...restingTimers(0), persistentMs, armed }
    this.step({ kind: 'deadline' })
  }

  setPresharedKey(key: Secret | null): void {
    this.#presharedKey?.wipe()
    this.#presharedKey = key?.copy()
  }

  setEndpoint(endpoint: string): void {
    this.#context.engine.setEndpoint(this.id, numberedZone(endpoint))
    this.step({ kind: 'endpointSet' })
  }

  setKeepalive(seconds: number): void {
    this.#keepaliveSeconds = seconds
    this.step({ kind: 'persistentSet', seconds })
  }

  /** Takes an event into the timers and does what they say. */
  step(event: TimerEvent): void {
    if (!this.#running) return
    const { engine, clock } = this.#context
    const input = { nowMs: clock.nowMs(), counters: engine.counters(this.id), random: this.#random() }
    const { state, actions, deadlineMs } = stepTimers(this.#timers, event, input)
    this.#timers = state
    this.#cancelDeadline()
    if (deadlineMs !== undefined) {
      const delayMs = Math.max(0, deadlineMs - input.nowMs)
      this.#cancelDeadline = clock.after(delayMs, () => this.step({ kind: 'deadline' }))
    }
    for (const action of actions) this.#act(action)
  }

  /**
   * Answers an authentic initiation, unless it is a replay or comes too soon after the last. `source` is where it came
   * from, and where the peer is from now on. Returns whether it was answered.
   */
  respond(initiation: ConsumedInitiation, source: Uint8Array): boolean {
    const { engine, clock, randomBytes, log } = this.#context
    const nowMs = clock.nowMs()
    const { remote } = this
    if (remote === undefined || !this.#running) return false
    if (this.#lastTimestamp !== undefined && !isAfter(initiation.timestamp, this.#lastTimestamp)) {
      log('debug', `${this.label}: an initiation was replayed`)
      return false
    }
    if (nowMs < this.#lastInitiationMs + initiationIntervalMs) {
      log('debug', `${this.label}: initiations come too fast`)
      return false
    }
    this.#lastTimestamp = initiation.timestamp
    this.#lastInitiationMs = nowMs
    engine.adoptEndpoint(this.id, source)
    const localIndex = engine.newIndex(this.id)
    const presharedKey = this.#presharedKey?.bytes ?? noPresharedKey
    const ephemeral = randomBytes(keyBytes)
    const response = createResponse({ initiation, remote, presharedKey, ephemeral, localIndex })
    if (response === undefined) {
      engine.freeIndex(localIndex)
      return false
    }
    log('debug', `${this.label}: answering a handshake initiation`)
    // The keys first: the peer's data may follow its receipt of the response at once.
    engine.installKeypair(this.id, response.keypair)
    wipe(response.keypair.sendKey, response.keypair.receiveKey)
    const sent = this.#send(response.message)
    this.step({ kind: 'responded' })
    return sent
  }

  /** Takes the response to our initiation. */
  takeResponse(message: Uint8Array, source: Uint8Array): void {
    const { engine, log } = this.#context
    const identity = this.#context.identity()
    const initiator = this.#initiator
    if (identity === undefined || initiator === undefined) return
    const presharedKey = this.#presharedKey?.bytes ?? noPresharedKey
    const keypair = consumeResponse({ identity, initiator, presharedKey, message })
    if (keypair === undefined) {
      log('debug', `${this.label}: a handshake response is not authentic`)
      return
    }
    log('debug', `${this.label}: handshake complete`)
    this.#initiator = undefined
    wipeInitiator(initiator)
    engine.adoptEndpoint(this.id, source)
    engine.installKeypair(this.id, keypair)
    wipe(keypair.sendKey, keypair.receiveKey)
    this.#completed(true)
  }

  /**
   * Takes a cookie reply; returns whether it was authentic. Nothing is sent: the cookie is for the next initiation, when its
   * time comes. The endpoint stays as it was.
   */
  takeCookie(message: Uint8Array): boolean {
    const macs = consumeCookieReply(this.#macs, message, this.#context.clock.nowMs())
    if (macs === undefined) {
      this.#context.log('debug', `${this.label}: a cookie reply is not authentic`)
      return false
    }
    this.#macs = macs
    this.#context.log('debug', `${this.label}: it is under load and sent a cookie; the next initiation has it`)
    return true
  }

  /** The peer's first data under the keys of our response. */
  confirmed(): void {
    this.#context.log('debug', `${this.label}: handshake confirmed`)
    this.#completed(false)
  }

  #completed(initiator: boolean): void {
    this.#lastHandshakeMs = this.#context.clock.wallMs()
    this.step({ kind: 'complete', initiator })
  }

  #act(action: TimerAction): void {
    const { engine, log } = this.#context
    switch (action.kind) {
      case 'initiate':
        this.#initiate(action.retry)
        break
      case 'giveUp':
        log('debug', `${this.label}: no handshake within 90 s; packets for it are dropped`)
        this.#forgetHandshake()
        engine.dropStaged(this.id)
        engine.askAgain(this.id)
        break
      case 'askAgain':
        engine.askAgain(this.id)
        break
      case 'sendKeepalive':
        engine.sendKeepalive(this.id)
        break
      case 'wipe':
        log('debug', `${this.label}: wiping keys that are 540 s old`)
        engine.clearKeypairs(this.id)
        break
      case 'rest':
        if (!engine.rest(this.id, action.seenMs)) this.step({ kind: 'active' })
    }
  }

  #initiate(retry: boolean): void {
    const { engine, clock, randomBytes, log } = this.#context
    const identity = this.#context.identity()
    const { remote } = this
    const endpoint = engine.endpoint(this.id)
    if (identity === undefined || remote === undefined || endpoint === undefined) {
      this.step({ kind: 'unsent' })
      return
    }
    if (retry) engine.setEndpoint(this.id, endpoint) // our own address may be the trouble: it is chosen anew
    this.#forgetHandshake()
    const localIndex = engine.newIndex(this.id)
    const stamp = timestamp(clock.wallMs(), this.#lastSentTimestamp)
    this.#lastSentTimestamp = stamp
    const ephemeral = randomBytes(keyBytes)
    const initiation = createInitiation({ identity, remote, ephemeral, timestamp: stamp, localIndex })
    if (initiation === undefined) {
      engine.freeIndex(localIndex)
      return
    }
    this.#initiator = initiation.initiator
    log('debug', `${this.label}: sending a handshake initiation to ${endpoint}`)
    if (!this.#send(initiation.message)) this.step({ kind: 'unsent' })
  }

  #send(message: Uint8Array): boolean {
    this.#macs = addMacs(this.#macs, message, this.#context.clock.nowMs())
    const sent = this.#context.engine.sendHandshake(this.id, message)
    if (!sent) this.#context.log('debug', `${this.label}: a handshake message could not be sent`)
    return sent
  }

  #forgetHandshake(): void {
    if (this.#initiator === undefined) return
    wipeInitiator(this.#initiator)
    this.#context.engine.freeIndex(this.#initiator.localIndex)
    this.#initiator = undefined
  }

  #random(): number {
    const [byte = 0, other = 0] = this.#context.randomBytes(2)
    return (byte * 256 + other) / 65536
  }
}
