// What a person is told of what zod found wrong: where, what is expected there in plain words, and what is there instead. Words that
// a schema has of its own stay.

import type { z } from 'zod'

export interface Finding {
  readonly path: readonly PropertyKey[]
  readonly reason: string
}

/** Each thing that is wrong with `data`, in the order of the issues. */
export function explainIssues(issues: readonly z.core.$ZodIssue[], data: unknown): Finding[] {
  return issues.flatMap(issue => explain(issue, data))
}

function explain(issue: z.core.$ZodIssue, data: unknown): Finding[] {
  const { path, message } = issue
  if (issue.code === 'unrecognized_keys') {
    const reasons = message.split('\n') // strictObject has one for each
    return issue.keys.map((key, i) => ({ path: [...path, key], reason: reasons[i] ?? message }))
  }
  if (issue.code === 'invalid_union') {
    const inner = meantBranch(issue.errors)
    if (inner !== undefined) return inner.flatMap(it => explain({ ...it, path: [...path, ...it.path] }, data))
  }
  // A key of a record that its schema refuses carries the reason one level down.
  const said = (issue.code === 'invalid_key' && issue.issues[0]?.message) || message
  return [{ path, reason: /^(Invalid|Too (big|small))/.test(said) ? inWords(issue, valueAt(data, path)) : said }]
}

/** What is wrong with the one form of a union that was meant: the only one of the right type, and best with no unknown key. */
function meantBranch(branches: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] | undefined {
  const without = (codes: readonly string[]) =>
    branches.filter(issues => !issues.some(({ code, path }) => path.length === 0 && codes.includes(code ?? '')))
  const wrongForm = ['invalid_type', 'invalid_value']
  const meant = [without([...wrongForm, 'unrecognized_keys']), without(wrongForm)]
  return meant.find(found => found.length === 1)?.[0]
}

function inWords(issue: z.core.$ZodIssue, value: unknown): string {
  const expected = expectedBy(issue)
  if (value === undefined) return `is missing; expected ${expected}`
  const isItem = expected === 'a list' && typeof value === 'string'
  return `expected ${expected}${isItem ? `, as [${show(value)}]` : ''}; it is ${show(value)}`
}

const types: Record<string, string> = {
  array: 'a list',
  object: 'an object',
  record: 'an object',
  string: 'a text in double quotes',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
}

function expectedBy(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return types[issue.expected] ?? issue.expected
  if (issue.code === 'invalid_value') return issue.values.map(value => JSON.stringify(value)).join(' or ')
  const units: Record<string, string> = { array: ' in the list', string: ' characters' }
  if (issue.code === 'too_big') return `at most ${issue.maximum}${units[issue.origin] ?? ''}`
  if (issue.code === 'too_small') return `at least ${issue.minimum}${units[issue.origin] ?? ''}`
  return 'another value'
}

function valueAt(data: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], data)
}

const maxShown = 60

function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = JSON.stringify(value)
  return text.length > maxShown ? `${text.slice(0, maxShown)}…` : text
}
