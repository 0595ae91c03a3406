// What belongs to which prefix, where no two may overlap: thousands are checked against one another in no time.

import { type Cidr, familyBits } from './cidr.ts'

interface Length<T> {
  readonly family: 4 | 6
  readonly length: number
  /** By the bits of the prefix. */
  readonly owners: Map<bigint, T>
}

export class PrefixMap<T> {
  readonly #lengths: Length<T>[] = []

  /** How many there are. */
  get size(): number {
    return this.#lengths.reduce((sum, { owners }) => sum + owners.size, 0)
  }

  /** One that overlaps the prefix: it is around it, the same, or inside. */
  overlapping({ family, length, value }: Cidr): T | undefined {
    const hostBits = (of: number) => BigInt(familyBits(family) - of)
    for (const { owners, ...other } of this.#lengths) {
      if (other.family !== family) continue
      if (other.length <= length) {
        const around = owners.get(value >> hostBits(other.length))
        if (around !== undefined) return around
      } else {
        const [bits, more] = [value >> hostBits(length), BigInt(other.length - length)]
        for (const [inner, owner] of owners) if (inner >> more === bits) return owner
      }
    }
    return undefined
  }

  set({ family, length, value }: Cidr, owner: T): void {
    let same = this.#lengths.find(other => other.family === family && other.length === length)
    if (same === undefined) {
      same = { family, length, owners: new Map() }
      this.#lengths.push(same)
    }
    same.owners.set(value >> BigInt(familyBits(family) - length), owner)
  }
}
