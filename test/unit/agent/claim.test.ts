import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { claimPrefixes, heldPrefixes } from '../../../src/agent/claim.ts'
import { overlapsCidr, parsePrefix } from '../../../src/base/cidr.ts'
import type { NetworkConfig } from '../../../src/model/network-config.ts'
import type { Claim } from '../../../src/model/node-record.ts'
import { HeldClaims } from '../../../src/plan/held-claims.ts'

/** Small, so that it is contested: sixteen addresses, of prefixes of two lengths, and sixteen prefixes. */
const networkOf = (ipv4: number): NetworkConfig => ({
  name: 'test',
  range: ['10.99.0.0/28', 'fd99::/60'],
  nodePrefixLength: { ipv4, ipv6: 64 },
})

class Crash extends Error {}

/** A store in memory, whose every call is a step that the schedule may hold up, or at which the caller dies before or after it. */
function storeOf(schedule: fc.Scheduler, claims: Map<string, Claim>, mayCrash: () => 'before' | 'after' | 'no') {
  const step = async <T>(what: string, run: () => T): Promise<T> => {
    const crash = mayCrash()
    if (crash === 'before') throw new Crash()
    const result = await schedule.schedule(Promise.resolve(), what).then(run)
    if (crash === 'after') throw new Crash()
    return result
  }
  return {
    listClaims: () => step('list', () => [...claims.values()]),
    claim: (claim: Claim) =>
      step('claim', () => {
        const holder = claims.get(claim.prefix)
        if (holder === undefined) claims.set(claim.prefix, claim)
        return holder === undefined || holder.node === claim.node
      }),
    release: ({ prefix, node }: Claim) =>
      step('release', () => {
        if (claims.get(prefix)?.node === node) claims.delete(prefix)
      }),
  }
}

/** The claims that count, as every node judges them. */
function judge(claims: Iterable<Claim>): HeldClaims {
  const held = new HeldClaims()
  held.setRange(networkOf(32).range.map(text => parsePrefix(text, 'test')))
  for (const claim of claims) held.set(claim)
  held.settle()
  return held
}

/** Runs what waits in the schedule until `work` is done. */
async function drive<T>(schedule: fc.Scheduler, work: Promise<T>): Promise<T> {
  let isDone = false
  const end = () => {
    isDone = true
  }
  work.then(end, end)
  while (!isDone) {
    if (schedule.count() > 0) await schedule.waitOne()
    else await new Promise(setImmediate)
  }
  return work
}

test('claim: of agents that claim at once, dying at any step and starting again, no two come to hold what overlaps', () =>
  fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(fc.constantFrom('before', 'after', 'no', 'no', 'no', 'no'), { maxLength: 60 }),
      fc.array(fc.constantFrom(31, 32), { minLength: 2, maxLength: 4 }),
      async (schedule, crashes, lengths) => {
        const claims = new Map<string, Claim>()
        const got = new Map<string, string[]>()
        let steps = 0
        const store = storeOf(schedule, claims, () => crashes[steps++] ?? 'no')
        const claim = async (node: string, ipv4: number): Promise<void> => {
          for (;;) {
            try {
              got.set(node, await claimPrefixes({ store, network: networkOf(ipv4), node, inUse: got.get(node) ?? [] }))
              return
            } catch (error) {
              if (!(error instanceof Crash)) throw error
            }
          }
        }
        // As the agent's rounds: who does not hold what it got claims again.
        const lacks = (node: string) =>
          heldPrefixes(networkOf(32), judge(claims.values()).heldBy(node), got.get(node) ?? []) === undefined
        for (let round = 0; round < 5; round++) {
          const lacking = lengths.flatMap((length, i) => (lacks(`n${i}`) ? [{ node: `n${i}`, length }] : []))
          await drive(schedule, Promise.all(lacking.map(({ node, length }) => claim(node, length))))
        }
        const held = judge(claims.values())
        const all = lengths.flatMap((_, i) => {
          const mine = heldPrefixes(networkOf(32), held.heldBy(`n${i}`), [])
          assert.ok(mine, `n${i} has its prefixes: ${JSON.stringify([...claims.values()])}`)
          assert.deepEqual([...mine].sort(), [...(got.get(`n${i}`) ?? [])].sort())
          return mine.map(text => ({ node: `n${i}`, prefix: parsePrefix(text, 'test') }))
        })
        for (const one of all) {
          for (const other of all) assert.ok(one.node === other.node || !overlapsCidr(one.prefix, other.prefix))
        }
      },
    ),
    { seed: 11, numRuns: 60 },
  ))

test('claim: what a view holds for a node is one prefix of each range, those in use first', () => {
  const claim = (prefix: string, sinceMs: number): Claim => ({ prefix, node: 'a', sinceMs })
  const [v4, newer, v6] = [claim('10.99.0.1/32', 1), claim('10.99.0.2/32', 2), claim('fd99::/64', 1)]
  const cases: [held: Claim[], inUse: string[], found: string[] | undefined][] = [
    [[], [], undefined],
    [[v4], ['10.99.0.1/32', 'fd99::/64'], undefined],
    [[v6, newer, v4], [], ['10.99.0.1/32', 'fd99::/64']],
    [[v6, newer, v4], ['10.99.0.2/32'], ['10.99.0.2/32', 'fd99::/64']],
    [
      [v6, v4],
      ['10.99.0.7/32', 'fd99:0:0:7::/64'],
      ['10.99.0.1/32', 'fd99::/64'],
    ],
  ]
  for (const [held, inUse, found] of cases) assert.deepEqual(heldPrefixes(networkOf(32), held, inUse), found)
})
