// `podwire doctor`: what this machine lacks for podwire, and what to do about it. Looks only.

import type { Command } from 'commander'
import type { Examination } from '../plan/examine-host.ts'
import type { Finding } from '../plan/finding.ts'
import { parsePort } from './node-flags.ts'

const usualPort = 51820

export function define(command: Command): void {
  command
    .option('--listen-port <port>', 'UDP port that the device is to have (that of a device that is there, else 51820)')
    .option('--json', 'as JSON; its schema is schema/doctor.json')
    .addHelpText(
      'after',
      `
It looks at capabilities, the kernel's WireGuard, /dev/net/tun, programs, nftables, forwarding, the clock and the MTU, and changes
nothing. Exit status: 0 podwire works here, 3 something is missing.

Whether others reach the UDP port, as far as one host can know:
  port      who has it
  firewall  a datagram is sent to a copy of this host's rules, in a network namespace of its own (needs root)
  address   a private one: there is a NAT in front, which has to forward the port
  peers     which have answered. A WireGuard device is silent to all but its peers, so no probe from outside can tell a
            closed port from an open one: to try the way to a host, ping through the tunnel, and run this on both sides.

Examples:
  podwire doctor
  podwire doctor --listen-port 51821 --json`,
    )
    .action(async ({ listenPort, json }: { listenPort?: string; json?: true }) => {
      const examination = await examine(listenPort === undefined ? undefined : parsePort(listenPort, 'doctor'))
      console.log(json ? JSON.stringify(examination, null, 2) : doctorText(examination))
      if (examination.findings.some(({ state }) => state === 'problem')) process.exitCode = 3
    })
}

async function examine(wantedPort: number | undefined): Promise<Examination> {
  const [{ Underlay }, { openLinks }, { observeHostFacts }, { examineHost }, { findDevices }] = [
    await import('../agent/underlay.ts'),
    await import('../native/link.ts'),
    await import('../system/host-facts.ts'),
    await import('../plan/examine-host.ts'),
    await import('./found-devices.ts'),
  ]
  const links = openLinks()
  try {
    const devices = await findDevices(links.links())
    const port = wantedPort ?? (devices.find(({ listenPort }) => listenPort > 0)?.listenPort || usualPort)
    const tunnels = new Set(links.links().flatMap(({ name, kind }) => (isTunnelKind(kind) ? [name] : [])))
    const isTunnel = (link: string) => tunnels.has(link)
    const { mtuBytes } = new Underlay(links, isTunnel).observe()
    return examineHost(await observeHostFacts({ port, links, isTunnel, devices, underlayMtuBytes: mtuBytes }))
  } finally {
    links.close()
  }
}

const isTunnelKind = (kind: string | undefined): boolean => kind === 'wireguard' || kind === 'tun'

const marks: Record<Finding['state'], string> = { ok: 'ok', note: 'note', problem: 'PROBLEM' }

export function doctorText({ findings }: Examination): string {
  const lines = findings.flatMap(({ name, state, says, hint }) => [
    `${marks[state].padEnd(7)}  ${name.padEnd(12)}  ${says}`,
    ...(hint === undefined ? [] : [`${' '.repeat(23)}${hint}`]),
  ])
  return lines.join('\n')
}
