// The latest changes, numbered, so that whoever watched can go on where the line broke. It lives in memory: each start of the
// server has a name of its own in front of the numbers, and who asks for what is not here any more gets the whole list.

import { randomBytes } from 'node:crypto'
import type { Change } from '../store/store.ts'
import { formatLine } from '../store/watch-lines.ts'

const maxLines = 4096

export class ChangeLog {
  readonly #start = randomBytes(8).toString('hex')
  /** Numbers of the first line that is here, and of the next that will be. */
  #first = 0
  readonly #lines: string[] = []
  readonly #followers = new Set<(line: string) => void>()

  /** The place behind the last change. */
  get at(): string {
    return `${this.#start}.${this.#first + this.#lines.length}`
  }

  append(change: Change): void {
    const line = formatLine({ ...change, at: `${this.#start}.${this.#first + this.#lines.length + 1}` })
    this.#lines.push(line)
    if (this.#lines.length > maxLines) {
      this.#lines.shift()
      this.#first += 1
    }
    for (const follower of this.#followers) follower(line)
  }

  /** Lets everyone who follows look whether they still may. */
  nudge(): void {
    for (const follower of this.#followers) follower('')
  }

  /** What came after a place; undefined if that is not known any more. */
  since(at: string): readonly string[] | undefined {
    const [, start, number] = /^([0-9a-f]+)\.(\d{1,15})$/.exec(at) ?? []
    const skipped = Number(number) - this.#first
    if (start !== this.#start || skipped < 0 || skipped > this.#lines.length) return undefined
    return this.#lines.slice(skipped)
  }

  follow(follower: (line: string) => void): () => void {
    this.#followers.add(follower)
    return () => this.#followers.delete(follower)
  }
}
