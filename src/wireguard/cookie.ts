// The MACs of what we send, and the cookies that an overloaded peer sends us (paper, sections 5.4.4 and 5.4.7). Checking MACs
// of what comes in, and answering with cookies, is the engine's: it must not cost a loaded machine JavaScript.
//
//   addMacs(message) -> sent ... cookie reply -> consumeCookieReply -> the next addMacs fills mac2 too, for 115 s

import { hash, mac, openExtended } from './crypto.ts'
import { macsOf, parseCookieReply } from './messages.ts'

/** The secret behind a cookie lives for 120 s; as in the kernel, one that could expire on the way is not used. */
const cookieLifeMs = 120_000 - 5_000

/** What is remembered for the MACs to one peer. */
export interface MacState {
  readonly mac1Key: Uint8Array
  readonly cookieKey: Uint8Array
  /** mac1 of the last message sent, until a cookie reply, which is bound to it, has come. */
  readonly lastMac1?: Uint8Array
  readonly cookie?: { readonly bytes: Uint8Array; readonly receivedMs: number }
}

export function createMacState(remotePublicKey: Uint8Array): MacState {
  return {
    mac1Key: hash(Buffer.from('mac1----'), remotePublicKey),
    cookieKey: hash(Buffer.from('cookie--'), remotePublicKey),
  }
}

/** Fills mac1, and mac2 while there is a cookie, into a message of type 1 or 2. Returns the state to keep. */
export function addMacs(state: MacState, message: Uint8Array, nowMs: number): MacState {
  const { mac1, mac2 } = macsOf(message)
  mac1.set(mac(state.mac1Key, message.subarray(0, mac1.byteOffset - message.byteOffset)))
  const { cookie } = state
  if (cookie !== undefined && nowMs - cookie.receivedMs < cookieLifeMs) {
    mac2.set(mac(cookie.bytes, message.subarray(0, mac2.byteOffset - message.byteOffset)))
  }
  return { ...state, lastMac1: mac1.slice() }
}

/** Takes the cookie out of a message of type 3; undefined if it does not answer what was sent last. */
export function consumeCookieReply(state: MacState, message: Uint8Array, nowMs: number): MacState | undefined {
  const reply = parseCookieReply(message)
  if (reply === undefined || state.lastMac1 === undefined) return undefined
  const bytes = openExtended(state.cookieKey, reply.nonce, reply.encryptedCookie, state.lastMac1)
  const { mac1Key, cookieKey } = state
  return bytes && { mac1Key, cookieKey, cookie: { bytes, receivedMs: nowMs } }
}
