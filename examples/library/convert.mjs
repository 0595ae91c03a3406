// A wg-quick file as JSON: run by a program instead of `podwire config convert`.
//   node convert.mjs wg0.conf

import { readFileSync } from 'node:fs'
import { formatInterfaceJson, parseInterfaceIni } from 'podwire/config'

const [file = 'wg0.conf'] = process.argv.slice(2)
const config = parseInterfaceIni(readFileSync(file, 'utf8'), file, warning => console.error(warning))
process.stdout.write(formatInterfaceJson(config))
