// Which claims hold: those inside the range that no older one overlaps. A claim that comes or goes is judged together with the
// younger ones that overlap it, and with those that depend on them; all others stay as they are.

import { type Cidr, containsCidr, parsePrefix } from '../base/cidr.ts'
import { PrefixMap } from '../base/prefix-map.ts'
import type { Claim } from '../model/node-record.ts'

interface Entry {
  readonly claim: Claim
  readonly prefix: Cidr
  held: boolean
}

/** A claim that holds since the last time, or holds no more. */
export interface ClaimTurn {
  readonly node: string
  readonly prefix: Cidr
}

/** Orders claims by age, for `sort`. */
export function olderClaim(a: Claim, b: Claim): number {
  return a.sinceMs - b.sinceMs || (a.prefix < b.prefix ? -1 : 1)
}

export class HeldClaims {
  #range: readonly Cidr[] = []
  readonly #entries = new Map<string, Entry>()
  readonly #byPrefix = new PrefixMap<Entry>()
  readonly #heldByNode = new Map<string, Entry[]>()
  /** To be judged at the next `settle`. */
  readonly #doubtful = new Set<Entry>()
  #turns: ClaimTurn[] = []

  get(prefix: string): Claim | undefined {
    return this.#entries.get(prefix)?.claim
  }

  all(): Claim[] {
    return [...this.#entries.values()].map(({ claim }) => claim)
  }

  setRange(range: readonly Cidr[]): void {
    this.#range = range
    for (const entry of this.#entries.values()) this.#doubtful.add(entry)
  }

  set(claim: Claim): void {
    this.delete(claim.prefix)
    const entry = { claim, prefix: parsePrefix(claim.prefix, claim.node), held: false }
    this.#entries.set(claim.prefix, entry)
    this.#byPrefix.set(entry.prefix, entry)
    this.#doubtful.add(entry)
  }

  delete(prefix: string): void {
    const entry = this.#entries.get(prefix)
    if (entry === undefined) return
    this.#entries.delete(prefix)
    this.#byPrefix.delete(entry.prefix)
    this.#doubtful.delete(entry)
    if (entry.held) this.#turn(entry)
  }

  /** Judges what is in doubt; the turns since the last time. One that turned twice is among them. */
  settle(): ClaimTurn[] {
    // By age, so that most are judged once: what a claim depends on is older.
    while (this.#doubtful.size > 0) {
      for (const entry of [...this.#doubtful].sort((a, b) => olderClaim(a.claim, b.claim))) {
        this.#doubtful.delete(entry)
        if (this.#mayHold(entry) !== entry.held) this.#turn(entry)
      }
    }
    const turns = this.#turns
    this.#turns = []
    return turns
  }

  /** The node's claims that hold. */
  heldBy(node: string): Claim[] {
    return (this.#heldByNode.get(node) ?? []).map(({ claim }) => claim)
  }

  /** Since when the node has held a claim; infinite if it holds none. */
  sinceMs(node: string): number {
    return Math.min(...(this.#heldByNode.get(node) ?? []).map(({ claim }) => claim.sinceMs))
  }

  /** The claim that holds exactly this prefix. */
  holder(prefix: Cidr): Claim | undefined {
    const entry = this.#byPrefix.get(prefix)
    return entry?.held ? entry.claim : undefined
  }

  /** The first claim of others than `node` that holds and overlaps the prefix. */
  rival(prefix: Cidr, node: string): Claim | undefined {
    for (const { held, claim } of this.#byPrefix.allOverlapping(prefix)) if (held && claim.node !== node) return claim
    return undefined
  }

  #mayHold({ claim, prefix }: Entry): boolean {
    if (!this.#range.some(outer => containsCidr(outer, prefix))) return false
    for (const other of this.#byPrefix.allOverlapping(prefix)) {
      if (other.held && other.claim !== claim && olderClaim(other.claim, claim) < 0) return false
    }
    return true
  }

  #turn(entry: Entry): void {
    const { claim, prefix } = entry
    entry.held = !entry.held
    this.#turns.push({ node: claim.node, prefix })
    const held = (this.#heldByNode.get(claim.node) ?? []).filter(other => other !== entry)
    if (entry.held) held.push(entry)
    if (held.length > 0) this.#heldByNode.set(claim.node, held)
    else this.#heldByNode.delete(claim.node)
    for (const other of this.#byPrefix.allOverlapping(prefix)) {
      if (other !== entry && olderClaim(claim, other.claim) < 0) this.#doubtful.add(other)
    }
  }
}
