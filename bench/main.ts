// `npm run bench -- NAME [--quick]`: benchmarks against the alternatives, side by side in one run.

import { parseArgs } from 'node:util'
import { benchDevice } from './device.ts'

const benchmarks: Record<string, (options: { quick: boolean }) => Promise<void>> = { device: benchDevice }

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false } },
})
const run = benchmarks[positionals[0] ?? '']
if (run === undefined) {
  console.error(`usage: npm run bench -- ${Object.keys(benchmarks).join('|')} [--quick]`)
  process.exitCode = 2
} else {
  await run(values)
}
