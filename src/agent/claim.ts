// Gets this node its prefixes, one of each family of the network's range: those that it claimed before, or new ones,
// claimed in the store by compare-and-swap.

import { setTimeout as delay } from 'node:timers/promises'
import { containsCidr, overlapsCidr, parsePrefix } from '../base/cidr.ts'
import { podwireError } from '../base/errors.ts'
import type { NetworkConfig } from '../model/network-config.ts'
import type { Claim } from '../model/node-record.ts'
import { choosePrefix } from '../plan/choose-prefix.ts'
import { olderClaim } from '../plan/held-claims.ts'
import type { Store } from '../store/store.ts'

export interface Claiming {
  readonly store: Pick<Store, 'listClaims' | 'claim' | 'release' | 'assignedPrefixes'>
  readonly network: NetworkConfig
  /** Name of this node. */
  readonly node: string
  /** Prefixes that it uses now, to be had again if the store lost its claims. */
  readonly inUse?: readonly string[]
}

/** The node's prefixes in the order of the range. Errors: ERR_PODWIRE_RANGE_EXHAUSTED, ERR_PODWIRE_STORE. */
export async function claimPrefixes(claiming: Claiming): Promise<string[]> {
  const assigned = await claiming.store.assignedPrefixes?.(claiming.node)
  if (assigned !== undefined) return assigned
  const prefixes: string[] = []
  for (const range of claiming.network.range) prefixes.push(await claimOne(range, claiming))
  return prefixes
}

/** Of the prefixes that a node holds one for each range, those in use first; undefined if it lacks one. */
export function heldPrefixes(
  { range }: NetworkConfig,
  held: readonly Claim[],
  inUse: readonly string[],
): string[] | undefined {
  const texts = [...held].sort(olderClaim).map(({ prefix }) => prefix)
  const candidates = [...inUse.filter(text => texts.includes(text)), ...texts]
  const found = range.flatMap(outer => {
    const range = parsePrefix(outer, 'range')
    return candidates.find(text => containsCidr(range, parsePrefix(text, 'claim'))) ?? []
  })
  return found.length === range.length ? found : undefined
}

async function claimOne(rangeText: string, { store, network, node, inUse = [] }: Claiming): Promise<string> {
  const range = parsePrefix(rangeText, 'range')
  const { ipv4, ipv6 } = network.nodePrefixLength
  const length = (range.family === 4 ? ipv4 : ipv6) ?? range.length
  const inRange = (text: string) => containsCidr(range, parsePrefix(text, 'claim'))
  // Taken by someone whose claim cannot be read.
  const refused: string[] = []
  let isNew = false
  let wasBeaten = false
  for (;;) {
    const claims = await store.listClaims()
    const mine = claims.find(claim => claim.node === node && inRange(claim.prefix))
    if (mine !== undefined) {
      if (!claims.some(other => holdsAgainst(other, mine, isNew))) return mine.prefix
      await store.release(mine)
      await delay(Math.random() * 100)
      continue
    }
    const taken = [...claims.map(({ prefix }) => prefix), ...refused]
    const free = (text: string) => inRange(text) && !taken.some(other => overlap(other, text))
    // Who was beaten to one looks elsewhere: when many join at once, all but one of them would be beaten to the next as well.
    const from = wasBeaten ? Math.random() : 0
    const prefix = inUse.find(free) ?? choosePrefix(range, length, taken, from)
    if (prefix === undefined) {
      throw podwireError('ERR_PODWIRE_RANGE_EXHAUSTED', { length, range: rangeText, claimed: taken.length })
    }
    // Whether it was got or not, the claims are listed again: they say who has what.
    isNew = await store.claim({ prefix, node, sinceMs: Date.now() })
    wasBeaten = !isNew
    if (wasBeaten) refused.push(prefix)
  }
}

/**
 * Two may claim at once what overlaps, under different lengths: one that was just made gives way to any, so that both may
 * give way, and neither stays by mistake. One that was found stays unless the other is older, as every other node sees it.
 */
function holdsAgainst(other: Claim, mine: Claim, isNew: boolean): boolean {
  if (other.node === mine.node || !overlap(other.prefix, mine.prefix)) return false
  return isNew || olderClaim(other, mine) < 0
}

function overlap(a: string, b: string): boolean {
  return overlapsCidr(parsePrefix(a, 'claim'), parsePrefix(b, 'claim'))
}
