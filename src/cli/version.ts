import { readFileSync } from 'node:fs'

/** podwire's own. */
export const version: string = JSON.parse(
  readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
).version
