// Many peers of one device in one process: each has its own key and session, all share one UDP socket. They shake hands a window
// at a time, and then each may send packets through its session. For tests of scale and of the rate of handshakes.
//
//   prepare (initiations, ahead of time) --> shake (a window is on its way) --> echo / stream (ICMP, answered by the device's host)

import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { PublicKey } from '../../src/base/key.ts'
import { formatPublicKey } from '../../src/base/key.ts'
import type { Keypair } from '../../src/native/engine.ts'
import { addMacs, createMacState } from '../../src/wireguard/cookie.ts'
import { open, seal } from '../../src/wireguard/crypto.ts'
import {
  consumeResponse,
  createIdentity,
  createInitiation,
  createRemote,
  type Identity,
  type Initiator,
} from '../../src/wireguard/noise.ts'
import { timestamp } from '../../src/wireguard/tai64n.ts'
import { echoReplyOf, echoRequest } from './icmp.ts'

/** The device, and the address inside the tunnel that answers pings. */
export interface Target {
  readonly address: string
  readonly port: number
  /** In base64. */
  readonly publicKey: string
  readonly inner: string
}

interface Party {
  readonly identity: Identity
  readonly publicKey: PublicKey
  readonly inner: string
  /** Handshakes begun. */
  generation: number
  prepared?: { readonly message: Uint8Array; readonly initiator: Initiator }
  session?: Keypair & { counter: bigint }
}

/** How long nothing may come before a run fails. */
const silenceMs = 3000
/** Indices of a generation start this far apart. */
const generationStep = 1 << 20
const none = new Uint8Array(32)

/** The address of a peer inside the tunnel; its only AllowedIP. */
export const innerAddress = (number: number): string => `10.8.${number >> 8}.${number & 0xff}`

export class ManyPeers {
  readonly #parties: readonly Party[]
  #socket: Socket | undefined
  #target: Target | undefined
  /** Initiations of the device. */
  #rekeys = 0
  #onMessage: (message: Buffer) => void = () => {}

  constructor(count: number) {
    this.#parties = Array.from({ length: count }, (_, i) => {
      const identity = createIdentity(randomBytes(32))
      const publicKey = formatPublicKey(identity.publicKey)
      return { identity, publicKey, inner: innerAddress(i), generation: 0 }
    })
  }

  /** For `wg setconf`, a section for each peer. */
  sections(first = 0, last = this.#parties.length): string {
    const parties = this.#parties.slice(first, last)
    return parties
      .map(({ publicKey, inner }) => `[Peer]\nPublicKey = ${publicKey}\nAllowedIPs = ${inner}/32\n`)
      .join('')
  }

  publicKeys(): PublicKey[] {
    return this.#parties.map(({ publicKey }) => publicKey)
  }

  async open(target: Target): Promise<void> {
    this.#target = target
    this.#socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 })
    this.#socket.on('message', message => this.#onMessage(message))
    this.#socket.bind(0)
    await once(this.#socket, 'listening')
  }

  /** Makes the initiations of some peers, to be sent by `shake`. */
  prepare(first = 0, last = this.#parties.length): void {
    const device = Buffer.from(this.#at().publicKey, 'base64')
    const macs = createMacState(device)
    for (const [i, party] of this.#parties.entries()) {
      if (i < first || i >= last) continue
      const remote = createRemote(party.identity, device)
      if (remote === undefined) throw new Error('a key of low order')
      party.generation += 1
      const localIndex = party.generation * generationStep + i
      const ephemeral = randomBytes(32)
      const shared = { identity: party.identity, remote, ephemeral, localIndex }
      const created = createInitiation({ ...shared, timestamp: timestamp(Date.now() + party.generation) })
      if (created === undefined) throw new Error('no initiation')
      addMacs(macs, created.message, 0)
      party.prepared = created
    }
  }

  /** Sends what was prepared, `window` of them on their way at any time. Each answer gives its peer a session; resolves to how many. */
  async shake(window = 64): Promise<number> {
    const waiting = this.#parties.filter(party => party.prepared !== undefined)
    const wanted = waiting.length
    let [sent, answered] = [0, 0]
    const next = () => {
      const message = waiting[sent]?.prepared?.message
      sent += 1
      if (message !== undefined) this.#send(message)
    }
    await this.#receive(
      wanted,
      done => message => {
        const party = message[0] === 2 ? this.#parties[message.readUInt32LE(8) % generationStep] : undefined
        if (party?.prepared === undefined) return
        this.#finish(party, message)
        delete party.prepared
        answered += 1
        next()
        done()
      },
      () => {
        for (let i = 0; i < window; i++) next()
      },
    )
    return answered
  }

  /** Each peer from `first` up to `last` pings the device once; resolves to how many were answered. */
  async echo(first = 0, last = this.#parties.length, window = 64): Promise<number> {
    let next = first
    let answered = 0
    const ping = () => {
      if (next < last) this.#ping(next, next)
      next += 1
    }
    await this.#receive(
      last - first,
      done => message => {
        if (this.#replyOf(message) === undefined) return
        answered += 1
        ping()
        done()
      },
      () => {
        for (let i = 0; i < window; i++) ping()
      },
    )
    return answered
  }

  /** One peer pings once a millisecond; resolves to what came of it, and to how often the device began a handshake with anyone. */
  async stream(number: number, pings: number): Promise<{ sent: number; received: number; rekeys: number }> {
    const seen = new Set<number>()
    let sent = 0
    const timer = { every: undefined as NodeJS.Timeout | undefined }
    await this.#receive(
      pings,
      done => message => {
        const reply = this.#replyOf(message)
        if (reply === undefined || seen.has(reply)) return
        seen.add(reply)
        done()
      },
      () => {
        const startMs = performance.now()
        timer.every = setInterval(() => {
          for (; sent < Math.min(pings, performance.now() - startMs); sent += 1) this.#ping(number, sent)
        }, 1)
      },
    ).catch(() => {}) // what was lost shows in the numbers
    clearInterval(timer.every)
    return { sent, received: seen.size, rekeys: this.#rekeys }
  }

  #at(): Target {
    if (this.#target === undefined) throw new Error('not open')
    return this.#target
  }

  #send(message: Uint8Array): void {
    const { port, address } = this.#at()
    this.#socket?.send(message, port, address)
  }

  /** Runs until `done` was called `wanted` times; fails if nothing comes for a while. */
  #receive(wanted: number, take: (done: () => void) => (message: Buffer) => void, start: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      let left = wanted
      const give = (error?: Error) => {
        clearInterval(watch)
        this.#onMessage = () => {}
        if (error === undefined) resolve()
        else reject(error)
      }
      let seen = left
      const watch = setInterval(() => {
        if (seen === left) give(new Error(`${left} of ${wanted} answers did not come`))
        seen = left
      }, silenceMs)
      const handle = take(() => {
        left -= 1
        if (left === 0) give()
      })
      this.#onMessage = message => {
        if (message[0] === 1) this.#rekeys += 1
        else handle(message)
      }
      if (wanted === 0) give()
      else start()
    })
  }

  #finish(party: Party, message: Uint8Array): void {
    if (party.prepared === undefined) return
    const { initiator } = party.prepared
    const keypair = consumeResponse({ identity: party.identity, initiator, presharedKey: none, message })
    if (keypair === undefined) throw new Error('a response is not authentic')
    party.session = { ...keypair, counter: 0n }
  }

  #ping(number: number, sequence: number): void {
    const party = this.#parties[number]
    const session = party?.session
    if (party === undefined || session === undefined) throw new Error(`peer ${number} has no session`)
    const packet = echoRequest(party.inner, this.#at().inner, sequence)
    const header = Buffer.alloc(16)
    header.writeUInt32LE(4, 0)
    header.writeUInt32LE(session.remoteIndex, 4)
    header.writeBigUInt64LE(session.counter, 8)
    const sealed = seal(session.sendKey, session.counter, packet, new Uint8Array(0))
    session.counter += 1n
    this.#send(Buffer.concat([header, sealed]))
  }

  /** The sequence number of a ping's answer. */
  #replyOf(message: Buffer): number | undefined {
    if (message[0] !== 4 || message.length <= 32) return undefined
    const session = this.#parties[message.readUInt32LE(4) % generationStep]?.session
    if (session === undefined || session.localIndex !== message.readUInt32LE(4)) return undefined
    const packet = open(session.receiveKey, message.readBigUInt64LE(8), message.subarray(16), new Uint8Array(0))
    return packet && echoReplyOf(packet)
  }
}
