// How long a packet may be on its way to one peer: what a route may say, and the search for the longest that arrives. Pure:
// answers and time come in, sizes to ask for go out; src/agent/path-probe.ts sends them.
//
//   start --> ask for the least and the longest --> an answer proves a size; what stays silent three times is too long
//                 |                                 between the two: six sizes at once, until nothing is left between
//                 +-- not even the least: silent, there is nobody to ask
//   found --check--> the size that was found, and now and then the next longer one; silence there begins the search below it
//
// Sizes are those inside the tunnel. Between the least and the device's MTU they are multiples of 16: a packet is padded to
// one, and the engine knows the device's MTU only, so that another size would leave longer than it was asked for.

import type { Family } from '../base/cidr.ts'
import type { PublicKey } from '../base/key.ts'
import type { Route } from '../model/host-state.ts'
import type { NodeRecord } from '../model/node-record.ts'

/** The least that IPv6 allows a link; no route goes below, whatever anyone says. */
export const minMtuBytes = 1280
/** What may be taken for granted of a path that nobody has answered on. */
const usualPathBytes = 1500
const paddingBytes = 16
/** Sizes in one round of the search. */
const sizesAtOnce = 6
/** How often a size is asked for before its silence counts, and how long each time: half the world is 300 ms away. */
const tries = 3
const answerMs = 500

/** Outer header, UDP 8, WireGuard 32. */
export function overheadBytes(family: Family): number {
  return (family === 4 ? 20 : 40) + 8 + 32
}

/** What a route to a peer may say, ascending. */
function routeMtus(deviceMtuBytes: number): number[] {
  const mtus: number[] = []
  for (let mtu = minMtuBytes; mtu < deviceMtuBytes; mtu += paddingBytes) mtus.push(mtu)
  return [...mtus, Math.max(minMtuBytes, deviceMtuBytes)]
}

/** The longest of them that a path of that MTU carries; the least if it carries none. */
export function fitMtu(pathMtuBytes: number, family: Family, deviceMtuBytes: number): number {
  const inner = pathMtuBytes - overheadBytes(family)
  if (inner >= deviceMtuBytes) return Math.max(minMtuBytes, deviceMtuBytes)
  return Math.max(minMtuBytes, inner - (inner % paddingBytes))
}

/** What a route may say while nothing was found: what the kernel knows of the path, but nothing longer than Ethernet's. */
export function untriedMtu(pathMtuBytes: number, family: Family, deviceMtuBytes: number): number {
  return fitMtu(Math.min(pathMtuBytes, usualPathBytes), family, deviceMtuBytes)
}

/** What the routes to nodes say. */
export function observedMtus(nodes: Iterable<NodeRecord>, routes: readonly Route[]): Map<PublicKey, number> {
  const said = new Map(routes.map(({ destination, mtuBytes }) => [destination, mtuBytes]))
  const known = [...nodes].flatMap(({ publicKey, prefixes }): [PublicKey, number][] => {
    const mtuBytes = said.get(prefixes[0] ?? '')
    return mtuBytes === undefined ? [] : [[publicKey, mtuBytes]]
  })
  return new Map(known)
}

export interface PathSearch {
  readonly state: 'searching' | 'found' | 'silent'
  readonly sizes: readonly number[]
  /** The last size that was found, whatever came of the checks since. */
  readonly foundBytes?: number
  /** Places among the sizes: the longest that arrives (-1: none yet), and the shortest that does not (behind the last: none). */
  readonly arrives: number
  readonly lost: number
  /** Places of those that were asked for and not answered, and how often. */
  readonly asked: readonly number[]
  readonly tries: number
  /** When to come again; never while nothing is asked. */
  readonly dueMs: number
}

/** The search after an event, and the sizes to ask for now. */
export interface Step {
  readonly search: PathSearch
  readonly ask: readonly number[]
}

export function startSearch(deviceMtuBytes: number, nowMs: number): Step {
  const sizes = routeMtus(deviceMtuBytes)
  const idle = { sizes, arrives: -1, lost: sizes.length, asked: [], tries: 0, dueMs: Number.POSITIVE_INFINITY }
  if (sizes.length === 1) return { search: { ...idle, state: 'found', arrives: 0, foundBytes: minMtuBytes }, ask: [] }
  return askFor({ ...idle, state: 'searching' }, [0, sizes.length - 1], nowMs)
}

/** An answer to a size; one that was not asked for says nothing. */
export function takeAnswer(search: PathSearch, mtuBytes: number, nowMs: number): Step {
  const place = search.sizes.indexOf(mtuBytes)
  if (!search.asked.includes(place)) return { search, ask: [] }
  const arrives = Math.max(search.arrives, place)
  const asked = search.asked.filter(other => other > arrives)
  const after = { ...search, arrives, asked }
  return asked.length > 0 ? { search: after, ask: [] } : goOn(after, nowMs)
}

/** The time has come: asks again, or takes the silence for an answer. */
export function takeTime(search: PathSearch, nowMs: number): Step {
  const { asked } = search
  if (nowMs < search.dueMs) return { search, ask: [] }
  if (search.tries < tries) return askAgain(search, nowMs)
  if (search.arrives < 0 && asked.includes(0)) {
    return { search: { ...search, state: 'silent', asked: [], dueMs: Number.POSITIVE_INFINITY }, ask: [] }
  }
  return goOn({ ...search, lost: Math.min(search.lost, ...asked), asked: [] }, nowMs)
}

/** Asks whether what was found still holds, and if `longer` whether more does; nothing while it searches or knows nothing. */
export function check(search: PathSearch, { longer }: { longer: boolean }, nowMs: number): Step {
  const { sizes, foundBytes } = search
  if (search.state === 'searching' || foundBytes === undefined || sizes.length === 1) return { search, ask: [] }
  const place = sizes.indexOf(foundBytes)
  const next = longer && place + 1 < sizes.length ? [place + 1] : []
  const lost = next.length > 0 ? sizes.length : place + 1
  return askFor({ ...search, state: 'searching', arrives: -1, lost }, [place, ...next], nowMs)
}

function goOn(search: PathSearch, nowMs: number): Step {
  const { arrives, lost, sizes } = search
  if (arrives + 1 < lost) return askFor(search, placesBetween(arrives, lost), nowMs)
  const foundBytes = sizes[arrives] ?? minMtuBytes
  return { search: { ...search, state: 'found', foundBytes, asked: [], dueMs: Number.POSITIVE_INFINITY }, ask: [] }
}

/** Evenly between the two; the least too, while nothing is known to arrive: its silence tells a peer that is away. */
function placesBetween(arrives: number, lost: number): number[] {
  const parts = Math.min(sizesAtOnce, lost - arrives - 1) + 1
  const between = Array.from({ length: parts - 1 }, (_, i) =>
    Math.round(arrives + ((i + 1) * (lost - arrives)) / parts),
  )
  return [...new Set([...(arrives < 0 ? [0] : []), ...between])]
}

function askFor(search: PathSearch, asked: readonly number[], nowMs: number): Step {
  return askAgain({ ...search, asked, tries: 0 }, nowMs)
}

function askAgain(search: PathSearch, nowMs: number): Step {
  const { sizes, asked } = search
  return {
    search: { ...search, tries: search.tries + 1, dueMs: nowMs + answerMs },
    ask: asked.flatMap(place => sizes[place] ?? []),
  }
}
