// The INI of wg(8) and wg-quick(8) as lines, losing nothing: sections, keys (which repeat), comments, blank lines, in order.
// What the lines mean is in interface-ini.ts. As with both programs, "#" begins a comment wherever it stands.

import { podwireError } from '../base/errors.ts'

export type IniLine = (
  | { readonly kind: 'blank' }
  | { readonly kind: 'comment' }
  /** "[Peer]" is the section "Peer". */
  | { readonly kind: 'section'; readonly name: string }
  | { readonly kind: 'entry'; readonly key: string; readonly value: string; readonly valueColumn: number }
) & {
  /** From 1. */
  readonly line: number
  /** Where the section's or the key's text begins, from 1. */
  readonly column: number
  /** What follows "#", without the space behind it. */
  readonly comment?: string
}

/** Reads the lines of a file. Error: ERR_PODWIRE_DOCUMENT, with line and column. */
export function parseIni(text: string, file: string): IniLine[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line, i) => parseLine(line, i + 1, file))
}

function parseLine(text: string, line: number, file: string): IniLine {
  const hash = text.indexOf('#')
  const said = hash < 0 ? text : text.slice(0, hash)
  const column = said.length - said.trimStart().length + 1
  const place = {
    line,
    column,
    ...(hash >= 0 && {
      comment: text
        .slice(hash + 1)
        .replace(/^ /, '')
        .trimEnd(),
    }),
  }
  const fail = (reason: string, at = column) => iniError(file, line, at, reason)

  const nul = text.indexOf('\0')
  if (nul >= 0) throw fail('there is a NUL character: this is no text, or UTF-16; save it as UTF-8', nul + 1)
  const words = said.trim()
  if (words === '') return { kind: hash < 0 ? 'blank' : 'comment', ...place }
  if (words.startsWith('[')) {
    const [, name] = /^\[([^[\]]*)\]$/.exec(words) ?? []
    if (name === undefined) throw fail('a section is written [Interface] or [Peer], alone on its line')
    return { kind: 'section', name, ...place }
  }
  const equals = said.indexOf('=')
  const key = said.slice(0, equals).trim()
  if (equals < 0 || key === '') throw fail('expected Key = value')
  const rest = said.slice(equals + 1)
  const valueColumn = equals + 2 + rest.length - rest.trimStart().length
  return { kind: 'entry', key, value: rest.trim(), valueColumn, ...place }
}

/** The error that says what is wrong at a place: ERR_PODWIRE_DOCUMENT. */
export function iniError(file: string, line: number, column: number, reason: string): Error {
  return podwireError('ERR_PODWIRE_DOCUMENT', { file, path: `line ${line}, column ${column}`, reason })
}

/**
 * The lines as a text that parseIni reads as the same lines: one space around "=", nothing before keys and sections, no
 * more than one blank line at a time and none at either end.
 */
export function formatIni(lines: readonly IniLine[]): string {
  const texts = lines.map(formatLine)
  const spaced = texts.filter((text, i) => text !== '' || (i > 0 && texts[i - 1] !== ''))
  if (spaced.at(-1) === '') spaced.pop()
  return spaced.map(text => `${text}\n`).join('')
}

function formatLine(line: IniLine): string {
  const comment = line.comment === undefined ? '' : formatComment(line.comment)
  if (line.kind === 'blank' || line.kind === 'comment') return comment
  const said = line.kind === 'section' ? `[${line.name}]` : `${line.key} = ${line.value}`.trimEnd()
  return comment === '' ? said : `${said} ${comment}`
}

/** "##" and a bare "#" stay as they are. */
export function formatComment(text: string): string {
  return text === '' || text.startsWith('#') ? `#${text}` : `# ${text}`
}
