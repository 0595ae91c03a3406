// Reads a JSON document by a zod schema. Whatever is wrong with it becomes one ERR_PODWIRE_DOCUMENT that names the file, the
// path in it ("hosts.a.networks[1]") and what was expected; a key that is not known names the nearest one that is.

import { z } from 'zod'
import { PodwireError, podwireError } from '../base/errors.ts'
import { parseJson } from '../model/document.ts'

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

function unknownKey(key: string, known: readonly string[]): string {
  const [nearest] = known
    .map(name => ({ name, distance: editDistance(key.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(2, name.length / 2))
    .sort((a, b) => a.distance - b.distance)
  return nearest === undefined
    ? `unknown key "${key}"; the keys are ${known.join(', ')}`
    : `unknown key "${key}"; did you mean "${nearest.name}"?`
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

/** A check of a string by a parser that throws a PodwireError: the parser's reason becomes the reason at that path. */
export function checkedBy(parse: (text: string, where: string) => unknown) {
  return (context: z.core.ParsePayload<string>): void => {
    try {
      parse(context.value, 'value')
    } catch (error) {
      if (!(error instanceof PodwireError)) throw error
      const message = error.message.replace(/^value: /, '')
      context.issues.push({ code: 'custom', message, input: context.value })
    }
  }
}

/** "hosts.a.networks[1]"; the document itself is "the document". */
export function formatPath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the document'
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i === 0 ? '' : '.'}${String(key)}`)).join('')
}

/** Parses and checks a document's text; `file` names it in the error: ERR_PODWIRE_DOCUMENT. */
export function parseDocument<Schema extends z.ZodType>(schema: Schema, text: string, file: string): z.output<Schema> {
  return checkDocument(schema, parseJson(text, file).value, file)
}

/** What is wrong with a value of several forms: what the form says that it was meant to be. */
function branchIssue(union: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue {
  const meant = union.errors
    .map(([issue]) => issue)
    .find(issue => issue?.code !== 'invalid_type' || issue.path.length > 0)
  return meant === undefined ? union : { ...meant, path: [...union.path, ...meant.path] }
}

/** Checks data that has been parsed already. Error: ERR_PODWIRE_DOCUMENT. */
export function checkDocument<Schema extends z.ZodType>(schema: Schema, data: unknown, file: string): z.output<Schema> {
  const result = schema.safeParse(data)
  if (result.success) return result.data
  const [first, ...others] = result.error.issues
  const issue = first?.code === 'invalid_union' ? branchIssue(first) : first
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  const path = formatPath(issue?.path ?? [])
  // A key of a record that its schema refuses carries the reason one level down.
  const reason = (issue?.code === 'invalid_key' ? issue.issues[0]?.message : issue?.message) ?? 'invalid'
  throw podwireError('ERR_PODWIRE_DOCUMENT', { file, path, reason: `${reason}${more}` })
}
