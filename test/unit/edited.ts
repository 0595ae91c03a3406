// Foreign input for properties: a good text with some of its words left out, doubled, moved or replaced, by those of other good texts or by
// any characters; now and then any characters alone.

import fc from 'fast-check'

/** A word as the parsers' texts have them (a key, a number, an address, "name="), or one other character. */
const wordPattern = /[\w+/.:]+=?|./gs

/** What is at the limits of something, in any of the texts. */
const limits = ['', '\n', '\r', '\0', '\u{feff}', '"', '\\', '{', '}', '[', ']', '#', '//', '/*', '%', '-', '+', ',', '=', '0', '-1', '00', '0x0', '33', '129', '256', '65536', '4294967296', '9007199254740993', '1e999', '/', '::', '::/0', '0.0.0.0/0', '::ffff:1.2.3.4', 'fe80::1%eth0', '[::1]:5', 'off', 'auto', 'true', 'null', '__proto__', 'constructor'] // biome-ignore format: one line

/** Texts made of `seeds`. */
export function editedTexts(seeds: readonly string[]): fc.Arbitrary<string> {
  const all = seeds.map(seed => seed.match(wordPattern) ?? [])
  const words = [...new Set(all.flat())]
  const word = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...words) },
    { weight: 3, arbitrary: fc.constantFrom(...limits) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
  )
  const edit = fc.record({ at: fc.nat(), removed: fc.nat(3), put: fc.array(word, { maxLength: 3 }) })
  const edited = fc.tuple(fc.constantFrom(...all), fc.array(edit, { maxLength: 4 })).map(([seed, edits]) => {
    const text = [...seed]
    for (const { at, removed, put } of edits) text.splice(at % (text.length + 1), removed, ...put)
    return text.join('')
  })
  return fc.oneof({ weight: 9, arbitrary: edited }, { weight: 1, arbitrary: fc.string({ unit: 'binary' }) })
}
