import assert from 'node:assert/strict'
import { test } from 'node:test'
import { View } from '../../../src/agent/view.ts'
import type { StoreEvent } from '../../../src/store/store.ts'
import { testNetwork, testRecord } from '../store/conformance.ts'

const node = (name: string): StoreEvent => ({ kind: 'node', record: testRecord(name) })

/** The names that the view shows after each event. */
function namesAfter(events: readonly StoreEvent[]): (string | undefined)[] {
  const view = new View(testNetwork)
  return events.map(event => {
    view.take(event)
    return view.seen && [...view.seen.nodes.keys()].join('')
  })
}

test('view: shows nothing before the store is in sync, and each change after', () => {
  const events: StoreEvent[] = [node('a'), node('b'), { kind: 'inSync' }, node('c'), { kind: 'nodeGone', name: 'a' }]
  assert.deepEqual(namesAfter(events), [undefined, undefined, 'ab', 'abc', 'bc'])
})

test('view: a store that is lost leaves it as it was, until the next time in sync', () => {
  const events: StoreEvent[] = [
    node('a'),
    node('b'),
    { kind: 'inSync' },
    { kind: 'lost', reason: 'gone' },
    { kind: 'back' },
    { kind: 'nodeGone', name: 'a' },
    node('c'),
    { kind: 'lost', reason: 'gone' },
    { kind: 'nodeGone', name: 'b' },
    { kind: 'inSync' },
  ]
  const still = Array<string>(6).fill('ab')
  assert.deepEqual(namesAfter(events), [undefined, undefined, 'ab', ...still, 'c'])
})

test('view: what was shown does not change afterwards', () => {
  const view = new View(testNetwork)
  for (const event of [node('a'), { kind: 'inSync' }] as StoreEvent[]) view.take(event)
  const seen = view.seen
  view.take(node('b'))
  assert.deepEqual([...(seen?.nodes.keys() ?? [])], ['a'])
  view.take({ kind: 'claim', claim: { prefix: '10.99.0.0/24', node: 'a', sinceMs: 1 } })
  assert.equal(view.seen?.claims.size, 1)
  view.take({ kind: 'claimGone', prefix: '10.99.0.0/24' })
  assert.equal(view.seen?.claims.size, 0)
})
