// JSON as people write it: with // and /* */ comments and trailing commas (JSONC), and strict in all else. What is read
// keeps the place of every value, so that whoever checks it afterwards can say line and column; and the comments.

import { podwireError } from '../base/errors.ts'

export interface JsoncDocument {
  readonly value: unknown
  /** In order, without their marks, a block's lines one by one. */
  readonly comments: readonly JsoncComment[]
  /** "line 3, column 7": where the value at that path is, or the innermost one around it that is there. */
  place(path: readonly PropertyKey[]): string
  /** Where in the text the value at that path begins and ends; undefined if there is none. */
  span(path: readonly PropertyKey[]): Span | undefined
}

export interface JsoncComment {
  readonly text: string
  readonly offset: number
}

export interface Span {
  readonly start: number
  readonly end: number
}

/** A value with its place: the tree of these mirrors the document. */
interface Node extends Span {
  readonly value: unknown
  readonly inner: ReadonlyMap<PropertyKey, Node>
}

/** Deeper than any document of ours; deeper ones would use up the stack. */
const maxDepth = 100
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const words = { true: true, false: false, null: null }
const none: ReadonlyMap<PropertyKey, Node> = new Map()

/** "line 3, column 7" of an offset. */
function formatPlace(text: string, offset: number): string {
  const lines = text.slice(0, offset).split('\n')
  return `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`
}

/** Reads a document; `file` names it in the error: ERR_PODWIRE_DOCUMENT, with line and column. */
export function parseJsonc(text: string, file: string): JsoncDocument {
  const comments: JsoncComment[] = []
  let at = text.startsWith('\ufeff') ? 1 : 0 // a mark that editors put before UTF-8

  function fail(reason: string, offset = at): never {
    throw podwireError('ERR_PODWIRE_DOCUMENT', { file, path: formatPlace(text, offset), reason })
  }

  /** The next character that is neither space nor comment; "" at the end. */
  function peek(): string {
    for (;;) {
      const character = text[at] ?? ''
      if (character !== '' && ' \t\r\n'.includes(character)) at += 1
      else if (text.startsWith('//', at)) comment('//', '\n')
      else if (text.startsWith('/*', at)) comment('/*', '*/')
      else return character
    }
  }

  function comment(mark: string, closing: string): void {
    const start = at
    const close = text.indexOf(closing, at + mark.length)
    if (close < 0 && mark === '/*') fail('the comment has no end: "*/" is missing')
    const end = close < 0 ? text.length : close
    for (const line of text.slice(at + mark.length, end).split('\n')) {
      const words = line.replace(/^\s*\*?\s?/, '').trimEnd()
      if (words !== '') comments.push({ text: words, offset: start })
    }
    at = mark === '//' ? end : end + closing.length
  }

  function node(depth: number): Node {
    const character = peek()
    const start = at
    if (depth > maxDepth) fail(`more than ${maxDepth} lists and objects inside one another`)
    if (character === '{' || character === '[') {
      const inner = character === '{' ? objectItems(depth) : listItems(depth)
      const values = [...inner].map(([key, { value }]) => [key, value] as const)
      const value = character === '{' ? Object.fromEntries(values) : values.map(([, value]) => value)
      return { value, inner, start, end: at }
    }
    return { value: scalar(character), inner: none, start, end: at }
  }

  function objectItems(depth: number): Map<string, Node> {
    const items = new Map<string, Node>()
    readItems('}', () => {
      const start = at
      if (text[at] !== '"') fail('expected a key in double quotes')
      const key = string()
      if (items.has(key)) fail(`the key "${key}" is there twice`, start)
      // JavaScript's objects have a part of this name, which programs drop or take for another.
      if (key === '__proto__') fail('"__proto__" cannot be a key or a name: choose another', start)
      if (peek() !== ':') fail('expected ":" after the key')
      at += 1
      items.set(key, node(depth + 1))
    })
    return items
  }

  function listItems(depth: number): Map<number, Node> {
    const items = new Map<number, Node>()
    readItems(']', () => items.set(items.size, node(depth + 1)))
    return items
  }

  /** From the opening bracket to behind the closing one. */
  function readItems(closing: string, readItem: () => void): void {
    at += 1
    while (peek() !== closing) {
      readItem()
      const next = peek()
      if (next === ',') at += 1
      else if (next !== closing)
        fail(next === '' ? `the text ends before "${closing}"` : `expected "," or "${closing}"`)
    }
    at += 1
  }

  function scalar(character: string): unknown {
    if (character === '"') return string()
    number.lastIndex = at
    const [digits] = number.exec(text) ?? []
    const word = Object.keys(words).find(word => text.startsWith(word, at))
    const found = digits ?? word
    if (found === undefined) return fail(character === '' ? 'the text ends where a value was expected' : notAValue)
    at += found.length
    if (/[\w.+-]/.test(text[at] ?? '')) fail(notAValue, at - found.length)
    return digits === undefined ? words[found as keyof typeof words] : Number(digits)
  }

  function string(): string {
    const start = at
    for (at += 1; text[at] !== '"'; at += text[at] === '\\' ? 2 : 1) {
      if (at >= text.length) fail('the string has no end: a double quote is missing', start)
      if ((text[at] ?? '') < ' ') fail('a string ends on its line; a new line in it is written \\n')
    }
    at += 1
    try {
      return JSON.parse(text.slice(start, at))
    } catch {
      return fail(
        'the string has a "\\" that begins nothing JSON knows, or a character that must be written \\uXXXX',
        start,
      )
    }
  }

  const root = node(0)
  if (peek() !== '') fail('the document ends before this')
  const find = (path: readonly PropertyKey[]): Node[] => {
    const found = [root]
    for (const key of path) {
      const next = found.at(-1)?.inner.get(key)
      if (next === undefined) break
      found.push(next)
    }
    return found
  }
  return {
    value: root.value,
    comments,
    place: path => formatPlace(text, find(path).at(-1)?.start ?? 0),
    span: path => find(path)[path.length],
  }
}

const notAValue = 'expected a value: a string in double quotes, a number, true, false, null, a list or an object'
