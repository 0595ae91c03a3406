// What is known of the way to one peer, and when there is something to ask about it. It costs what is in use: a peer without a
// session, or whose traffic holds no long packet, is not asked about.

import { type Family, formatAddress } from '../base/cidr.ts'
import { parseEndpoint } from '../base/endpoint.ts'
import type { PublicKey } from '../base/key.ts'
import { fitMtu, minMtuBytes, type PathSearch, untriedMtu } from '../plan/path-mtu.ts'
import { Allowance } from './allowance.ts'
import type { ProbeKeys } from './path-message.ts'

export interface ProbeTimes {
  /** A device is read this often, or less if it has many peers. */
  readonly lookMs: number
  /** A path with traffic is asked about this often, and whether it carries longer packets this often. */
  readonly checkMs: number
  readonly longerMs: number
  /** First and last wait for a peer that never answered. */
  readonly silentMs: { readonly least: number; readonly most: number }
}

export const usualTimes: ProbeTimes = {
  lookMs: 2_000,
  checkMs: 10_000,
  longerMs: 60_000,
  silentMs: { least: 5_000, most: 600_000 },
}

/** Far enough that a second network's tunnel, on the next port, is not hit. */
const portDistance = 1000
/** Questions of one peer that are looked at closely: its whole search, and no flood. */
const heardAtMost = { aSecond: 30, atOnce: 60 }

export interface PeerPath {
  readonly publicKey: PublicKey
  /** Where the device sends, and the address in it. */
  endpoint: string
  readonly address: string
  readonly family: Family
  /** Where the peer answers; learned from its own questions when a NAT changed it. */
  port: number
  /** Made when first needed; null: its key is of low order. */
  keys?: ProbeKeys | null
  /** What a route said before we asked anybody. */
  readonly adoptedBytes?: number
  /** What the kernel knows, of the outer packet; as long as nobody looked, what any path carries. */
  knownBytes: number
  search?: PathSearch
  next?: 'search' | 'check' | 'checkLonger'
  /** Answers to older questions say nothing; nor do older questions of the peer. */
  firstNumber: number
  newestHeard: number
  readonly heard: Allowance
  /** The last time that something was asked, and longer ones were. */
  askedMs: number
  longerMs: number
  /** How often in a row nobody answered. */
  silences: number
  /** Of the device's counter, when something was last asked. */
  sentBytes: bigint
}

/** A way that nothing is known of, to where the device sends: "ip:port". */
export function newPath(publicKey: PublicKey, endpoint: string, adoptedBytes: number | undefined): PeerPath {
  const { address, zone, port } = parseEndpoint(endpoint, 'endpoint')
  return {
    publicKey,
    endpoint,
    address: zone === undefined ? formatAddress(address) : `${formatAddress(address)}%${zone}`,
    family: address.family,
    port: probePort(port),
    ...(adoptedBytes !== undefined && { adoptedBytes }),
    knownBytes: 1500,
    firstNumber: 0,
    newestHeard: 0,
    heard: new Allowance(heardAtMost),
    askedMs: Number.NEGATIVE_INFINITY,
    longerMs: Number.NEGATIVE_INFINITY,
    silences: 0,
    sentBytes: 0n,
  }
}

/** Where a node whose tunnel has that port answers. */
export function probePort(tunnelPort: number): number {
  return tunnelPort + (tunnelPort + portDistance > 65535 ? -portDistance : portDistance)
}

/** When something is to be done about the path. */
export function dueMsOf({ next, search }: PeerPath): number {
  return next === undefined ? (search?.dueMs ?? Number.POSITIVE_INFINITY) : Number.NEGATIVE_INFINITY
}

/** What a route to the peer may say. What was found holds only as far as this host sends it in one piece. */
export function mtuOf({ search, knownBytes, family, adoptedBytes }: PeerPath, deviceMtuBytes: number): number {
  const found = search?.foundBytes ?? (search?.state === 'silent' ? undefined : adoptedBytes)
  if (found === undefined) return untriedMtu(knownBytes, family, deviceMtuBytes)
  return Math.min(found, fitMtu(knownBytes, family, deviceMtuBytes))
}

/** Whether a long packet may have gone out since something was asked. */
export function isUsed(path: PeerPath, sentBytes: bigint): boolean {
  return sentBytes < path.sentBytes || sentBytes - path.sentBytes >= minMtuBytes
}

/** Decides what is to be asked next about a peer with a session that has sent so many bytes by now; nothing is asked here. */
export function consider(path: PeerPath, sentBytes: bigint, nowMs: number, times: ProbeTimes): void {
  const { search } = path
  const waitedMs = nowMs - path.askedMs
  if (search?.state === 'searching') return
  if (search === undefined) path.next = 'search'
  else if (!isUsed(path, sentBytes)) return
  else if (search.foundBytes === undefined) {
    const waitMs = Math.min(times.silentMs.most, times.silentMs.least * 2 ** (path.silences - 1))
    if (waitedMs < waitMs) return
    path.next = 'search'
  } else if (waitedMs >= times.checkMs) {
    path.next = nowMs - path.longerMs >= times.longerMs ? 'checkLonger' : 'check'
  } else return
  path.sentBytes = sentBytes
}
