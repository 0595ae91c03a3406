// The ways to all peers that have an endpoint, found by the peer's key and by its address.

import type { PublicKey } from '../base/key.ts'
import { newPath, type PeerPath } from './peer-path.ts'

export class PeerPaths {
  readonly #byKey = new Map<PublicKey, PeerPath>()
  readonly #byAddress = new Map<string, Set<PeerPath>>()

  all(): Iterable<PeerPath> {
    return this.#byKey.values()
  }

  /** Several peers may be behind one NAT. */
  at(address: string): ReadonlySet<PeerPath> | undefined {
    return this.#byAddress.get(address)
  }

  /** The way to where the device sends. Another address is another way, and the first begins with what the route says. */
  to(publicKey: PublicKey, endpoint: string, adoptedBytes: number | undefined): PeerPath {
    const known = this.#byKey.get(publicKey)
    if (known?.endpoint === endpoint) return known
    const path = newPath(publicKey, endpoint, known === undefined ? adoptedBytes : undefined)
    if (known?.address === path.address) {
      // Another port is what a NAT does; the peer's own questions say which is the one beside it.
      return Object.assign(known, { endpoint, port: known.newestHeard > 0 ? known.port : path.port })
    }
    if (known !== undefined) this.forget(known)
    this.#byKey.set(publicKey, path)
    this.#byAddress.set(path.address, (this.#byAddress.get(path.address) ?? new Set()).add(path))
    return path
  }

  forget(path: PeerPath): void {
    const { publicKey, address } = path
    this.#byKey.delete(publicKey)
    const others = this.#byAddress.get(address)
    others?.delete(path)
    if (others?.size === 0) this.#byAddress.delete(address)
  }
}
