// The border between the two halves of a userspace device, as TypeScript sees it. This list is the whole of it:
// commands go down as calls, none of them once per packet; events come up in batches; counters are read in shared memory.
// The Rust side is native/addon over native/engine. An open engine keeps the process alive until `close`.

import { callAddon, loadAddon } from './addon.ts'
import type { EngineStatus, Offload, OffloadName } from './engine-status.ts'

/** Offloads that may be used; what is absent may. */
export interface EngineSwitches {
  /** TCP and UDP super-packets from the TUN. */
  readonly tso?: boolean
  readonly uso?: boolean
  /** UDP_SEGMENT when sending, UDP_GRO when receiving. */
  readonly gso?: boolean
  readonly gro?: boolean
  /** Joining TCP and UDP packets towards the TUN. */
  readonly coalesce?: boolean
}

/** What starts an engine. */
export interface EngineOptions {
  /** Name of the interface to create, or of the one behind `tunFd`. */
  readonly name: string
  readonly mtuBytes: number
  /** An open TUN file descriptor to use instead of creating one. */
  readonly tunFd?: number
  readonly switches?: EngineSwitches
  /** Threads that move packets each way; absent or 0: half the cores. */
  readonly threads?: number
  /** Called on the JavaScript thread when events wait; not called again until `drain` found none left. */
  readonly onEvents: () => void
}

/** A pair of transport keys, handed down when a handshake completes. */
export interface Keypair {
  /** The index that the peer writes in its packets to us; from `newIndex`. */
  readonly localIndex: number
  readonly remoteIndex: number
  readonly sendKey: Uint8Array
  readonly receiveKey: Uint8Array
  /** The initiator may send at once; the responder after the first data packet under these keys. */
  readonly initiator: boolean
}

/** A peer's place in the engine: a small number, reused after `removePeer`. */
export type PeerId = number

export type EngineEvent =
  /** A message of type 1 whose mac1 is right, or of type 2 or 3 for an index that is ours. */
  | {
      readonly kind: 'handshake'
      readonly message: Uint8Array
      /** Sender and our own address it came to, opaque: for `adoptEndpoint`. */
      readonly source: Uint8Array
      /** Whose index a message of type 2 or 3 names. */
      readonly peer?: PeerId
    }
  /** A packet waits, or a session is old enough, and a new handshake is due. Once until the next keypair or `askAgain`. */
  | { readonly kind: 'handshakeWanted'; readonly peer: PeerId }
  /** Data passed while the peer's timers were at rest; they are armed until `rest`. */
  | { readonly kind: 'active'; readonly peer: PeerId }
  /** The responder's keypair got its first data packet: the session is live. */
  | { readonly kind: 'confirmed'; readonly peer: PeerId; readonly localIndex: number }
  | { readonly kind: 'linkUp' }
  | { readonly kind: 'linkDown' }
  | { readonly kind: 'linkMtu'; readonly mtuBytes: number }
  /** The interface is gone: the device must end. */
  | { readonly kind: 'linkGone' }
  /** A system call failed in a way that was survived; at most one a second for each kind. */
  | { readonly kind: 'warning'; readonly message: string }

/** Counters and times of one peer, read from shared memory. Times are on the engine's clock, 0 is never. */
export interface PeerCounters {
  readonly txBytes: bigint
  readonly rxBytes: bigint
  /** When data came that nothing has been sent after: a passive keepalive is due 10 s later. */
  readonly receivedUnansweredMs: number
  /** When data went that nothing has come after: a new handshake is due 15 s later. */
  readonly sentUnansweredMs: number
  /** When an authenticated packet last passed either way: for the persistent keepalive. */
  readonly lastTraversalMs: number
}

/** The packet half of a userspace device. Every method may throw a PodwireError and then has changed nothing. */
export interface Engine {
  /** The interface's name as the kernel has it. */
  readonly name: string
  readonly mtuBytes: number
  /** CLOCK_BOOTTIME in milliseconds: the time of every `…Ms` of the counters. */
  nowMs(): number

  /** Whose mac1 to accept; null: no handshake message passes. */
  setPublicKey(publicKey: Uint8Array | null): void
  /**
   * Opens sockets on both families and returns the port (0 asks for any). The former sockets stay if it fails, and if
   * they have that port already. Errors: ERR_PODWIRE_PORT_IN_USE, ERR_PODWIRE_NEEDS_ROOT, ERR_PODWIRE_SYSTEM.
   */
  bind(port: number): number
  unbind(): void
  setFwmark(mark: number): void

  addPeer(publicKey: Uint8Array): PeerId
  /** Also wipes its keys, frees its indices and AllowedIPs, and drops what was staged. */
  removePeer(peer: PeerId): void
  /** "ip:port"; the local address that packets leave from is chosen anew. */
  setEndpoint(peer: PeerId, endpoint: string): void
  /**
   * Takes the source of an authenticated handshake message as the peer's endpoint, and our address it came to as ours.
   * Stamps the counters with the message.
   */
  adoptEndpoint(peer: PeerId, source: Uint8Array): void
  endpoint(peer: PeerId): string | undefined
  /** Canonical CIDRs. One that belongs to another peer moves to this one. */
  addAllowedIps(peer: PeerId, cidrs: readonly string[]): void
  removeAllowedIps(peer: PeerId, cidrs: readonly string[]): void
  clearAllowedIps(peer: PeerId): void
  allowedIps(peer: PeerId): string[]

  /** A random index that nobody has, bound to the peer until a keypair takes it or `freeIndex`. */
  newIndex(peer: PeerId): number
  freeIndex(index: number): void
  /** For the initiator: sends what was staged, or an empty packet, so that the responder may send too. */
  installKeypair(peer: PeerId, keypair: Keypair): void
  /** Wipes all keypairs of the peer. */
  clearKeypairs(peer: PeerId): void
  /** Drops the packets that wait for a session. */
  dropStaged(peer: PeerId): void
  /** Sends a handshake message to the peer's endpoint; false if it has none or the kernel refused. Stamps the counters. */
  sendHandshake(peer: PeerId, message: Uint8Array): boolean
  /** Sends an empty data packet; without a session it asks for one (`handshakeWanted`). */
  sendKeepalive(peer: PeerId): void
  /** Lets `handshakeWanted` be said again, after an attempt was given up; says it at once if packets wait. */
  askAgain(peer: PeerId): void
  /** Puts the peer's timers to rest; false if data passed since `seenMs` (a `lastTraversalMs`), and then they stay armed. */
  rest(peer: PeerId, seenMs: number): boolean

  counters(peer: PeerId): PeerCounters
  status(): EngineStatus
  /** Packets dropped, by reason. */
  drops(): Record<string, bigint>
  /** Events that wait, oldest first, but initiations last and only some at a time; empty when there are none left. */
  drain(): EngineEvent[]
  /**
   * Ends the threads, closes the sockets and the TUN (which removes an interface that it created). Every later call but
   * `close` and `nowMs` throws ERR_PODWIRE_CLOSED.
   */
  close(): void
}

type AllowedIps = 'addAllowedIps' | 'removeAllowedIps' | 'allowedIps'

/** What the addon exports; the same methods, with memory and numbers in the forms that cross the border. */
interface NativeEngine
  extends Omit<
    Engine,
    'name' | 'mtuBytes' | 'nowMs' | 'rest' | 'endpoint' | 'counters' | 'status' | 'drops' | 'drain' | AllowedIps
  > {
  name(): string
  mtuBytes(): number
  rest(peer: PeerId, seenMs: bigint): boolean
  endpoint(peer: PeerId): string | null
  /** Separated by spaces: one long string crosses sooner than many short ones. */
  addAllowedIps(peer: PeerId, cidrs: string): void
  removeAllowedIps(peer: PeerId, cidrs: string): void
  allowedIps(peer: PeerId): string
  /** Words of `chunkPeers` peers, written by the engine. */
  counters(chunk: number): BigUint64Array | null
  status(): Omit<EngineStatus, 'offloads'> & {
    offloads: { name: OffloadName; state: Offload['state']; reason?: string }[]
  }
  drops(): BigUint64Array
  /** Records as in native/engine/src/events.rs. */
  drain(): Buffer
}

interface Addon {
  NativeEngine: {
    open(options: Omit<EngineOptions, 'onEvents'>, wake: () => void): NativeEngine
    nowMs(): number
    dropNames(): string[]
  }
}

// As in native/engine/src/counters.rs.
const chunkPeers = 256
const peerWords = 16
const word = { txBytes: 0, sentUnanswered: 1, rxBytes: 8, receivedUnanswered: 9, lastTraversal: 10 }

// Held here, so that an engine is closed by `close` and never because nobody refers to it.
const open = new Set<NativeEngine>()

/**
 * Creates the interface (or takes `tunFd`, which is the engine's from then on) and starts the engine; no sockets yet.
 * Errors: ERR_PODWIRE_NO_TUN, ERR_PODWIRE_NEEDS_ROOT, ERR_PODWIRE_NAME, ERR_PODWIRE_NAME_IN_USE, ERR_PODWIRE_SYSTEM,
 * ERR_PODWIRE_ADDON.
 */
export function openEngine({ onEvents, ...options }: EngineOptions): Engine {
  const addon = loadAddon<Addon>().NativeEngine
  const native = callAddon(() => addon.open(options, onEvents))
  open.add(native)
  const chunks = new Map<number, BigUint64Array>()

  function chunkOf(peer: PeerId): BigUint64Array {
    const number = Math.floor(peer / chunkPeers)
    const known = chunks.get(number)
    if (known !== undefined) return known
    const chunk = callAddon(() => native.counters(number))
    if (chunk === null) throw new RangeError(`no such peer: ${peer}`)
    chunks.set(number, chunk)
    return chunk
  }

  return {
    name: callAddon(() => native.name()),
    get mtuBytes() {
      return callAddon(() => native.mtuBytes())
    },
    nowMs: () => addon.nowMs(),
    setPublicKey: publicKey => callAddon(() => native.setPublicKey(publicKey)),
    bind: port => callAddon(() => native.bind(port)),
    unbind: () => callAddon(() => native.unbind()),
    setFwmark: mark => callAddon(() => native.setFwmark(mark)),
    addPeer: publicKey => callAddon(() => native.addPeer(publicKey)),
    removePeer: peer => callAddon(() => native.removePeer(peer)),
    setEndpoint: (peer, endpoint) => callAddon(() => native.setEndpoint(peer, endpoint)),
    adoptEndpoint: (peer, source) => callAddon(() => native.adoptEndpoint(peer, source)),
    endpoint: peer => callAddon(() => native.endpoint(peer)) ?? undefined,
    addAllowedIps: (peer, cidrs) => callAddon(() => native.addAllowedIps(peer, cidrs.join(' '))),
    removeAllowedIps: (peer, cidrs) => callAddon(() => native.removeAllowedIps(peer, cidrs.join(' '))),
    clearAllowedIps: peer => callAddon(() => native.clearAllowedIps(peer)),
    allowedIps: peer =>
      callAddon(() => native.allowedIps(peer))
        .split(' ')
        .filter(Boolean),
    newIndex: peer => callAddon(() => native.newIndex(peer)),
    freeIndex: index => callAddon(() => native.freeIndex(index)),
    installKeypair: (peer, keypair) => callAddon(() => native.installKeypair(peer, keypair)),
    clearKeypairs: peer => callAddon(() => native.clearKeypairs(peer)),
    dropStaged: peer => callAddon(() => native.dropStaged(peer)),
    sendHandshake: (peer, message) => callAddon(() => native.sendHandshake(peer, message)),
    sendKeepalive: peer => callAddon(() => native.sendKeepalive(peer)),
    askAgain: peer => callAddon(() => native.askAgain(peer)),
    rest: (peer, seenMs) => callAddon(() => native.rest(peer, BigInt(seenMs))),
    counters(peer) {
      const chunk = chunkOf(peer)
      const base = (peer % chunkPeers) * peerWords
      const at = (place: number) => Atomics.load(chunk, base + place)
      return {
        txBytes: at(word.txBytes),
        rxBytes: at(word.rxBytes),
        receivedUnansweredMs: Number(at(word.receivedUnanswered)),
        sentUnansweredMs: Number(at(word.sentUnanswered)),
        lastTraversalMs: Number(at(word.lastTraversal)),
      }
    },
    status() {
      const { offloads, ...rest } = callAddon(() => native.status())
      const named = offloads.map(({ name, ...offload }) => [name, offload])
      return { ...rest, offloads: Object.fromEntries(named) }
    },
    drops() {
      const counts = callAddon(() => native.drops())
      return Object.fromEntries(addon.dropNames().map((name, i) => [name, counts[i] ?? 0n]))
    },
    drain: () => decodeEvents(callAddon(() => native.drain())),
    close() {
      chunks.clear()
      open.delete(native)
      native.close()
    },
  }
}

const headBytes = 7
const sourceBytes = 42

/** The records of native/engine/src/events.rs: kind (1), peer (4), length of the payload (2), payload. */
function decodeEvents(records: Buffer): EngineEvent[] {
  const events: EngineEvent[] = []
  for (let at = 0; at < records.length; ) {
    const end = at + headBytes + records.readUInt16LE(at + 5)
    events.push(decodeEvent(records.readUInt8(at), records.readUInt32LE(at + 1), records.subarray(at + headBytes, end)))
    at = end
  }
  return events
}

function decodeEvent(kind: number, peer: PeerId, payload: Buffer): EngineEvent {
  switch (kind) {
    case 0: {
      const [source, message] = [payload.subarray(0, sourceBytes), payload.subarray(sourceBytes)]
      return { kind: 'handshake', message, source, ...(peer === noPeer ? {} : { peer }) }
    }
    case 1:
      return { kind: 'handshakeWanted', peer }
    case 2:
      return { kind: 'active', peer }
    case 3:
      return { kind: 'confirmed', peer, localIndex: payload.readUInt32LE(0) }
    case 4:
      return { kind: 'linkUp' }
    case 5:
      return { kind: 'linkDown' }
    case 6:
      return { kind: 'linkMtu', mtuBytes: payload.readUInt32LE(0) }
    case 7:
      return { kind: 'linkGone' }
    case 8:
      return { kind: 'warning', message: payload.toString('utf8') }
    default:
      throw new Error(`the addon is not of this version: event ${kind}`)
  }
}

const noPeer = 0xffffffff
