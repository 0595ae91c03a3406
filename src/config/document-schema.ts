// Reads a JSON document by a zod schema. Whatever is wrong with it becomes one ERR_PODWIRE_DOCUMENT that names the file, the
// path in it ("hosts.a.networks[1]"), line and column, and what was expected; a key that is not known names the nearest
// one that is.

import { z } from 'zod'
import { PodwireError, podwireError } from '../base/errors.ts'
import { parseName } from '../model/name.ts'
import { explainIssues } from './explain-issues.ts'
import type { JsoncDocument } from './jsonc.ts'
import { unknownKey } from './nearest-key.ts'

/** An object in which a key that is not in `shape` is an error. */
export function strictObject<Shape extends z.core.$ZodShape>(shape: Shape) {
  const known = Object.keys(shape)
  return z.strictObject(shape, {
    error: issue => {
      if (issue.code !== 'unrecognized_keys') return undefined
      return (issue.keys as string[]).map(key => unknownKey(key, known)).join('\n')
    },
  })
}

/** A check of a string by a parser that throws a PodwireError: the parser's reason becomes the reason at that path. */
export function checkedBy(parse: (text: string, where: string) => unknown) {
  return (context: z.core.ParsePayload<string>): void => {
    try {
      parse(context.value, 'value')
    } catch (error) {
      if (!(error instanceof PodwireError)) throw error
      const message = error.message.replace(/^value: /, '')
      context.issues.push({ code: 'custom', message, input: context.value, continue: true })
    }
  }
}

/** A name as the key of an object. Programs put those of digits first, and then the order of the document is lost. */
export const keyName = z.string().check(
  checkedBy((text, where) => {
    const reason = 'a name in front of ":" has at least one letter, as "n10"'
    if (/^\d+$/.test(text)) throw podwireError('ERR_PODWIRE_NAME', { where, text, reason })
    parseName(text, where)
  }),
)

/** "hosts.a.networks[1]"; the document itself is "the document". */
export function formatPath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the document'
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i === 0 ? '' : '.'}${String(key)}`)).join('')
}

/** Checks data that no text stands behind. Error: ERR_PODWIRE_DOCUMENT. */
export function checkDocument<Schema extends z.ZodType>(schema: Schema, data: unknown, file: string): z.output<Schema> {
  return check(schema, data, file, formatPath)
}

/** Checks a document that has been read already. Error: ERR_PODWIRE_DOCUMENT. */
export function checkJsonc<Schema extends z.ZodType>(
  schema: Schema,
  document: JsoncDocument,
  file: string,
): z.output<Schema> {
  return check(schema, document.value, file, path => placeIn(document, path))
}

/** The error that says what is wrong at a path of a document: ERR_PODWIRE_DOCUMENT. */
export function refusal(document: JsoncDocument, file: string, path: readonly PropertyKey[], reason: string): Error {
  return documentError(file, placeIn(document, path), reason)
}

function placeIn(document: JsoncDocument, path: readonly PropertyKey[]): string {
  return `${formatPath(path)} (${document.place(path)})`
}

/** The same for data that no text stands behind. */
export function documentError(file: string, path: string, reason: string): Error {
  return podwireError('ERR_PODWIRE_DOCUMENT', { file, path, reason })
}

/** Makes the error for a path and a reason. */
export type Refuse = (path: readonly PropertyKey[], reason: string) => Error

/** More than anyone mends at once. */
const maxFindings = 20

function check<Schema extends z.ZodType>(
  schema: Schema,
  data: unknown,
  file: string,
  placeOf: (path: readonly PropertyKey[]) => string,
): z.output<Schema> {
  const result = schema.safeParse(data)
  if (result.success) return result.data
  const [first = { path: [], reason: 'invalid' }, ...others] = explainIssues(result.error.issues, data)
  const lines = others.slice(0, maxFindings).map(({ path, reason }) => `${placeOf(path)}: ${reason}`)
  const more = others.length > maxFindings ? [`and ${others.length - maxFindings} more`] : []
  throw documentError(file, placeOf(first.path), [first.reason, ...lines, ...more].join('\n  '))
}
