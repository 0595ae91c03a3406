// What a configuration is, found by its text and not by its name: INI, or JSON of one interface or of a network.

import { refusal } from './document-schema.ts'
import { type JsoncDocument, parseJsonc } from './jsonc.ts'

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

/** By the key that only such a document has, at its top. */
const documents = {
  interface: 'the configuration of one interface, which `podwire quick` and `podwire config convert` take',
  network: 'a network document: `podwire config render --node NAME` makes the configuration of one node of it',
  range: "network.json of an agent's store, which `podwire agent` takes",
}

/** Refuses what is plainly a document of another kind than is wanted. Error: ERR_PODWIRE_DOCUMENT. */
export function refuseOtherKind(document: JsoncDocument, wanted: 'interface' | 'network', file: string): void {
  const { value } = document
  if (typeof value !== 'object' || value === null || wanted in value) return
  for (const [key, what] of Object.entries(documents)) {
    if (key in value)
      throw refusal(document, file, [key], `this is ${what}; expected ${documents[wanted].split(/[,:]/)[0]}`)
  }
}
