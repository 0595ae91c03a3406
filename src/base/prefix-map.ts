// What belongs to which prefix: thousands are checked against one another in no time. Prefixes may lie in one another; what
// overlaps one comes in an order that does not depend on how they were put in: from the outermost around it to those inside,
// by address.

import { type Cidr, type Family, familyBits } from './cidr.ts'

interface FamilyMap<T> {
  /** By length, then by the bits of the prefix. */
  readonly lengths: Map<number, Map<bigint, T>>
  /** All prefixes by address, the outer before the inner; absent until someone asks for what is inside. */
  sorted?: Cidr[] | undefined
}

export class PrefixMap<T> {
  readonly #families: Record<Family, FamilyMap<T>> = { 4: { lengths: new Map() }, 6: { lengths: new Map() } }

  /** How many there are. */
  get size(): number {
    const counts = [4, 6].flatMap(family => [...this.#families[family as Family].lengths.values()])
    return counts.reduce((sum, { size }) => sum + size, 0)
  }

  get(prefix: Cidr): T | undefined {
    return this.#families[prefix.family].lengths.get(prefix.length)?.get(bitsOf(prefix))
  }

  set(prefix: Cidr, item: T): void {
    const { lengths, sorted } = this.#families[prefix.family]
    const same = lengths.get(prefix.length) ?? new Map<bigint, T>()
    lengths.set(prefix.length, same)
    const before = same.size
    same.set(bitsOf(prefix), item)
    if (same.size > before) sorted?.splice(placeOf(sorted, prefix), 0, prefix)
  }

  delete(prefix: Cidr): void {
    const { lengths, sorted } = this.#families[prefix.family]
    const same = lengths.get(prefix.length)
    if (!same?.delete(bitsOf(prefix))) return
    if (same.size === 0) lengths.delete(prefix.length)
    sorted?.splice(placeOf(sorted, prefix), 1)
  }

  /** The first that overlaps the prefix. */
  overlapping(prefix: Cidr): T | undefined {
    for (const item of this.allOverlapping(prefix)) return item
    return undefined
  }

  /** All that overlap the prefix: those around it, itself, those inside. */
  *allOverlapping(prefix: Cidr): Generator<T, void> {
    const { family, length, value } = prefix
    const { lengths } = this.#families[family]
    const around = [...lengths.keys()].filter(other => other <= length).sort((a, b) => a - b)
    for (const other of around) {
      const item = lengths.get(other)?.get(value >> BigInt(familyBits(family) - other))
      if (item !== undefined) yield item
    }
    if (around.length < lengths.size) yield* this.#inside(prefix)
  }

  *#inside(prefix: Cidr): Generator<T, void> {
    const end = prefix.value + (1n << BigInt(familyBits(prefix.family) - prefix.length))
    const sorted = this.#sortedOf(prefix.family)
    for (let at = placeOf(sorted, prefix); at < sorted.length; at++) {
      const inner = sorted[at]
      if (inner === undefined || inner.value >= end) return
      const item = inner.length > prefix.length ? this.get(inner) : undefined
      if (item !== undefined) yield item
    }
  }

  #sortedOf(family: Family): Cidr[] {
    const map = this.#families[family]
    map.sorted ??= [...map.lengths]
      .flatMap(([length, items]) => {
        const hostBits = BigInt(familyBits(family) - length)
        return [...items.keys()].map(bits => ({ family, length, value: bits << hostBits }))
      })
      .sort(compare)
    return map.sorted
  }
}

function bitsOf({ family, length, value }: Cidr): bigint {
  return value >> BigInt(familyBits(family) - length)
}

function compare(a: Cidr, b: Cidr): number {
  return a.value < b.value ? -1 : a.value > b.value ? 1 : a.length - b.length
}

/** The place of the first that is not before the prefix. */
function placeOf(sorted: readonly Cidr[], prefix: Cidr): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (compare(sorted[middle] as Cidr, prefix) < 0) low = middle + 1
    else high = middle
  }
  return low
}
