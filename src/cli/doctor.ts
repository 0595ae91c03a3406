// `podwire doctor`: what this machine lacks for podwire, and what to do about it. Looks only.

import type { Command } from 'commander'
import { podwireError } from '../base/errors.ts'
import type { Examination, Finding } from '../plan/examine-host.ts'

export function define(command: Command): void {
  command
    .option('--listen-port <port>', 'UDP port that the device is to have', '51820')
    .option('--json', 'as JSON; its schema is schema/doctor.json')
    .addHelpText(
      'after',
      `
It looks at capabilities, the kernel's WireGuard, /dev/net/tun, programs, nftables, forwarding, the clock, the MTU and the
UDP port, and changes nothing. Exit status: 0 podwire works here, 3 something is missing.

Examples:
  podwire doctor
  podwire doctor --listen-port 51821 --json`,
    )
    .action(async ({ listenPort, json }: { listenPort: string; json?: true }) => {
      const port = Number(listenPort)
      if (!/^\d{1,5}$/.test(listenPort) || port < 1 || port > 65535) {
        const what = '--listen-port is a number from 1 to 65535'
        throw podwireError('ERR_PODWIRE_USAGE', { what, command: 'doctor' })
      }
      const examination = await examine(port)
      console.log(json ? JSON.stringify(examination, null, 2) : doctorText(examination))
      if (examination.findings.some(({ state }) => state === 'problem')) process.exitCode = 3
    })
}

async function examine(port: number): Promise<Examination> {
  const [{ observeUnderlay }, { openLinks }, { observeHostFacts }, { examineHost }, { devicePorts }] =
    await Promise.all([
      import('../agent/underlay.ts'),
      import('../native/link.ts'),
      import('../system/host-facts.ts'),
      import('../plan/examine-host.ts'),
      import('./device-ports.ts'),
    ])
  const links = openLinks()
  try {
    const tunnels = new Set(links.links().flatMap(({ name, kind }) => (isTunnel(kind) ? [name] : [])))
    const { mtuBytes } = observeUnderlay(links, [], link => tunnels.has(link))
    return examineHost(await observeHostFacts({ port, devicePorts: await devicePorts(), underlayMtuBytes: mtuBytes }))
  } finally {
    links.close()
  }
}

const isTunnel = (kind: string | undefined): boolean => kind === 'wireguard' || kind === 'tun'

const marks: Record<Finding['state'], string> = { ok: 'ok', note: 'note', problem: 'PROBLEM' }

export function doctorText({ backend, findings }: Examination): string {
  const lines = findings.flatMap(({ name, state, says, hint }) => [
    `${marks[state].padEnd(7)}  ${name.padEnd(12)}  ${says}`,
    ...(hint === undefined ? [] : [`${' '.repeat(23)}${hint}`]),
  ])
  const devices = {
    kernel: 'Devices here are the kernel’s.',
    userspace: 'Devices here are podwire’s own, in userspace.',
    none: 'No device can be made here.',
  }
  return [...lines, '', devices[backend ?? 'none']].join('\n')
}
