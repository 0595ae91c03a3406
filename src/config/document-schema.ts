// Reads a JSON document by a zod schema. Whatever is wrong with it becomes one ERR_PODWIRE_DOCUMENT that names the file, the
// path in it ("hosts.a.networks[1]"), line and column, and what was expected; a key that is not known names the nearest
// one that is.

import { z } from 'zod'
import { PodwireError, podwireError } from '../base/errors.ts'
import { parseName } from '../model/name.ts'
import type { JsoncDocument } from './jsonc.ts'
import { unknownKey } from './nearest-key.ts'

/** An object in which a key that is not in `shape` is an error. */
export function strictObject<Shape extends z.core.$ZodShape>(shape: Shape) {
  const known = Object.keys(shape)
  return z.strictObject(shape, {
    error: issue => {
      if (issue.code !== 'unrecognized_keys') return undefined
      return (issue.keys as string[]).map(key => unknownKey(key, known)).join('; ')
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
  return check(schema, data, (path, reason) => documentError(file, formatPath(path), reason))
}

/** Checks a document that has been read already. Error: ERR_PODWIRE_DOCUMENT. */
export function checkJsonc<Schema extends z.ZodType>(
  schema: Schema,
  document: JsoncDocument,
  file: string,
): z.output<Schema> {
  return check(schema, document.value, (path, reason) => refusal(document, file, path, reason))
}

/** The error that says what is wrong at a path of a document: ERR_PODWIRE_DOCUMENT. */
export function refusal(document: JsoncDocument, file: string, path: readonly PropertyKey[], reason: string): Error {
  return documentError(file, `${formatPath(path)} (${document.place(path)})`, reason)
}

/** The same for data that no text stands behind. */
export function documentError(file: string, path: string, reason: string): Error {
  return podwireError('ERR_PODWIRE_DOCUMENT', { file, path, reason })
}

/** Makes the error for a path and a reason. */
export type Refuse = (path: readonly PropertyKey[], reason: string) => Error

function check<Schema extends z.ZodType>(schema: Schema, data: unknown, refuse: Refuse): z.output<Schema> {
  const result = schema.safeParse(data)
  if (result.success) return result.data
  const [issue, ...others] = result.error.issues
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  const { path, reason } = issue === undefined ? { path: [], reason: 'invalid' } : explain(issue)
  throw refuse(path, `${reason}${more}`)
}

function explain(issue: z.core.$ZodIssue): { path: readonly PropertyKey[]; reason: string } {
  if (issue.code === 'invalid_union') {
    const inner = meantBranch(issue.errors)
    if (inner !== undefined) {
      const { path, reason } = explain(inner)
      return { path: [...issue.path, ...path], reason }
    }
  }
  // A key of a record that its schema refuses carries the reason one level down.
  const message = (issue.code === 'invalid_key' && issue.issues[0]?.message) || issue.message
  const missing = /^Invalid input: (expected .*), received undefined$/.exec(message)
  return { path: issue.path, reason: missing === null ? message : `is missing; ${missing[1]}` }
}

/** What is wrong with the one form of a union that was meant: the only one of the right type, and best with no unknown key. */
function meantBranch(branches: readonly (readonly z.core.$ZodIssue[])[]): z.core.$ZodIssue | undefined {
  const without = (codes: readonly string[]) =>
    branches.filter(issues => !issues.some(({ code, path }) => path.length === 0 && codes.includes(code ?? '')))
  const wrongForm = ['invalid_type', 'invalid_value']
  const meant = [without([...wrongForm, 'unrecognized_keys']), without(wrongForm)]
  const [issues = []] = meant.find(found => found.length === 1) ?? []
  return issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]
}
