// Names of nodes and networks. They become file names, label values and words in a log, so they are kept plain.

import { podwireError } from '../base/errors.ts'

const maxLength = 63

/** Returns the text if it can be a node's or a network's name; `where` names the place in the error: ERR_PODWIRE_NAME. */
export function parseName(text: string, where: string): string {
  const fail = (reason: string) => podwireError('ERR_PODWIRE_NAME', { where, text: text.slice(0, 80), reason })
  if (text.length === 0 || text.length > maxLength) throw fail(`a name has 1 to ${maxLength} characters`)
  if (!/^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?$/.test(text)) {
    throw fail('a name begins and ends with a letter or digit and has only letters, digits, "-", "_" and "." between')
  }
  return text
}
