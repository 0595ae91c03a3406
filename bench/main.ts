// `npm run bench -- device [--quick] [--only PART,…] [--rounds N] [--seconds S]`: benchmarks against the alternatives, side
// by side in one run. `-- soak [--minutes M]`: an hour of everything at once. `-- aead`: the cipher beside libraries.

import { parseArgs } from 'node:util'
import { benchAead } from './aead.ts'
import { benchDevice, type DeviceBenchOptions } from './device.ts'
import { benchSoak, type SoakOptions } from './soak.ts'

const benchmarks: Record<string, (options: DeviceBenchOptions & SoakOptions) => Promise<void>> = {
  device: benchDevice,
  soak: benchSoak,
  aead: benchAead,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    minutes: { type: 'string' },
  },
})
const { quick, only, rounds, seconds, minutes } = values
const run = benchmarks[positionals[0] ?? '']
if (run === undefined) {
  console.error(
    'usage: npm run bench -- device [--quick] [--only PART,…] [--rounds N] [--seconds S], soak [--minutes M], or aead',
  )
  process.exitCode = 2
} else {
  await run({
    quick,
    ...(only !== undefined && { only }),
    ...(rounds !== undefined && { rounds: Number(rounds) }),
    ...(seconds !== undefined && { seconds: Number(seconds) }),
    ...(minutes !== undefined && { minutes: Number(minutes) }),
  })
}
