// podwire's command line in a process that stays: to start Node.js takes more than a second in the virtual machine, and the tables of
// test/lab have hundreds of invocations. What is called is what the program calls. Debian's programs are started from there too, which
// spares them two programs that enter the host.
//
//   test ──words, variables──> resident-process.ts, on a host of a lab ──status, standard output and error──> test

import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Lab } from '../../src/lab/lab.ts'
import type { Invocation, Outcome, Runner } from '../lab/wg-tools.ts'
import type { Request } from './resident-process.ts'

/** Starts it on a host. Its invocations follow one another. */
export async function startResident(lab: Lab, host: string): Promise<Runner> {
  const file = fileURLToPath(new URL('./resident-process.js', import.meta.url))
  const child = lab.spawn(host, [process.execPath, file], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  await once(child, 'message')
  return {
    async run(command: readonly [string, ...string[]], { folder, env, input = '' }: Invocation) {
      child.send({ command, folder, env, input } satisfies Request)
      const [outcome] = await once(child, 'message')
      return outcome as Outcome
    },
    async end() {
      const exit = once(child, 'exit')
      child.disconnect()
      await exit
    },
  }
}
