// What an engine says of itself: who seals its packets, by how many threads, and what became of each offload of the kernel.

/** Ways to move many packets at once: two of the TUN towards us, two of the UDP sockets, two towards the TUN. */
export const offloadNames = ['tso', 'uso', 'gso', 'gro', 'coalesceTcp', 'coalesceUdp'] as const
export type OffloadName = (typeof offloadNames)[number]

export interface Offload {
  /** `off`: by its switch. `failed`: it was on, and the kernel refused. */
  readonly state: 'on' | 'off' | 'unsupported' | 'failed'
  readonly reason?: string
}

export interface EngineStatus {
  /** Who seals and opens packets. */
  readonly aead: string
  /** Threads that move packets. */
  readonly threads: number
  /** Size of the engine's buffers and tables. */
  readonly memoryBytes: number
  readonly offloads: Readonly<Record<OffloadName, Offload>>
}
