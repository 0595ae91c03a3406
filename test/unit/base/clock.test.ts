import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../../src/base/clock.ts'

test('fake clock: timers run at their own time, in order, also those set meanwhile', () => {
  const clock = new FakeClock()
  const startMs = clock.nowMs()
  const seen: string[] = []
  const note = (name: string) => () => seen.push(`${name}@${clock.nowMs() - startMs}`)
  clock.after(20, note('b'))
  clock.after(10, () => {
    note('a')()
    clock.after(5, note('nested'))
  })
  const cancel = clock.after(12, note('cancelled'))
  cancel()
  clock.after(31, note('later'))
  clock.advance(30)
  assert.deepEqual(seen, ['a@10', 'nested@15', 'b@20'])
  assert.equal(clock.nowMs() - startMs, 30)
})
