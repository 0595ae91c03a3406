// The layout of a JSON document, without touching what it says: two spaces a level, comments and single blank lines kept
// where they are, a list or an object of plain values on one line where it fits, no trailing commas. Tokens are grouped
// into a tree and printed; the text has been read by parseJsonc before, so the tokens are in order.

import { parseJsonc } from './jsonc.ts'

const tokenPattern = /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/|"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"/]+/g
const maxWidth = 120

interface Item {
  /** Comments above it; "" is a blank line. */
  readonly above: readonly string[]
  /** With its quotes; absent in a list. */
  readonly key?: string
  readonly value: Value
  /** Comments behind it, on its line. */
  behind: string
}
interface Container {
  readonly brackets: '{}' | '[]'
  readonly items: readonly Item[]
  /** Comments after the last item. */
  readonly below: readonly string[]
}
type Value = string | Container

/** The text of the document in our layout. Error: ERR_PODWIRE_DOCUMENT if it is no JSON; `file` names it. */
export function formatJsonc(text: string, file: string): string {
  parseJsonc(text, file)
  const tokens = text.replace(/^\ufeff/, '').match(tokenPattern) ?? []
  const { items, below } = readItems(tokens[Symbol.iterator](), '')
  const [{ above, value, behind }] = items as [Item]
  return `${[...above, print(value, '', 0) + behind, ...below].join('\n')}\n`
}

/** The items up to the closing bracket. */
function readItems(tokens: Iterator<string>, closing: string): Pick<Container, 'items' | 'below'> {
  const items: Item[] = []
  let above: string[] = []
  let key: string | undefined
  /** Whether the line on which the last item ends goes on. */
  let sameLine = false
  const add = (value: Value) => {
    items.push({ above, ...(key !== undefined && { key }), value, behind: '' })
    above = []
    key = undefined
    sameLine = true
  }
  for (let next = tokens.next(); !next.done && next.value !== closing; next = tokens.next()) {
    const token = next.value
    const last = items.at(-1)
    if (token === ':' || token === ',') continue
    if (token === '{') add({ brackets: '{}', ...readItems(tokens, '}') })
    else if (token === '[') add({ brackets: '[]', ...readItems(tokens, ']') })
    else if (token.startsWith('/')) {
      if (sameLine && last !== undefined) last.behind += ` ${token.trimEnd()}`
      else above.push(token.trimEnd())
    } else if (token.trim() === '') {
      sameLine &&= !token.includes('\n')
      const isBlankLine = /\n\s*\n/.test(token) && key === undefined && last !== undefined
      if (isBlankLine && above.at(-1) !== '') above.push('')
    } else if (closing === '}' && key === undefined) {
      key = token
      sameLine = false
    } else add(token)
  }
  return { items, below: above }
}

function print(value: Value, indent: string, column: number): string {
  if (typeof value === 'string') return value
  const { brackets, items, below } = value
  const [open, close] = brackets
  const isPlain = items.every(
    ({ above, value, behind }) => typeof value === 'string' && behind === '' && above.every(line => line === ''),
  )
  if (isPlain && below.every(line => line === '')) {
    const inside = items.map(({ key, value }) => (key === undefined ? value : `${key}: ${value}`)).join(', ')
    const flat = brackets === '[]' || inside === '' ? `${open}${inside}${close}` : `{ ${inside} }`
    if (items.length === 0 || column + flat.length < maxWidth) return flat
  }
  const inner = `${indent}  `
  const lines = items.flatMap(({ above, key, value, behind }, i) => {
    const said = key === undefined ? inner : `${inner}${key}: `
    const comma = i < items.length - 1 ? ',' : ''
    return [...above.map(line => line && inner + line), `${said}${print(value, inner, said.length)}${comma}${behind}`]
  })
  const end = below.filter(line => line !== '').map(line => inner + line)
  return [open, ...lines, ...end, indent + close].join('\n')
}
