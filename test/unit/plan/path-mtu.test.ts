import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  check,
  fitMtu,
  minMtuBytes,
  overheadBytes,
  type Step,
  startSearch,
  takeAnswer,
  takeTime,
  untriedMtu,
} from '../../../src/plan/path-mtu.ts'

test('path MTU: what a route may say of a path', () => {
  const cases: [path: number, family: 4 | 6, device: number, fits: number, untried: number][] = [
    [1500, 4, 1420, 1420, 1420],
    [1500, 6, 1420, 1420, 1420],
    [1480, 4, 1420, 1420, 1420],
    [1479, 4, 1420, 1408, 1408],
    [1400, 4, 1420, 1328, 1328],
    [1400, 6, 1420, 1312, 1312],
    [1340, 4, 1420, 1280, 1280],
    [1300, 4, 1420, 1280, 1280],
    [68, 6, 1420, 1280, 1280],
    [9000, 4, 8920, 8920, 1440],
    [9000, 6, 8920, 8920, 1408],
    [1500, 4, 8920, 1440, 1440],
    [1500, 6, 1280, 1280, 1280],
    [1500, 6, 1000, 1280, 1280],
  ]
  for (const [path, family, device, fits, untried] of cases) {
    const found = [fitMtu(path, family, device), untriedMtu(path, family, device)]
    assert.deepEqual(found, [fits, untried], JSON.stringify([path, family, device]))
  }
})

test('path MTU: a packet as long as the route allows, padded as the engine pads, fits the path', () => {
  const numbers = fc.record({
    path: fc.integer({ min: 1360, max: 9216 }),
    device: fc.integer({ min: 1280, max: 9136 }),
    length: fc.nat(9136),
    family: fc.constantFrom(4 as const, 6 as const),
  })
  fc.assert(
    fc.property(numbers, ({ path, device, length, family }) => {
      const packet = Math.min(length, fitMtu(path, family, device))
      const padded = Math.min(Math.ceil(packet / 16) * 16, device)
      assert.ok(padded + overheadBytes(family) <= path)
    }),
  )
})

/** A path, and who is at its end. */
interface World {
  /** The longest inside the tunnel that arrives; `undefined` if nobody answers at all. */
  readonly widthBytes?: number
  /** Whether a question of that size, the n-th of all, comes through with its answer. */
  readonly loses?: (n: number) => boolean
}

/** Runs a search to its end: what was found, how many were asked, and how long it took. */
function run(first: Step, { widthBytes = 0, loses = () => false }: World) {
  const questions = [...first.ask]
  let [search, nowMs, asked] = [first.search, 0, 0]
  const take = (step: Step) => {
    search = step.search
    questions.push(...step.ask)
  }
  while (search.state === 'searching') {
    for (let size = questions.shift(); size !== undefined; size = questions.shift()) {
      asked += 1
      if (size <= widthBytes && !loses(asked)) take(takeAnswer(search, size, nowMs))
    }
    if (search.state !== 'searching') break
    nowMs = search.dueMs
    take(takeTime(search, nowMs))
  }
  return { search, asked, tookMs: nowMs }
}

/** A path and a device, and the longest of the device's sizes that passes. */
const worlds = fc
  .record({ widthBytes: fc.integer({ min: minMtuBytes, max: 9200 }), device: fc.integer({ min: 1280, max: 9136 }) })
  .map(world => ({ ...world, longest: fitMtu(world.widthBytes + 60, 4, world.device) }))

test('path MTU: the search finds the longest that passes, in few questions and seconds', () => {
  fc.assert(
    fc.property(worlds, ({ widthBytes, device, longest }) => {
      const { search, asked, tookMs } = run(startSearch(device, 0), { widthBytes })
      assert.equal(search.state, 'found')
      assert.equal(search.foundBytes, longest)
      assert.ok(asked <= 80 && tookMs <= 7500, `${asked} questions, ${tookMs} ms`)
    }),
  )
})

test('path MTU: a path as wide as the device costs two questions and no time', () => {
  for (const device of [1420, 8920]) {
    const { search, asked, tookMs } = run(startSearch(device, 0), { widthBytes: device })
    assert.deepEqual([search.foundBytes, asked, tookMs], [device, 2, 0])
  }
})

test('path MTU: whatever is lost, nothing is found that does not pass, and it ends', () => {
  const losses = fc.array(fc.boolean(), { minLength: 200, maxLength: 200 })
  fc.assert(
    fc.property(worlds, losses, ({ widthBytes, device, longest }, lost) => {
      const { search, asked } = run(startSearch(device, 0), { widthBytes, loses: n => lost[n] ?? true })
      assert.ok(asked <= 160, `${asked}`)
      assert.ok(search.state === 'silent' || (search.foundBytes ?? 0) <= longest)
    }),
  )
})

test('path MTU: two losses in a row of each size change nothing', () => {
  const { search } = run(startSearch(1420, 0), { widthBytes: 1420, loses: n => n <= 4 })
  assert.equal(search.foundBytes, 1420)
})

test('path MTU: checks find a path that narrows and one that widens, and keep what was found of a silent peer', () => {
  fc.assert(
    fc.property(worlds, worlds, fc.boolean(), (before, later, longer) => {
      const { device } = before
      const first = run(startSearch(device, 0), before).search
      const now = fitMtu(later.widthBytes + 60, 4, device)
      const { search, asked, tookMs } = run(check(first, { longer }, 0), later)
      assert.equal(search.state, 'found')
      assert.equal(search.foundBytes, longer ? now : Math.min(now, before.longest))
      assert.ok(asked <= 100 && tookMs <= 9000, `${asked} questions, ${tookMs} ms`)
      const silent = run(check(first, { longer }, 0), {}).search
      assert.equal(silent.foundBytes, first.foundBytes)
      if (device > minMtuBytes) assert.equal(silent.state, 'silent')
      assert.equal(run(check(silent, { longer: true }, 0), before).search.foundBytes, before.longest)
    }),
  )
})

test('path MTU: a check of what holds is one question', () => {
  const first = run(startSearch(1420, 0), { widthBytes: 1400 }).search
  const { asked, tookMs } = run(check(first, { longer: false }, 0), { widthBytes: 1400 })
  assert.deepEqual([asked, tookMs], [1, 0])
})

test('path MTU: a peer that never answered has nothing found, and nothing to check', () => {
  const { search, asked } = run(startSearch(1420, 0), {})
  assert.deepEqual([search.state, search.foundBytes, asked], ['silent', undefined, 6])
  assert.deepEqual(check(search, { longer: true }, 0).ask, [])
})

test('path MTU: an answer to what was not asked says nothing', () => {
  const { search } = startSearch(1420, 0)
  for (const size of [1408, 9000, 0, 1281]) assert.equal(takeAnswer(search, size, 1).search, search)
})

test('path MTU: a device of the least size needs no questions', () => {
  assert.deepEqual(startSearch(1280, 0).ask, [])
  assert.equal(startSearch(1280, 0).search.foundBytes, minMtuBytes)
})
