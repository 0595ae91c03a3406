// What is said on a terminal of what somebody else wrote: a control character in it, which could clear the screen or hide a line, is
// shown as its number.

/** The text with control characters other than new lines and tabs as "\x1b". */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, it => `\\x${it.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
