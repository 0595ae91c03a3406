import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Allowance } from '../../../src/agent/allowance.ts'
import { consider, mtuOf, newPath, type PeerPath, probePort, usualTimes } from '../../../src/agent/peer-path.ts'
import { formatPublicKey } from '../../../src/base/key.ts'
import { type PathSearch, startSearch } from '../../../src/plan/path-mtu.ts'

const key = formatPublicKey(Buffer.alloc(32, 'b'))
const { search: searching } = startSearch(1420, 0)
const state = (state: PathSearch['state'], foundBytes?: number): PathSearch => ({
  ...searching,
  state,
  ...(foundBytes !== undefined && { foundBytes }),
})

function path(change: Partial<PeerPath> = {}): PeerPath {
  return { ...newPath(key, '192.0.2.1:51820', undefined), ...change }
}

test('peer path: what a route may say of what was found, of what the kernel knows, and of neither', () => {
  const cases: [name: string, change: Partial<PeerPath>, device: number, mtu: number][] = [
    ['nothing known', {}, 1420, 1420],
    ['a long link, and nobody asked', { knownBytes: 9000 }, 8920, 1440],
    ['found', { knownBytes: 9000, search: state('found', 8920) }, 8920, 8920],
    ['what a route said before', { knownBytes: 9000, adoptedBytes: 8000 }, 8920, 8000],
    [
      'what it said of a peer that is silent',
      { knownBytes: 9000, adoptedBytes: 8000, search: state('silent') },
      8920,
      1440,
    ],
    ['found, and silent now', { knownBytes: 9000, search: state('silent', 4000) }, 8920, 4000],
    ['found, and the kernel would cut it', { knownBytes: 1400, search: state('found', 1420) }, 1420, 1328],
    ['found less than the kernel knows', { knownBytes: 1500, search: state('found', 1296) }, 1420, 1296],
    ['the kernel was told less than there can be', { knownBytes: 600 }, 1420, 1280],
  ]
  for (const [name, change, device, mtu] of cases) assert.equal(mtuOf(path(change), device), mtu, name)
})

test('peer path: what is asked next, and when', () => {
  const found = { search: state('found', 1420), askedMs: 0, longerMs: 0 }
  const silent = { search: state('silent'), askedMs: 0, silences: 1 }
  const cases: [name: string, change: Partial<PeerPath>, sent: bigint, nowMs: number, next: PeerPath['next']][] = [
    ['a new one at once', {}, 0n, 0, 'search'],
    ['nothing while it searches', { search: searching }, 99_999n, 99_999, undefined],
    ['nothing without a long packet', found, 1279n, 99_999, undefined],
    ['nothing too early', found, 1280n, 9_999, undefined],
    ['what was found', found, 1280n, 10_000, 'check'],
    ['the next longer, sometimes', found, 1280n, 60_000, 'checkLonger'],
    ['a device that was started anew', { ...found, sentBytes: 5000n }, 10n, 10_000, 'check'],
    ['who never answered, later', silent, 1280n, 5_000, 'search'],
    ['and not before', silent, 1280n, 4_999, undefined],
    ['each time later', { ...silent, silences: 3 }, 1280n, 19_999, undefined],
    ['each time later', { ...silent, silences: 3 }, 1280n, 20_000, 'search'],
    ['but not for ever', { ...silent, silences: 50 }, 1280n, 600_000, 'search'],
    ['who answered once, as if it did', { ...found, search: state('silent', 1420) }, 1280n, 10_000, 'check'],
  ]
  for (const [name, change, sent, nowMs, next] of cases) {
    const it = path(change)
    consider(it, sent, nowMs, usualTimes)
    assert.equal(it.next, next, name)
  }
})

test('peer path: answered beside the tunnel, at a port that there is', () => {
  const ports = [1, 51820, 64_535, 64_536, 65_535].map(probePort)
  assert.deepEqual(ports, [1001, 52_820, 65_535, 63_536, 64_535])
  const six = newPath(key, '[fe80::1%eth0]:51820', undefined)
  assert.deepEqual([six.address, six.family, six.port], ['fe80::1%eth0', 6, 52_820])
})

test('allowance: some at once, then so many a second, and what was taken too much is owed', () => {
  const allowance = new Allowance({ aSecond: 10, atOnce: 3 })
  assert.deepEqual(
    [1, 2, 3, 4].map(() => allowance.take(1, 0)),
    [true, true, true, false],
  )
  assert.equal(allowance.waitMs(0), 100)
  assert.ok(allowance.take(5, 100))
  assert.equal(allowance.waitMs(100), 500)
  assert.ok(!allowance.take(1, 599))
  assert.ok(allowance.take(1, 600))
  assert.equal(allowance.waitMs(99_000), 0)
  assert.deepEqual(
    [1, 2, 3, 4].map(() => allowance.take(1, 99_000)),
    [true, true, true, false],
  )
})
