// Follows what `podwire server` says, for as long as a watch lives, over as many connections as that takes. Each goes on where the
// last one broke, if the server still knows; else it lists anew, and what is missing then is believed to be gone only when the
// nodes have had time to say so.

import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { reasonOf } from '../base/errors.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import type { Claim, NodeRecord, Removal } from '../model/node-record.ts'
import { type ServerClient, serverError } from './server-client.ts'
import type { Change, StoreEvent } from './store.ts'
import { StoreReport } from './store-report.ts'
import { parseWatchLine } from './watch-lines.ts'

/** The server sends at least an empty line every 5 s. */
const timing = { beatMs: 5_000, silentMs: 20_000 }
const retryMs = { least: 100, most: 4_000 }
/** Many times the longest record. */
const maxLine = 256 << 10

/** Never throws: what goes wrong is said as `lost`. */
export async function watchServer(
  client: ServerClient,
  onEvent: (event: StoreEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const follower = new Follower(onEvent)
  let waitMs = retryMs.least
  while (!signal.aborted) {
    try {
      await followOnce(client, follower, signal)
    } catch (error) {
      if (!signal.aborted && follower.lost(reasonOf(error))) waitMs = retryMs.least
    }
    await delay(waitMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {})
    waitMs = Math.min(retryMs.most, waitMs * 2)
  }
  follower.end()
}

/** Throws why the connection ended. */
async function followOnce(client: ServerClient, follower: Follower, signal: AbortSignal): Promise<void> {
  const from = follower.at === undefined ? '' : `?from=${follower.at}`
  const { asked, answer } = await client.open('watching', `watch${from}`)
  const end = (reason: string) => answer.destroy(new Error(reason))
  const onAbort = () => end('it was ended')
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  const silence = setTimeout(() => end(`nothing was heard for ${timing.silentMs / 1000} s`), timing.silentMs)
  const beat = setInterval(() => asked.write('\n'), timing.beatMs)
  try {
    let rest = ''
    answer.setEncoding('utf8')
    answer.on('data', (text: string) => {
      silence.refresh()
      try {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        if (rest.length > maxLine) throw new Error('a line has no end')
        for (const line of lines) if (line !== '' && !signal.aborted) follower.line(line)
      } catch (error) {
        answer.destroy(error as Error)
      }
    })
    await once(answer, 'end')
    throw new Error('the server ended the watch')
  } finally {
    clearTimeout(silence)
    clearInterval(beat)
    signal.removeEventListener('abort', onAbort)
    asked.destroy()
  }
}

class Follower {
  readonly #report: StoreReport
  /** What the server holds, as far as it has said. */
  #network: NetworkConfig | undefined
  #nodes = new Map<string, NodeRecord>()
  #claims = new Map<string, Claim>()
  #removals = new Map<string, Removal>()
  #problems: string[] = []
  /** All that is missing was said to be gone: not so between a list and the time when that is believed. */
  #isSure = false
  /** Changes are said as they come. */
  #isLive = false
  #again: NodeJS.Timeout | undefined
  /** The server's name for the place behind all of this; undefined while a list comes in. */
  at: string | undefined
  /** Whether this connection has said all. */
  isInSync = false

  constructor(onEvent: (event: StoreEvent) => void) {
    this.#report = new StoreReport(onEvent)
  }

  /** Takes a line. Throws what the server says of why it ends. */
  line(text: string): void {
    let line: ReturnType<typeof parseWatchLine>
    try {
      line = parseWatchLine(text)
    } catch (error) {
      // Of another version, or hostile: the others hold.
      this.#problems = [...this.#problems, reasonOf(error)]
      if (this.isInSync) this.#say()
      return
    }
    if (line.kind === 'error') throw serverError(line.error)
    if (line.kind === 'list') this.#clear()
    if (line.kind === 'inSync') {
      this.at = line.at
      this.isInSync = true
      this.#say()
    }
    if (line.kind !== 'change') return
    this.#apply(line.change)
    if (line.at !== undefined) this.at = line.at
    if (this.#isLive) this.#report.change(line.change)
    else if (this.isInSync) this.#say()
  }

  #clear(): void {
    this.at = undefined
    this.#isSure = false
    this.#network = undefined
    this.#nodes = new Map()
    this.#claims = new Map()
    this.#removals = new Map()
    this.#problems = []
  }

  #apply(change: Change): void {
    if (change.kind === 'network') this.#network = change.network
    else if (change.kind === 'node') this.#nodes.set(change.record.name, change.record)
    else if (change.kind === 'nodeGone') this.#nodes.delete(change.name)
    else if (change.kind === 'claim') this.#claims.set(change.claim.prefix, change.claim)
    else if (change.kind === 'claimGone') this.#claims.delete(change.prefix)
    else this.#removals.set(change.removal.publicKey, change.removal)
  }

  /** Says what differs from what was said, and again until all that is missing is believed to be gone. */
  #say(): void {
    clearTimeout(this.#again)
    if (this.#network === undefined) {
      this.#report.lost('there is no network in it yet')
      return
    }
    const [network, nodes, claims, removals] = [this.#network, this.#nodes, this.#claims, this.#removals]
    const againMs = this.#report.say({
      network,
      nodes,
      claims,
      removals,
      problems: this.#problems,
      isSure: this.#isSure,
    })
    this.#isLive = againMs === undefined
    if (this.#isLive) this.#isSure = true
    else this.#again = setTimeout(() => this.#say(), againMs)
  }

  /** The connection has ended; whether it had come so far as to say all. */
  lost(reason: string): boolean {
    clearTimeout(this.#again)
    const wasInSync = this.isInSync
    this.isInSync = false
    this.#isLive = false
    this.#report.lost(reason)
    return wasInSync
  }

  end(): void {
    clearTimeout(this.#again)
  }
}
