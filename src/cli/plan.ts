// `podwire plan --dry-run`: prints what the agent would change on this host, and changes nothing.

import type { Command } from 'commander'
import { podwireError } from '../base/errors.ts'
import { describeChange } from '../plan/describe-change.ts'
import { defineNodeFlags, type NodeFlags, readNodeOptions } from './agent.ts'

export function define(command: Command): void {
  defineNodeFlags(command)
    .option('--dry-run', 'change nothing (there is no other way yet: the agent is what changes)')
    .option('--json', 'as JSON: the state wanted, the changes, and the records left out')
    .addHelpText(
      'after',
      `
Examples:
  podwire plan --dry-run prod
  podwire plan --dry-run --store file:/srv/podwire --name a
  podwire plan --dry-run --store file:/srv/podwire --name a --json`,
    )
    .action(async (network: string | undefined, flags: NodeFlags & { dryRun?: true; json?: true }) => {
      if (!flags.dryRun) {
        throw podwireError('ERR_PODWIRE_USAGE', { what: 'podwire plan only prints: say --dry-run', command: 'plan' })
      }
      const options = await readNodeOptions(network, flags, 'plan')
      const { previewHost } = await import('../agent/preview.ts')
      const { desired, first, changes, problems, unreadable } = await previewHost(options)
      if (flags.json) {
        const { publicKey: _, ...device } = desired.device
        console.log(JSON.stringify({ first, changes, problems, unreadable, desired: { ...desired, device } }, null, 2))
        return
      }
      for (const reason of unreadable) console.log(`left out: ${reason}`)
      for (const { node, reason } of problems) console.log(`left out: node ${node}: ${reason}`)
      const lines = [...first, ...changes.map(describeChange)]
      console.log(lines.length > 0 ? lines.join('\n') : 'Nothing: this host is as it should be.')
    })
}
