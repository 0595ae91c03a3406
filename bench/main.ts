// `npm run bench -- device …`: benchmarks against the alternatives, side by side in one run.

import { parseArgs } from 'node:util'
import { benchDevice, type DeviceBenchOptions, parts } from './device.ts'

const usage = `usage: npm run bench -- device [--quick] [--only PART,…] [--rounds N] [--seconds S]

Userspace WireGuard devices, side by side. A whole run takes 25 minutes and is written to bench/results/.
  --quick        less of everything, in three minutes; written to bench/results/quick/
  --only PART,…  ${parts.join(', ')}; printed only
  --rounds N     how often each device is measured
  --seconds S    how long each time`

const options = {
  help: { type: 'boolean', short: 'h' },
  quick: { type: 'boolean', default: false },
  only: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
} as const

/** What is asked for; undefined for help. Errors say what is wrong with the command line. */
function parseCommandLine(): DeviceBenchOptions | undefined {
  const { values, positionals } = parseArgs({ allowPositionals: true, options })
  const { help, quick, only, rounds, seconds } = values
  if (help) return undefined
  if (positionals.join(' ') !== 'device') throw new Error(`there is no benchmark "${positionals.join(' ')}"`)
  const chosen = only?.split(',')
  const unknown = chosen?.find(part => !parts.includes(part))
  if (unknown !== undefined) throw new Error(`there is no part "${unknown}"`)
  return {
    quick,
    ...(chosen !== undefined && { only: chosen }),
    ...(rounds !== undefined && { rounds: parseCount('--rounds', rounds) }),
    ...(seconds !== undefined && { seconds: parseCount('--seconds', seconds) }),
  }
}

function parseCount(option: string, text: string): number {
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text)
  throw new Error(`${option} is a number from 1 to 999`)
}

let asked: DeviceBenchOptions | undefined
try {
  asked = parseCommandLine()
  if (asked === undefined) console.log(usage)
} catch (error) {
  console.error(`bench: ${(error as Error).message}\n\n${usage}`)
  process.exitCode = 2
}
if (asked !== undefined) await benchDevice(asked)
