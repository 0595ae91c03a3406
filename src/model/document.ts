// Reads JSON documents field by field: a document's own place goes down with every field, so that each error says the
// file and the path in it ("nodes/b.json: endpoints[1]"). By hand, since a schema library costs every agent 10 MB.

import { podwireError, reasonOf } from '../base/errors.ts'

/** A value in a document, and where it is. */
export interface Field {
  readonly file: string
  /** "range[0]"; empty for the document itself. */
  readonly path: string
  readonly value: unknown
}

/** The place of a field, as it begins an error's message. */
export function placeOf({ file, path }: Field): string {
  return path === '' ? file : `${file}: ${path}`
}

/** The error that says what is wrong with a field: ERR_PODWIRE_DOCUMENT. */
export function refuse({ file, path }: Field, reason: string): Error {
  return podwireError('ERR_PODWIRE_DOCUMENT', { file, path: path || 'the document', reason })
}

/** Parses JSON; an error says line and column. */
export function parseJson(text: string, file: string): Field {
  try {
    return { file, path: '', value: JSON.parse(text) }
  } catch (error) {
    const { line, column } = positionOf(text)
    const reason = reasonOf(error).replace(/( in JSON)? at position \d+.*$|, (\.\.\.)?".*$/s, '')
    throw podwireError(
      'ERR_PODWIRE_DOCUMENT',
      { file, path: `line ${line}, column ${column}`, reason: `${reason} (this is not JSON)` },
      error,
    )
  }
}

// V8 says the position of some errors only. The longest beginning that could still become JSON ends where the error is.
function positionOf(text: string): { line: number; column: number } {
  let good = 0
  let bad = text.length + 1
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (couldBegin(text.slice(0, middle))) good = middle
    else bad = middle
  }
  const before = text.slice(0, good).split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}

function couldBegin(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch (error) {
    const reason = reasonOf(error)
    return reason.includes('end of JSON input') || reason.includes(`at position ${text.length}`)
  }
}

/** The fields of an object: all of `required`, any of `optional`, nothing else. */
export function objectFields<Required extends string, Optional extends string = never>(
  field: Field,
  required: readonly Required[],
  optional: readonly Optional[] = [],
): Record<Required, Field> & Partial<Record<Optional, Field>> {
  const { file, path, value } = field
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse(field, 'expected an object')
  const known: readonly string[] = [...required, ...optional]
  const entries = Object.entries(value).map(([key, inner]) => {
    const at = { file, path: path === '' ? key : `${path}.${key}`, value: inner as unknown }
    if (!known.includes(key)) throw refuse(at, `there is no such key; there are ${known.join(', ')}`)
    return [key, at] as const
  })
  const fields = Object.fromEntries(entries) as Record<Required, Field> & Partial<Record<Optional, Field>>
  const missing = required.find(key => fields[key] === undefined)
  if (missing !== undefined) throw refuse(field, `the key "${missing}" is missing`)
  return fields
}

/** The items of an array. */
export function listItems(field: Field): Field[] {
  const { file, path, value } = field
  if (!Array.isArray(value)) throw refuse(field, 'expected a list')
  return value.map((item: unknown, i) => ({ file, path: `${path}[${i}]`, value: item }))
}

export function stringValue(field: Field): string {
  if (typeof field.value !== 'string') throw refuse(field, 'expected a string')
  return field.value
}

/** A whole number from `min` to `max`. */
export function integerValue(field: Field, min: number, max: number): number {
  const { value } = field
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw refuse(field, `expected a whole number from ${min} to ${max}`)
}
