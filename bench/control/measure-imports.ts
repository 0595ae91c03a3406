// What the agent's memory is made of: a process imports one module after the other, as the agent's does, and says after each, when
// it has collected, how much more it takes.

import { exec } from '../../src/base/exec.ts'
import { root } from '../device/programs.ts'
import { quantile } from '../device/samples.ts'
import type { ImportCost } from './result.ts'

/** Packages by their names, the rest by their places in build/src; each brings what it imports and is not there yet. */
const modules: readonly [title: string, specifier: string][] = [
  ['commander', 'commander'],
  ['the command line', 'cli/agent.js'],
  ['pino', 'pino'],
  ['the addon', 'native/engine.js'],
  ['@noble/hashes', '@noble/hashes/blake2.js'],
  ['WireGuard: keys, UAPI, the kernel', 'wireguard/devices.js'],
  ['the plan', 'plan/plan.js'],
  ['the agent', 'agent/agent.js'],
  ['the file store', 'store/file-store.js'],
]

const program = `
const specifiers = JSON.parse(process.argv[1])
const residentMb = () => {
  for (let i = 0; i < 4; i++) gc()
  return process.memoryUsage.rss() / 1e6
}
const said = [residentMb()]
for (const specifier of specifiers) {
  await import(specifier)
  said.push(residentMb())
}
console.log(JSON.stringify(said))
`

export async function measureImports(rounds: number): Promise<ImportCost[]> {
  const specifiers = modules.map(([, name]) =>
    name.endsWith('.js') && !name.startsWith('@') ? `${root}build/src/${name}` : name,
  )
  const runs: number[][] = []
  for (let round = 0; round < rounds; round++) {
    const flags = ['--expose-gc', '--input-type=module', '--eval', program]
    const { stdout } = await exec([process.execPath, ...flags, '--', JSON.stringify(specifiers)])
    runs.push(JSON.parse(stdout))
  }
  return ['Node.js', ...modules.map(([title]) => title)].map((module, i) => {
    const added = runs.map(said => (said[i] ?? Number.NaN) - (i === 0 ? 0 : (said[i - 1] ?? Number.NaN)))
    return { module, mb: Number(quantile(added, 0.5).toFixed(1)) }
  })
}
