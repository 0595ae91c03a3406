import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { shellQuote } from '../../../src/base/shell-quote.ts'

for (const word of [
  'plain-1.2/3:4',
  '',
  'a b',
  "it's",
  `"$HOME" \`id\` \\ ; & | < > * ? ~ #`,
  'two\nlines',
  '-n',
  'ü',
]) {
  test(`shell quote: a shell takes ${JSON.stringify(word)} as it is`, () => {
    const { stdout } = spawnSync('sh', ['-c', `printf '%s' ${shellQuote(word)}`], { encoding: 'utf8' })
    assert.equal(stdout, word)
  })
}

test('shell quote: a plain word stays as it is', () => assert.equal(shellQuote('10.0.0.0/8'), '10.0.0.0/8'))
