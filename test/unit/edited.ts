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

/** Where a value stands: a list or an object, and its place in it. */
type Place = readonly [holder: Record<string, unknown>, key: string]

/** JSON made of `seeds` that stays JSON: values are left out, or replaced by others of the seeds or by any. */
export function editedDocuments(seeds: readonly string[]): fc.Arbitrary<string> {
  const values = seeds.flatMap(seed => placesIn(JSON.parse(seed)).map(([holder, key]) => holder[key]))
  const value = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...values) },
    { weight: 2, arbitrary: fc.constantFrom(...limits, 0, -1, 65536, 1e99, true, null) },
    { weight: 1, arbitrary: fc.jsonValue() },
  )
  const edits = fc.array(fc.record({ at: fc.nat(), value: fc.option(value, { nil: undefined }) }), {
    minLength: 1,
    maxLength: 4,
  })
  return fc.tuple(fc.constantFrom(...seeds), edits).map(([seed, edits]) => {
    const document = JSON.parse(seed)
    for (const { at, value } of edits) {
      const places = placesIn(document)
      const [holder, key]: Place = places[at % places.length] ?? [{}, '']
      if (value === undefined) delete holder[key]
      else holder[key] = structuredClone(value)
    }
    return JSON.stringify(document)
  })
}

function placesIn(value: unknown): Place[] {
  if (typeof value !== 'object' || value === null) return []
  const holder = value as Record<string, unknown>
  return Object.keys(holder).flatMap(key => [[holder, key] as Place, ...placesIn(holder[key])])
}
