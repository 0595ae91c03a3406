// The border between the two halves of a userspace device, as TypeScript sees it. This list is the whole of it:
// commands go down as calls, none of them once per packet; events come up in batches; counters are read in shared memory.
// The Rust side is native/addon over native/engine.

/** What starts an engine. */
export interface EngineOptions {
  /** Name of the interface to create, or of the one behind `tunFd`. */
  readonly name: string
  readonly mtuBytes: number
  /** An open TUN file descriptor to use instead of creating one. */
  readonly tunFd?: number
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
  /** Opens sockets on both families and returns the port (0 asks for any). The former sockets stay if it fails. */
  bind(port: number): number
  unbind(): void
  setFwmark(mark: number): void

  addPeer(publicKey: Uint8Array): PeerId
  /** Also wipes its keys, frees its indices and AllowedIPs, and drops what was staged. */
  removePeer(peer: PeerId): void
  /** "ip:port"; the local address that packets leave from is chosen anew. */
  setEndpoint(peer: PeerId, endpoint: string): void
  /** Takes the source of a handshake message as the peer's endpoint, and our address it came to as ours. */
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
  /** Sends a handshake message to the peer's endpoint; false if it has none or the kernel refused. */
  sendHandshake(peer: PeerId, message: Uint8Array): boolean
  /** Sends an empty data packet; without a session it asks for one (`handshakeWanted`). */
  sendKeepalive(peer: PeerId): void
  /** Lets `handshakeWanted` be said again, after an attempt was given up. */
  askAgain(peer: PeerId): void
  /** Puts the peer's timers to rest; false if data passed since `seenMs` (a `lastTraversalMs`), and then they stay armed. */
  rest(peer: PeerId, seenMs: number): boolean

  counters(peer: PeerId): PeerCounters
  /** Packets dropped, by reason. */
  drops(): Record<string, bigint>
  /** Events that wait, oldest first; empty when there are none left. */
  drain(): EngineEvent[]
  /** Ends the threads, closes the sockets and the TUN (which removes an interface that it created). */
  close(): void
}
