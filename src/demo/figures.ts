// What the demo measures. `podwire demo --json` prints it as it is.

import type { MessageType } from '../lab/leaks.ts'
import type { StreamResult } from '../lab/stream.ts'

export interface Figures {
  /** Between every two containers, each way; IPv4 and IPv6 counted apart, so `expected` is pairs times families. */
  readonly reach: { readonly expected: number; readonly pings: number; readonly fetches: number }
  /** From the first `podwire join` until every host's container answered every other's. */
  readonly meshMs: number
  readonly wire: {
    readonly captures: readonly { readonly where: string; readonly frames: number; readonly dropped: number }[]
    /** WireGuard messages at the router's northern side. */
    readonly messages: Readonly<Record<MessageType, number>>
    /** Frames with an address of the network or the canary in clear, at any place. */
    readonly violations: readonly { readonly where: string; readonly frame: number; readonly reason: string }[]
  }
  readonly throughput: { readonly gigabitsPerSecond: number; readonly retransmits: number; readonly congestion: string }
  /** A host that joins under traffic. */
  readonly join: { readonly firstAnswerMs: number; readonly streams: readonly StreamFigures[] }
  /** An agent killed by SIGKILL and started again under traffic. */
  readonly restart: {
    readonly inSyncMs: number
    /** Whether the device has the same key, port, peers, endpoints and AllowedIPs as before. */
    readonly deviceUnchanged: boolean
    readonly streams: readonly StreamFigures[]
  }
  readonly wgShow: string
  readonly seconds: number
  /** What was not as promised; empty when all went well. */
  readonly failures: readonly string[]
}

export interface StreamFigures extends StreamResult {
  /** "a/c1 to b/c1, IPv4" */
  readonly name: string
}
