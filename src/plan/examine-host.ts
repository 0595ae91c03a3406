// What a machine lacks for podwire, and what to do about it: pure, so that each finding is a line of a table.
//
//   facts --examineHost--> findings: ok, note (it works, but not all of it) or problem (it does not)

import type { HostFacts } from '../model/host-facts.ts'

export interface Finding {
  /** A word that stays the same between versions. */
  readonly name: string
  readonly state: 'ok' | 'note' | 'problem'
  /** What was found. */
  readonly says: string
  /** What to do, unless all is well. */
  readonly hint?: string
}

export interface Examination {
  /** What `podwire` takes for a device here; absent: none can be made. */
  readonly backend?: 'kernel' | 'userspace'
  readonly findings: readonly Finding[]
}

/** Outer IPv6, UDP and WireGuard headers; and the least that IPv6 allows a link. */
const [overheadBytes, minMtuBytes] = [80, 1280]

/** Everything that was looked at, in the order in which to mend it. */
export function examineHost(facts: HostFacts): Examination {
  const hasKernel = facts.kernelWireguard !== 'none'
  const backend = hasKernel ? 'kernel' : facts.tun.ok ? 'userspace' : undefined
  return {
    ...(backend !== undefined && { backend }),
    findings: [
      capabilities(facts),
      kernel(facts),
      tun(facts, hasKernel),
      tools(facts),
      nftables(facts),
      forwarding(facts),
      clock(facts),
      mtu(facts),
      port(facts),
    ],
  }
}

const ok = (name: string, says: string): Finding => ({ name, state: 'ok', says })
const note = (name: string, says: string, hint: string): Finding => ({ name, state: 'note', says, hint })
const problem = (name: string, says: string, hint: string): Finding => ({ name, state: 'problem', says, hint })

function capabilities({ missingCapabilities: missing }: HostFacts): Finding {
  if (missing.length === 0) return ok('capabilities', 'all that a node needs')
  const hint = 'Run it as root, or give the container these capabilities (--cap-add).'
  return problem('capabilities', `missing: ${missing.join(', ')}`, hint)
}

function kernel({ kernelWireguard, kernelRelease }: HostFacts): Finding {
  switch (kernelWireguard) {
    case 'there':
      return ok('kernel', `Linux ${kernelRelease} has WireGuard`)
    case 'module':
      return ok('kernel', `Linux ${kernelRelease} has WireGuard as a module, loaded when it is needed`)
    case 'none': {
      const says = `Linux ${kernelRelease} has no WireGuard: podwire uses its own device`
      return note('kernel', says, 'Nothing needs to be done; a kernel with CONFIG_WIREGUARD saves a process.')
    }
  }
}

function tun({ tun: found }: HostFacts, hasKernel: boolean): Finding {
  if (found.ok) return ok('tun', '/dev/net/tun can be opened')
  const says = `/dev/net/tun cannot be opened: ${found.reason}`
  const hint = 'Load the module with `modprobe tun`, or pass the device into the container (--device /dev/net/tun).'
  return hasKernel ? note('tun', `${says} (only podwire's own device needs it)`, hint) : problem('tun', says, hint)
}

function tools({ missingTools: missing }: HostFacts): Finding {
  if (missing.length === 0) return ok('tools', 'all programs that podwire calls are there')
  const packages = [...new Set(missing.map(each => each.package))].join(' ')
  return problem('tools', `not found: ${missing.map(({ tool }) => tool).join(', ')}`, `apt-get install ${packages}`)
}

function nftables({ nftables: found }: HostFacts): Finding {
  if (found.ok) return ok('nftables', 'rules can be read')
  const hint = 'The rules that keep traffic from leaving in clear need it: load the module with `modprobe nf_tables`.'
  return problem('nftables', `rules cannot be read: ${found.reason}`, hint)
}

function forwarding({ forwarding: { ipv4, ipv6 } }: HostFacts): Finding {
  const off = [ipv4 === false && 'net.ipv4.ip_forward', ipv6 === false && 'net.ipv6.conf.all.forwarding'].filter(
    Boolean,
  )
  if (off.length === 0) return ok('forwarding', 'the host forwards')
  const hint = `The agent switches it on; for wg-quick alone: sysctl -w ${off.map(name => `${name}=1`).join(' ')}`
  return note('forwarding', `off: ${off.join(', ')}; containers, and networks behind this host, need it`, hint)
}

function clock({ clock: { nowMs, notBeforeMs, synchronised } }: HostFacts): Finding {
  const now = new Date(nowMs).toISOString()
  if (nowMs < notBeforeMs) {
    const says = `it is ${now} here, which is before podwire was installed`
    return problem('clock', says, 'Set it: peers refuse a handshake that says an earlier time than the last one.')
  }
  if (synchronised === false) {
    const hint = 'Switch on a time service (systemd-timesyncd, chrony): a clock that goes back stops handshakes.'
    return note('clock', `${now}, and no service keeps it`, hint)
  }
  return ok('clock', synchronised ? `${now}, kept by a service` : now)
}

function mtu({ underlayMtuBytes }: HostFacts): Finding {
  const inner = underlayMtuBytes - overheadBytes
  if (inner >= minMtuBytes) return ok('mtu', `${underlayMtuBytes} on the way out, ${inner} in a tunnel`)
  const says = `${underlayMtuBytes} on the way out leaves ${inner} in a tunnel, and IPv6 needs ${minMtuBytes}`
  return problem('mtu', says, `Raise the MTU of the link to ${minMtuBytes + overheadBytes} or more.`)
}

function port({ port: { number, held, closed } }: HostFacts): Finding {
  if (held === 'other') {
    return problem('port', `UDP port ${number} is used by another program`, 'Choose another with --listen-port.')
  }
  const says = `UDP port ${number} is ${held === 'free' ? 'free' : 'a WireGuard device’s'}`
  if (!closed) return ok('port', says)
  const hint = `Let it in: nft add rule inet filter input udp dport ${number} accept (a host that only calls out needs nothing).`
  return note('port', `${says}; the firewall drops what comes in, and no rule of it names the port`, hint)
}
