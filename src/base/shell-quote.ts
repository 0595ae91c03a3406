// A word in a line that a shell reads: in a hook that podwire writes, and in the commands that a dry run shows.

export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
