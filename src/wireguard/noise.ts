// The handshake, Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (paper, section 5.4), as pure functions: message in, message or keys
// out. Ephemeral keys, timestamps and indices are inputs. undefined means that a message is not authentic (or that a key is of low
// order), and then nothing has changed.
//
//   initiator                                   responder
//   createInitiation --------- type 1 --------> consumeInitiation
//   consumeResponse  <-------- type 2 --------- createResponse -> Keypair
//     -> Keypair

import type { Keypair } from '../native/engine.ts'
import { dh, hash, kdf, open, publicBytesOf, seal, wipe } from './crypto.ts'
import { formatInitiation, formatResponse, parseInitiation, parseResponse } from './messages.ts'

const construction = hash(Buffer.from('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s'))
/** H: the transcript with the identifier and nothing else yet. */
const initialHash = hash(construction, Buffer.from('WireGuard v1 zx2c4 Jason@zx2c4.com'))
const empty = new Uint8Array(0)

/** Our own static key. Wiped by `wipeIdentity`. */
export interface Identity {
  readonly privateKey: Uint8Array
  readonly publicKey: Uint8Array
}

/** A peer's static key, with what every handshake between the two needs: computed once. */
export interface Remote {
  readonly publicKey: Uint8Array
  /** DH of the two static keys. */
  readonly staticStatic: Uint8Array
}

/** What an initiator keeps until the response comes. Wiped by `wipeInitiator`. */
export interface Initiator {
  readonly localIndex: number
  readonly ephemeral: Uint8Array
  readonly chainKey: Uint8Array
  readonly transcript: Uint8Array
}

/** What a responder knows of an authentic initiation. Wiped by `wipeInitiation`. */
export interface ConsumedInitiation {
  readonly remoteStatic: Uint8Array
  readonly remoteEphemeral: Uint8Array
  readonly remoteIndex: number
  readonly timestamp: Uint8Array
  readonly chainKey: Uint8Array
  readonly transcript: Uint8Array
}

export function createIdentity(privateKey: Uint8Array): Identity {
  return { privateKey: Uint8Array.from(privateKey), publicKey: publicBytesOf(privateKey) }
}

export function wipeIdentity(identity: Identity): void {
  wipe(identity.privateKey)
}

/** undefined for a public key of low order: no handshake with it can succeed. */
export function createRemote(identity: Identity, publicKey: Uint8Array): Remote | undefined {
  const staticStatic = dh(identity.privateKey, publicKey)
  return staticStatic && { publicKey, staticStatic }
}

/** The first message, its MACs still zero. `ephemeral` is 32 fresh random bytes, which are wiped. */
export function createInitiation(input: {
  readonly identity: Identity
  readonly remote: Remote
  readonly ephemeral: Uint8Array
  readonly timestamp: Uint8Array
  readonly localIndex: number
}): { message: Uint8Array; initiator: Initiator } | undefined {
  const { identity, remote, localIndex } = input
  const ephemeral = Uint8Array.from(input.ephemeral)
  wipe(input.ephemeral)
  const ephemeralPublic = publicBytesOf(ephemeral)
  const ephemeralStatic = dh(ephemeral, remote.publicKey)
  if (ephemeralStatic === undefined) return undefined

  let transcript = hash(hash(initialHash, remote.publicKey), ephemeralPublic)
  const [chainKey0] = kdf(1, construction, ephemeralPublic)
  const [chainKey1, staticKey] = kdf(2, chainKey0, ephemeralStatic)
  const encryptedStatic = seal(staticKey, 0n, identity.publicKey, transcript)
  transcript = hash(transcript, encryptedStatic)
  const [chainKey, timestampKey] = kdf(2, chainKey1, remote.staticStatic)
  const encryptedTimestamp = seal(timestampKey, 0n, input.timestamp, transcript)
  transcript = hash(transcript, encryptedTimestamp)

  wipe(ephemeralStatic, chainKey0, chainKey1, staticKey, timestampKey)
  return {
    message: formatInitiation({ sender: localIndex, ephemeral: ephemeralPublic, encryptedStatic, encryptedTimestamp }),
    initiator: { localIndex, ephemeral, chainKey, transcript },
  }
}

/**
 * Reads a first message. `findRemote` is asked for the peer of the static key found inside, which is not yet proven; the
 * message is authentic when the result is there. That it is no replay is for the caller to say, by the timestamp.
 */
export function consumeInitiation(
  identity: Identity,
  message: Uint8Array,
  findRemote: (publicKey: Uint8Array) => Remote | undefined,
): ConsumedInitiation | undefined {
  const fields = parseInitiation(message)
  if (fields === undefined) return undefined
  const ephemeralStatic = dh(identity.privateKey, fields.ephemeral)
  if (ephemeralStatic === undefined) return undefined

  let transcript = hash(hash(initialHash, identity.publicKey), fields.ephemeral)
  const [chainKey0] = kdf(1, construction, fields.ephemeral)
  const [chainKey1, staticKey] = kdf(2, chainKey0, ephemeralStatic)
  const remoteStatic = open(staticKey, 0n, fields.encryptedStatic, transcript)
  wipe(ephemeralStatic, chainKey0, staticKey)
  const remote = remoteStatic && findRemote(remoteStatic)
  if (remote === undefined) {
    wipe(chainKey1)
    return undefined
  }
  transcript = hash(transcript, fields.encryptedStatic)
  const [chainKey, timestampKey] = kdf(2, chainKey1, remote.staticStatic)
  const timestamp = open(timestampKey, 0n, fields.encryptedTimestamp, transcript)
  wipe(chainKey1, timestampKey)
  if (timestamp === undefined) {
    wipe(chainKey)
    return undefined
  }
  transcript = hash(transcript, fields.encryptedTimestamp)
  const { ephemeral: remoteEphemeral, sender: remoteIndex } = fields
  return { remoteStatic: remote.publicKey, remoteEphemeral, remoteIndex, timestamp, chainKey, transcript }
}

/**
 * The answer to an initiation, its MACs still zero, and the responder's keys. `ephemeral` is 32 fresh random bytes, which are
 * wiped. `presharedKey` is 32 bytes, zeroes for none.
 */
export function createResponse(input: {
  readonly initiation: ConsumedInitiation
  readonly remote: Remote
  readonly presharedKey: Uint8Array
  readonly ephemeral: Uint8Array
  readonly localIndex: number
}): { message: Uint8Array; keypair: Keypair } | undefined {
  const { initiation, localIndex, ephemeral } = input
  const ephemeralPublic = publicBytesOf(ephemeral)
  const ephemeralEphemeral = dh(ephemeral, initiation.remoteEphemeral)
  const ephemeralStatic = dh(ephemeral, input.remote.publicKey)
  wipe(ephemeral)
  if (ephemeralEphemeral === undefined || ephemeralStatic === undefined) return undefined

  const transcript = hash(initiation.transcript, ephemeralPublic)
  const { chainKey, bound, key } = finish(initiation.chainKey, transcript, {
    ephemeralPublic,
    secrets: [ephemeralEphemeral, ephemeralStatic],
    presharedKey: input.presharedKey,
  })
  const encryptedNothing = seal(key, 0n, empty, bound)
  const [receiveKey, sendKey] = kdf(2, chainKey, empty)
  wipe(chainKey, key)
  const { remoteIndex } = initiation
  return {
    message: formatResponse({
      sender: localIndex,
      receiver: remoteIndex,
      ephemeral: ephemeralPublic,
      encryptedNothing,
    }),
    keypair: { localIndex, remoteIndex, sendKey, receiveKey, initiator: false },
  }
}

/** Reads the answer to our initiation: the initiator's keys, or undefined, and then `initiator` still waits. */
export function consumeResponse(input: {
  readonly identity: Identity
  readonly initiator: Initiator
  readonly presharedKey: Uint8Array
  readonly message: Uint8Array
}): Keypair | undefined {
  const { identity, initiator } = input
  const fields = parseResponse(input.message)
  if (fields === undefined || fields.receiver !== initiator.localIndex) return undefined
  const ephemeralEphemeral = dh(initiator.ephemeral, fields.ephemeral)
  const staticEphemeral = dh(identity.privateKey, fields.ephemeral)
  if (ephemeralEphemeral === undefined || staticEphemeral === undefined) return undefined

  const transcript = hash(initiator.transcript, fields.ephemeral)
  const { chainKey, bound, key } = finish(initiator.chainKey, transcript, {
    ephemeralPublic: fields.ephemeral,
    secrets: [ephemeralEphemeral, staticEphemeral],
    presharedKey: input.presharedKey,
  })
  const authentic = open(key, 0n, fields.encryptedNothing, bound) !== undefined
  const [sendKey, receiveKey] = kdf(2, chainKey, empty)
  wipe(chainKey, key)
  if (!authentic) {
    wipe(sendKey, receiveKey)
    return undefined
  }
  return { localIndex: initiator.localIndex, remoteIndex: fields.sender, sendKey, receiveKey, initiator: true }
}

/** Forgets an initiation that came, whether it was answered or not. */
export function wipeInitiation(initiation: ConsumedInitiation): void {
  wipe(initiation.chainKey)
}

/** Forgets an initiation of ours that was answered, replaced or given up. */
export function wipeInitiator(initiator: Initiator): void {
  wipe(initiator.ephemeral, initiator.chainKey, initiator.transcript)
}

/** The part of the second message that both sides compute alike: mixes the responder's ephemeral and the preshared key. */
function finish(
  chainKey: Uint8Array,
  transcript: Uint8Array,
  mixed: { ephemeralPublic: Uint8Array; secrets: readonly [Uint8Array, Uint8Array]; presharedKey: Uint8Array },
): { chainKey: Uint8Array; bound: Uint8Array; key: Uint8Array } {
  const [first] = kdf(1, chainKey, mixed.ephemeralPublic)
  const [second] = kdf(1, first, mixed.secrets[0])
  const [third] = kdf(1, second, mixed.secrets[1])
  const [last, tau, key] = kdf(3, third, mixed.presharedKey)
  const bound = hash(transcript, tau)
  wipe(first, second, third, tau, ...mixed.secrets)
  return { chainKey: last, bound, key }
}
