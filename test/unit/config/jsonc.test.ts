import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseJsonc } from '../../../src/config/jsonc.ts'
import { formatJsonc } from '../../../src/config/jsonc-format.ts'
import { acceptsOrRefuses, keys, refusal } from './refusal.ts'

const bad: [text: string, place: string, says: RegExp][] = [
  ['', 'line 1, column 1', /the text ends where a value was expected/],
  ['{', 'line 1, column 2', /expected a key in double quotes/],
  ['{"a": 1', 'line 1, column 8', /the text ends before "}"/],
  ['[1 2]', 'line 1, column 4', /expected "," or "\]"/],
  ['[,]', 'line 1, column 2', /expected a value/],
  ['[1,,]', 'line 1, column 4', /expected a value/],
  ['{\n  a: 1\n}', 'line 2, column 3', /expected a key in double quotes/],
  ['{"a" 1}', 'line 1, column 6', /expected ":"/],
  ['{"a": 1,\n "a": 2}', 'line 2, column 2', /the key "a" is there twice/],
  ['{"a": {\n"__proto__": {}}}', 'line 2, column 1', /"__proto__" cannot be a key or a name/],
  [
    `{"${keys.private.slice(0, 41)}": 1, "${keys.private.slice(0, 41)}": 2}`,
    'line 1, column 50',
    /the key "\[hidden\]" is there/,
  ],
  ['"one\ntwo"', 'line 1, column 5', /a string ends on its line/],
  ['["one]', 'line 1, column 2', /the string has no end/],
  ['"\\x"', 'line 1, column 1', /"\\" that begins nothing/],
  ["'a'", 'line 1, column 1', /expected a value/],
  ['[truer]', 'line 1, column 2', /expected a value/],
  ['[01]', 'line 1, column 2', /expected a value/],
  ['[1.]', 'line 1, column 2', /expected a value/],
  ['[NaN]', 'line 1, column 2', /expected a value/],
  ['1 2', 'line 1, column 3', /the document ends before this/],
  ['[1] /* ', 'line 1, column 5', /the comment has no end/],
  ['['.repeat(200), 'line 1, column 102', /more than 100/],
]
for (const [text, place, says] of bad) {
  test(`jsonc: refuses ${JSON.stringify(text.slice(0, 20))} at its place`, () => {
    const { code, message } = refusal(() => parseJsonc(text, 'x.json'))
    assert.equal(code, 'ERR_PODWIRE_DOCUMENT')
    assert.ok(message.startsWith(`x.json: ${place}: `), message)
    assert.match(message, says)
  })
}

test('jsonc: comments and trailing commas are read, and comments kept in order', () => {
  const text = '// one\n{ "a": [1, /* two */ 2,], // three\n /* four\n  * five */ "b": "//", }\n// six'
  const { value, comments } = parseJsonc(text, 'x.json')
  assert.deepEqual(value, { a: [1, 2], b: '//' })
  assert.deepEqual(comments.map(({ text }) => text.trim()), ['one', 'two', 'three', 'four', 'five', 'six']) // biome-ignore format: one line
})

test('jsonc: a byte-order mark is no part of the text', () => {
  assert.deepEqual(parseJsonc('\ufeff{"a": 1}', 'x.json').value, { a: 1 })
})

test('jsonc: a path has its place, and one that is not there that of what is around it', () => {
  const { place } = parseJsonc('{\n  "a": [\n    1, {"b": 2}]}', 'x.json')
  assert.equal(place(['a', 1, 'b']), 'line 3, column 14')
  assert.equal(place(['a', 1, 'c', 'd']), 'line 3, column 8')
  assert.equal(place([]), 'line 1, column 1')
})

test('jsonc: reads what JSON.parse reads, and the same', () => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom(0, 1, '\t'), (text, space) => {
      fc.pre(!text.includes('__proto__'))
      const value: unknown = JSON.parse(text)
      assert.deepEqual(parseJsonc(JSON.stringify(value, undefined, space), 'x.json').value, value)
    }),
  )
})

test('jsonc: any text is read or refused with its place', () => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '//',
    '/*',
    '*/',
    '\n',
    '1',
    '-',
    'null',
    '"a"',
  )
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(pieces).map(parts => parts.join('')),
  )
  fc.assert(
    fc.property(texts, text => acceptsOrRefuses(parseJsonc, text)),
    { numRuns: 1000 },
  )
})

const layouts: [name: string, text: string, laidOut: string][] = [
  ['an empty object', '{ }', '{}\n'],
  ['plain values that fit', '{"a":[1,2,],"b":{}}', '{\n  "a": [1, 2],\n  "b": {}\n}\n'],
  ['a small object', '{"a":{"file":"/k"}}', '{\n  "a": { "file": "/k" }\n}\n'],
  ['without a byte-order mark', '\ufeff{}', '{}\n'],
  ['comments', '// x\n{ // y\n"a":1, // z\n\n\n// v\n"b":2 /* w */ }\n// u', '// x\n{\n  // y\n  "a": 1, // z\n\n  // v\n  "b": 2 /* w */\n}\n// u\n'],
  ['a comment before a closing bracket', '[1\n// x\n]', '[\n  1\n  // x\n]\n'],
  ['a list that does not fit', JSON.stringify(Array(3).fill('x'.repeat(50))), `[\n${Array(3).fill(`  "${'x'.repeat(50)}"`).join(',\n')}\n]\n`],
] // biome-ignore format: a table
for (const [name, text, laidOut] of layouts) {
  test(`jsonc layout: ${name}`, () => assert.equal(formatJsonc(text, 'x.json'), laidOut))
}

test('jsonc layout: says the same, keeps every comment, and is done in one go', () => {
  const noise = fc.constantFrom('', ' ', '\n', '\n\n\n', '// c\n', '/* d */', ' /* e\n f */ ')
  const documents = fc.letrec<{ value: string }>(tie => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom('1', '"a\\"//"', 'null', '{}', '[]'),
      fc.array(fc.tuple(noise, tie('value'), noise)).map(items => `[${items.map(item => item.join('')).join(',')}]`),
      fc
        .uniqueArray(fc.tuple(fc.string(), noise, tie('value'), noise), { selector: ([key]) => key })
        .map(
          items =>
            `{${items.map(([key, a, value, b]) => `${a}${JSON.stringify(key)}${b}:${a}${value}${b}`).join(',')}}`,
        ),
    ),
  })).value
  fc.assert(
    fc.property(documents, text => {
      fc.pre(!text.includes('__proto__'))
      const [before, laidOut] = [parseJsonc(text, 'x.json'), formatJsonc(text, 'x.json')]
      const after = parseJsonc(laidOut, 'x.json')
      assert.deepEqual(after.value, before.value)
      const words = (comments: readonly { text: string }[]) => comments.map(({ text }) => text.trim()).sort()
      assert.deepEqual(words(after.comments), words(before.comments))
      assert.equal(formatJsonc(laidOut, 'x.json'), laidOut)
    }),
    { numRuns: 200 },
  )
})
