import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChangeLog } from '../../../src/server/change-log.ts'

const names = (lines: readonly string[] | undefined) => lines?.map(line => JSON.parse(line).name)

test('change log: whoever comes back gets what came since, as long as it is there', () => {
  const log = new ChangeLog()
  const start = log.at
  assert.deepEqual(log.since(start), [])
  for (let i = 0; i < 3; i++) log.append({ kind: 'nodeGone', name: `n${i}` })
  assert.deepEqual(names(log.since(start)), ['n0', 'n1', 'n2'])
  const { at } = JSON.parse(log.since(start)?.[1] ?? '')
  assert.deepEqual(names(log.since(at)), ['n2'])
  const [name] = start.split('.')
  for (const other of [
    '',
    'x',
    '0.0',
    `${name}`,
    `${name}.4`,
    `${name}.-1`,
    `${name}.1e1`,
    `${name}.99999999999999999`,
  ]) {
    assert.equal(log.since(other), undefined, other)
  }
  assert.equal(log.since(new ChangeLog().at), undefined, 'of another start')
  for (let i = 0; i < 4096; i++) log.append({ kind: 'nodeGone', name: 'later' })
  assert.equal(log.since(start), undefined)
  assert.equal(log.since(`${name}.2`), undefined)
  assert.equal(log.since(`${name}.3`)?.length, 4096)
  assert.deepEqual(log.since(log.at), [])
})
