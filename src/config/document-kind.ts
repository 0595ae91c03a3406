// What a configuration is, found by its text and not by its name: INI, or JSON of one interface or of a network.

import { parseJsonc } from './jsonc.ts'

export type DocumentKind = 'interface-ini' | 'interface-json' | 'network'

/** Whatever begins a value or a comment of JSON, and no line of INI; a network's document has the key "network" in it. */
export function documentKind(text: string): DocumentKind {
  if (!/^\s*([{"]|\/[/*]|\[\s*[\]{["]|null\b)/.test(text)) return 'interface-ini'
  try {
    const { value } = parseJsonc(text, 'document')
    return typeof value === 'object' && value !== null && 'network' in value ? 'network' : 'interface-json'
  } catch {
    return 'interface-json' // its parser will say what is wrong
  }
}
