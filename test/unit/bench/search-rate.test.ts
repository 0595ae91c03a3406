import assert from 'node:assert/strict'
import { test } from 'node:test'
import { searchRate } from '../../../bench/device/search-rate.ts'

const limits: [name: string, limit: number, start: number, step: number][] = [
  ['far above the start', 1_234_567, 50_000, 2],
  ['far below the start', 777, 50_000, 2],
  ['just above a good guess', 103_000, 100_000, 1.15],
  ['just below a good guess', 99_000, 100_000, 1.15],
]
for (const [name, limit, start, step] of limits) {
  test(`search of a rate: finds a limit ${name}, from below`, async () => {
    const holds = async (rate: number) => rate <= limit
    const found = await searchRate({ start, step, precision: 1.03, tries: holds, confirms: holds })
    assert.ok(found <= limit && found > limit / 1.03, `${found} of ${limit}`)
  })
}

test('search of a rate: what holds for a moment only is not the answer', async () => {
  const holds = (limit: number) => async (rate: number) => rate <= limit
  const found = await searchRate({
    start: 1_000,
    step: 2,
    precision: 1.03,
    tries: holds(9_000),
    confirms: holds(7_000),
  })
  assert.ok(found <= 7_000 && found > 6_500, `${found}`)
})

test('search of a rate: ends where nothing holds', async () => {
  const never = async () => false
  assert.equal(await searchRate({ start: 1_000, step: 2, precision: 1.03, tries: never, confirms: never }), 0)
})
