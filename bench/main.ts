// `npm run bench -- device [--quick] [--only PART,…] [--rounds N] [--seconds S]`: benchmarks against the alternatives, side
// by side in one run.

import { parseArgs } from 'node:util'
import { benchDevice, type DeviceBenchOptions } from './device.ts'

const benchmarks: Record<string, (options: DeviceBenchOptions) => Promise<void>> = { device: benchDevice }

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
  },
})
const { quick, only, rounds, seconds } = values
const run = benchmarks[positionals[0] ?? '']
if (run === undefined) {
  console.error(
    `usage: npm run bench -- ${Object.keys(benchmarks).join('|')} [--quick] [--only PART,…] [--rounds N] [--seconds S]`,
  )
  process.exitCode = 2
} else {
  await run({
    quick,
    ...(only !== undefined && { only }),
    ...(rounds !== undefined && { rounds: Number(rounds) }),
    ...(seconds !== undefined && { seconds: Number(seconds) }),
  })
}
