// `podwire leave`: takes this host out of a network, and the network off this host.

import type { Command } from 'commander'
import { podwireError } from '../base/errors.ts'

export function define(command: Command): void {
  command
    .argument('<network>', 'name of the network')
    .option('--force', 'go on when the store does not answer: the record there stays')
    .addHelpText(
      'after',
      `
It removes this node from the store for good (its key counts no more, whoever has it), stops the agent, removes the device, its routes
and the firewall's table, and at last settings and keys. Forwarding stays on. A run that was killed is finished by the next.

Examples:
  podwire leave prod
  podwire leave --force prod`,
    )
    .action(async (network: string, { force = false }: { force?: boolean }) => {
      const [{ leaveNetwork }, { readSettings }, { disableUnit, hasSystemd }] = await Promise.all([
        import('../agent/leave.ts'),
        import('../agent/settings.ts'),
        import('../system/systemd.ts'),
      ])
      const settings = await readSettings(network)
      if (settings === undefined) throw podwireError('ERR_PODWIRE_NOT_JOINED', { what: `the network ${network}` })
      const unit = `podwire@${network}.service`
      const stopAgent = async () => {
        if (!hasSystemd()) return
        await disableUnit(unit)
        console.log(`agent: the unit ${unit} is stopped, and starts no more`)
      }
      await leaveNetwork({ settings, force, stopAgent, say: console.log })
      console.log(`This host has left the network ${network}.`)
    })
}
