import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'commander'
import { addEngineOptions, engineOptions } from '../../../src/cli/device-options.ts'

const all = { tso: true, uso: true, gso: true, gro: true, coalesce: true }

function parse(words: string[], variable?: string) {
  const command = addEngineOptions(new Command()).exitOverride()
  return engineOptions(command.parse(words, { from: 'user' }).opts(), variable)
}

const good: [words: string[], variable: string | undefined, options: ReturnType<typeof engineOptions>][] = [
  [[], undefined, { switches: all }],
  [[], '', { switches: all }],
  [['--no-tso', '--no-uso'], undefined, { switches: { ...all, tso: false, uso: false } }],
  [['--no-gso', '--threads', '2'], undefined, { switches: { ...all, gso: false }, threads: 2 }],
  [[], '--no-gro  --no-coalesce\n', { switches: { ...all, gro: false, coalesce: false } }],
  [['--no-tso'], '--no-gro', { switches: { ...all, tso: false, gro: false } }],
  [['--threads', '3'], '--threads 2 --no-gso', { switches: { ...all, gso: false }, threads: 3 }],
  [[], '--threads=8', { switches: all, threads: 8 }],
  [['--threads', '0'], '--threads 2', { switches: all, threads: 0 }],
]
for (const [words, variable, options] of good) {
  test(`device options: ${words.join(' ') || 'nothing'}, ${variable ?? 'no'} variable`, () => {
    assert.deepEqual(parse(words, variable), options)
  })
}

const bad: [variable: string, says: RegExp][] = [
  ['--no-such', /unknown option '--no-such'/],
  ['--no-gs', /unknown option '--no-gs'/],
  ['-f', /unknown option '-f'/],
  ['--help', /unknown option '--help'/],
  ['wg0', /too many arguments/],
  ['--threads', /argument missing/],
  ['--threads two', /'two' is invalid.* 1 to 8/],
  ['--threads 9', /'9' is invalid/],
  ['--threads -1', /'-1' is invalid/],
]
for (const [variable, says] of bad) {
  test(`device options: the variable "${variable}" is refused`, () => {
    const message = new RegExp(`^PODWIRE_DEVICE_OPTIONS: .*${says.source}`)
    assert.throws(() => parse([], variable), { code: 'ERR_PODWIRE_USAGE', message })
  })
}
