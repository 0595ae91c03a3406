// `npm run bench -- device|control|soak|aead|wg …`: benchmarks; of what there are alternatives to, beside them in one run.

import { parseArgs } from 'node:util'
import { benchAead } from './aead.ts'
import { stores } from './control/store.ts'
import { benchControl, type ControlBenchOptions } from './control.ts'
import { benchDevice, type DeviceBenchOptions, parts } from './device.ts'
import { benchSoak, type SoakOptions } from './soak.ts'
import { benchWg } from './wg.ts'

const usage = `usage: npm run bench -- device [--quick] [--only PART,…] [--rounds N] [--seconds S]
       npm run bench -- control [--quick] [--store FORM]
       npm run bench -- soak [--minutes M]
       npm run bench -- aead
       npm run bench -- wg [--quick] [--rounds N]

device  userspace WireGuard devices, side by side; a whole run takes 25 minutes and is written to bench/results/
  --quick        less of everything, in three minutes; written to bench/results/quick/
  --only PART,…  ${parts.join(', ')}: of a whole run anew
  --rounds N     how often each device is measured
  --seconds S    how long each time
control an agent among 10 to 5,000 nodes in a real store, written to bench/results/; a whole run takes 40 minutes
  --quick        fewer nodes, less of everything; two minutes; written to bench/results/quick/
  --store FORM   ${Object.keys(stores).join(', ')}
soak    everything at once, for an hour or so many minutes
aead    the cipher beside libraries
wg      start and time of \`podwire wg\` beside Debian's wg, with 1,000 peers; two minutes`

const benchmarks: Record<string, (options: DeviceBenchOptions & SoakOptions & ControlBenchOptions) => Promise<void>> = {
  device: benchDevice,
  control: benchControl,
  soak: benchSoak,
  aead: benchAead,
  wg: benchWg,
}

const options = {
  help: { type: 'boolean', short: 'h' },
  quick: { type: 'boolean', default: false },
  only: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  minutes: { type: 'string' },
  store: { type: 'string' },
} as const

/** What to run; undefined for help. Errors say what is wrong with the command line. */
function parseCommandLine(): (() => Promise<void>) | undefined {
  const { values, positionals } = parseArgs({ allowPositionals: true, options })
  const { help, quick, only, rounds, seconds, minutes, store } = values
  if (help) return undefined
  const name = positionals.join(' ')
  const run = benchmarks[name]
  if (run === undefined) throw new Error(`there is no benchmark "${name}"`)
  const chosen = only?.split(',')
  const unknown = chosen?.find(part => !parts.includes(part))
  if (unknown !== undefined) throw new Error(`there is no part "${unknown}"`)
  if (store !== undefined && stores[store] === undefined) throw new Error(`there is no store "${store}"`)
  const asked = {
    quick,
    ...(chosen !== undefined && { only: chosen }),
    ...(rounds !== undefined && { rounds: parseCount('--rounds', rounds) }),
    ...(seconds !== undefined && { seconds: parseCount('--seconds', seconds) }),
    ...(minutes !== undefined && { minutes: Number(minutes) }),
    ...(store !== undefined && { store }),
  }
  return () => run(asked)
}

function parseCount(option: string, text: string): number {
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text)
  throw new Error(`${option} is a number from 1 to 999`)
}

let run: (() => Promise<void>) | undefined
try {
  run = parseCommandLine()
  if (run === undefined) console.log(usage)
} catch (error) {
  console.error(`bench: ${(error as Error).message}\n\n${usage}`)
  process.exitCode = 2
}
await run?.()
