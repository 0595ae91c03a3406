// An engine without packets: it remembers what it was told, and its events come from the test. Two of them can be joined, so
// that the handshake messages of one arrive at the other.

import { podwireError } from '../../../src/base/errors.ts'
import { formatPublicKey } from '../../../src/base/key.ts'
import type { Engine, EngineEvent, Keypair, PeerCounters, PeerId } from '../../../src/native/engine.ts'
import type { EngineStatus } from '../../../src/native/engine-status.ts'

interface FakePeer {
  readonly publicKey: string
  endpoint?: string
  allowedIps: string[]
  keypairs: Keypair[]
  counters: PeerCounters
}

export class FakeEngine implements Engine {
  readonly name = 'wg0'
  readonly mtuBytes = 1420
  /** What was told, in order, as "method peer". */
  calls: string[] = []
  sent: Uint8Array[] = []
  readonly peers = new Map<PeerId, FakePeer>()
  /** Where handshake messages go; absent: nowhere. */
  deliver: ((message: Uint8Array) => void) | undefined
  takenPort: number | undefined
  boundPort: number | undefined
  publicKey: Uint8Array | null = null
  readonly #indices = new Map<number, PeerId>()
  readonly #events: EngineEvent[] = []
  readonly #onEvents: () => void
  readonly #nowMs: () => number
  #nextIndex: number
  #nextPeer = 0

  constructor(onEvents: () => void, nowMs: () => number, firstIndex = 1) {
    this.#onEvents = onEvents
    this.#nowMs = nowMs
    this.#nextIndex = firstIndex
  }

  /** Says events, as the engine's threads would. */
  say(...events: EngineEvent[]): void {
    this.#events.push(...events)
    this.#onEvents()
  }

  /** A handshake message arrives from an address. */
  arrive(message: Uint8Array, from: string): void {
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength)
    const at = message[0] === 2 ? 8 : 4
    const peer = message[0] === 1 ? undefined : this.#indices.get(view.getUint32(at, true))
    const source = Buffer.from(from)
    this.say({ kind: 'handshake', message: Uint8Array.from(message), source, ...(peer !== undefined && { peer }) })
  }

  peer(publicKey: string): FakePeer & { id: PeerId } {
    for (const [id, peer] of this.peers) if (peer.publicKey === publicKey) return Object.assign(peer, { id })
    throw new Error(`no peer ${publicKey}`)
  }

  setCounters(id: PeerId, change: Partial<PeerCounters>): void {
    const peer = this.#get(id)
    peer.counters = { ...peer.counters, ...change }
  }

  nowMs(): number {
    return this.#nowMs()
  }

  setPublicKey(publicKey: Uint8Array | null): void {
    this.publicKey = publicKey
  }

  bind(port: number): number {
    if (port === this.takenPort) throw podwireError('ERR_PODWIRE_PORT_IN_USE', { port })
    this.boundPort = port === 0 ? 40000 : port
    return this.boundPort
  }

  unbind(): void {
    this.boundPort = undefined
  }

  setFwmark(mark: number): void {
    this.calls.push(`setFwmark ${mark}`)
  }

  addPeer(publicKey: Uint8Array): PeerId {
    const id = this.#nextPeer++
    const counters = { txBytes: 0n, rxBytes: 0n, receivedUnansweredMs: 0, sentUnansweredMs: 0, lastTraversalMs: 0 }
    this.peers.set(id, { publicKey: formatPublicKey(publicKey), allowedIps: [], keypairs: [], counters })
    return id
  }

  removePeer(id: PeerId): void {
    this.#get(id)
    this.peers.delete(id)
  }

  setEndpoint(id: PeerId, endpoint: string): void {
    this.#get(id).endpoint = endpoint
  }

  adoptEndpoint(id: PeerId, source: Uint8Array): void {
    this.#get(id).endpoint = Buffer.from(source).toString()
  }

  endpoint(id: PeerId): string | undefined {
    return this.#get(id).endpoint
  }

  addAllowedIps(id: PeerId, cidrs: readonly string[]): void {
    for (const peer of this.peers.values()) peer.allowedIps = peer.allowedIps.filter(cidr => !cidrs.includes(cidr))
    this.#get(id).allowedIps.push(...cidrs)
  }

  removeAllowedIps(id: PeerId, cidrs: readonly string[]): void {
    const peer = this.#get(id)
    peer.allowedIps = peer.allowedIps.filter(cidr => !cidrs.includes(cidr))
  }

  clearAllowedIps(id: PeerId): void {
    this.#get(id).allowedIps = []
  }

  allowedIps(id: PeerId): string[] {
    return this.#get(id).allowedIps
  }

  newIndex(id: PeerId): number {
    this.#get(id)
    this.#indices.set(this.#nextIndex, id)
    return this.#nextIndex++
  }

  freeIndex(index: number): void {
    this.#indices.delete(index)
  }

  installKeypair(id: PeerId, keypair: Keypair): void {
    const copy = { ...keypair, sendKey: keypair.sendKey.slice(), receiveKey: keypair.receiveKey.slice() }
    this.#get(id).keypairs.push(copy)
    this.calls.push(`installKeypair ${id}`)
  }

  clearKeypairs(id: PeerId): void {
    this.#get(id).keypairs = []
    this.calls.push(`clearKeypairs ${id}`)
  }

  dropStaged(id: PeerId): void {
    this.calls.push(`dropStaged ${id}`)
  }

  sendHandshake(id: PeerId, message: Uint8Array): boolean {
    if (this.#get(id).endpoint === undefined || this.boundPort === undefined) return false
    this.sent.push(Uint8Array.from(message))
    this.deliver?.(Uint8Array.from(message))
    return true
  }

  sendKeepalive(id: PeerId): void {
    this.calls.push(`sendKeepalive ${id}`)
  }

  askAgain(id: PeerId): void {
    this.calls.push(`askAgain ${id}`)
  }

  rest(id: PeerId): boolean {
    this.calls.push(`rest ${id}`)
    return true
  }

  counters(id: PeerId): PeerCounters {
    return this.#get(id).counters
  }

  status(): EngineStatus {
    const on = { state: 'on' } as const
    const offloads = { tso: on, uso: on, gso: on, gro: on, coalesceTcp: on, coalesceUdp: on }
    return { aead: 'none', threads: 2, memoryBytes: 4096, offloads }
  }

  drops(): Record<string, bigint> {
    return { replay: 3n, length: 0n }
  }

  drain(): EngineEvent[] {
    return this.#events.splice(0)
  }

  close(): void {
    this.calls.push('close')
  }

  #get(id: PeerId): FakePeer {
    const peer = this.peers.get(id)
    if (peer === undefined) throw new Error(`the engine has no peer ${id}`)
    return peer
  }
}
