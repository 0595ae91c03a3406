// What a podwire device says of itself beyond the cross-platform interface: `podwire device status` shows it. Its JSON is described
// by schema/device-status.json.

import type { EngineStatus } from '../native/engine-status.ts'

export interface DeviceStatus {
  readonly interface: string
  readonly version: string
  readonly pid: number
  readonly uptimeSeconds: number
  /** Whether the link is up. */
  readonly up: boolean
  readonly mtuBytes: number
  /** 0: none was chosen yet. */
  readonly listenPort: number
  readonly peers: { readonly count: number; readonly withSession: number }
  /** Who seals and opens packets. */
  readonly aead: string
  /** Threads that move packets. */
  readonly threads: number
  readonly memory: { readonly residentBytes: number; readonly engineBytes: number }
  readonly offloads: EngineStatus['offloads']
  /** Since the start. */
  readonly handshakes: {
    readonly initiationsReceived: number
    readonly initiationsAnswered: number
    /** Cookie replies that loaded peers sent us. */
    readonly cookiesReceived: number
  }
  /** Packets dropped since the start, by reason; reasons that never happened are absent. */
  readonly drops: Readonly<Record<string, number>>
}
