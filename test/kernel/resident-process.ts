// The other end of resident.ts: runs one command line after the other, and answers with what it printed and its exit status.

import { spawnSync } from 'node:child_process'
import { Command } from 'commander'
import { PodwireError } from '../../src/base/errors.ts'
import { define } from '../../src/cli/quick.ts'
import { runWg } from '../../src/cli/wg/main.ts'

export interface Request {
  readonly command: readonly [string, ...string[]]
  readonly folder: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly input: string
}

const written = { stdout: '', stderr: '' }
for (const name of ['stdout', 'stderr'] as const) {
  process[name].write = (text: string | Uint8Array) => {
    written[name] += text
    return true
  }
}

process.on('message', async ({ command: [program, ...args], folder, env, input }: Request) => {
  if (program !== 'podwire') {
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, env, input, encoding: 'utf8' })
    process.send?.({ status, stdout, stderr })
    return
  }
  Object.assign(written, { stdout: '', stderr: '' })
  process.env = { ...env }
  process.chdir(folder)
  const status = await runPodwire(args)
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.removeAllListeners(signal)
  process.send?.({ status, ...written })
})
process.send?.('ready')

/** `podwire quick` is the one command but `wg` that is asked for. */
async function runPodwire([command, ...args]: readonly string[]): Promise<number> {
  if (command === 'wg') return runWg(args, 'wg')
  const quick = new Command('quick')
  define(quick)
  try {
    await quick.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    process.stderr.write(`${error instanceof PodwireError ? `${error.message}\n  ${error.hint}` : error}\n`)
    return error instanceof PodwireError ? error.exitStatus : 1
  }
}
