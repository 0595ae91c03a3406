// `podwire status [NETWORK]`: what the agents of this host say of themselves.

import type { Command } from 'commander'
import type { AgentStatus } from '../agent/agent-report.ts'
import { podwireError } from '../base/errors.ts'
import { printable } from './printable.ts'

export function define(command: Command): void {
  command
    .argument('[network]', 'its name; absent: all of this host')
    .option('--json', 'as JSON; its schema is schema/status.json')
    .addHelpText(
      'after',
      `
It asks the agents by their sockets in /run/podwire, as root. Exit status: 0 all answer and are in their place, 1 one does not, or is not.

Examples:
  podwire status
  podwire status prod --json | jq '.agents[].peers'`,
    )
    .action(async (network: string | undefined, { json }: { json?: true }) => {
      const [{ agentNetworks, requestStatus }, { joinedNetworks }] = await Promise.all([
        import('../agent/status-socket.ts'),
        import('../agent/settings.ts'),
      ])
      const known = [...new Set([...(await joinedNetworks()), ...(await agentNetworks())])].sort()
      const names = network === undefined ? known : [network]
      if (names.length === 0) throw podwireError('ERR_PODWIRE_NOT_JOINED', { what: 'any network' })
      const answers = await Promise.allSettled(names.map(requestStatus))
      const agents = answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []))
      if (json) console.log(JSON.stringify({ agents }, undefined, 2))
      else if (agents.length > 0) console.log(agents.map(formatStatus).join('\n\n'))
      if (agents.some(({ round }) => round.at === undefined || round.failure !== undefined)) process.exitCode = 1
      const silent = answers.find(answer => answer.status === 'rejected')
      if (silent !== undefined) throw silent.reason
    })
}

const storeWords = { starting: 'not read yet, since', inSync: 'in sync since', lost: 'lost since' } as const

export function formatStatus(status: AgentStatus): string {
  const { network, node, pid, startedAt, store, prefixes, device, peers, round, problems, unreadable } = status
  const link =
    device.problem ??
    `${device.up ? 'up' : 'down'}, MTU ${device.mtuBytes ?? 'unknown'}, ${peers.count} peers, ${peers.withSession} with a session`
  const applied = round.at === undefined ? 'nothing yet' : `at ${round.at}`
  const leftOut = [...problems.map(problem => `node ${problem.node}: ${problem.reason}`), ...unreadable]
  const rows: [title: string, text: string][] = [
    ['agent', `process ${pid}, since ${startedAt}`],
    ['store', `${store.address}, ${storeWords[store.state]} ${store.since}${store.reason ? `: ${store.reason}` : ''}`],
    ['prefixes', prefixes.join(' ') || 'none yet'],
    ['nodes', `${peers.nodes} others`],
    ['device', `${device.name}: ${link}`],
    ['applied', round.failure === undefined ? applied : `failed ${applied}: ${round.failure}`],
    ...leftOut.map((text, i): [string, string] => [i === 0 ? 'left out' : '', text]),
  ]
  return printable(
    [`${network}, as ${node}`, ...rows.map(([title, text]) => `  ${title.padEnd(10)}${text}`)].join('\n'),
  )
}
