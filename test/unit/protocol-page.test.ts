// docs/protocol.md names a test for each requirement of the protocol: that each of them exists is checked here.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))

function textsOf(folder: string, ending: string): string[] {
  const names = readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' })
  return names.filter(name => name.endsWith(ending)).map(name => readFileSync(`${root}${folder}/${name}`, 'utf8'))
}

/** The names of all tests, as they are written in the sources: those of a loop with their `${…}`. */
function testNames(): Set<string> {
  const typeScript = textsOf('test', '.test.ts').flatMap(text => [
    ...text.matchAll(/\btest\(\s*(?:'((?:[^'\\]|\\.)*)'|`((?:[^`\\]|\\.)*)`)/g),
  ])
  // A function behind `#[test]`, whatever other attributes and comments are between them.
  const rust = ['native/engine/src', 'native/engine/tests', 'native/netlink/src'].flatMap(folder =>
    textsOf(folder, '.rs').flatMap(text => [...text.matchAll(/#\[test\]\s*(?:#\[.*\]\s*|\/\/.*\s*)*fn (\w+)\(/g)]),
  )
  return new Set([...typeScript, ...rust].map(([, plain, template]) => plain ?? template ?? ''))
}

/** The rows of the page's tables: requirement, and the tests named in the last column. */
function rowsOf(page: string): { requirement: string; tests: string[] }[] {
  const rows = page.split('\n').filter(line => line.startsWith('| ') && !line.startsWith('| requirement'))
  return rows.map(row => {
    const cells = row.slice(2, -2).split(' | ')
    const tests = [...(cells.at(-1) ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)
    return { requirement: cells[0] ?? '', tests }
  })
}

test('protocol page: every requirement names tests that exist', () => {
  const names = testNames()
  const rows = rowsOf(readFileSync(`${root}docs/protocol.md`, 'utf8'))
  assert.ok(rows.length > 80 && names.size > 200, `${rows.length} rows, ${names.size} tests`)
  const missing = rows.flatMap(({ requirement, tests }) =>
    tests.length === 0 ? [`"${requirement}" names none`] : tests.filter(name => !names.has(name)),
  )
  assert.deepEqual(missing, [])
})
