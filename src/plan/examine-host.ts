// What a machine lacks for podwire, and what to do about it: pure, so that each finding is a line of a table.
//
//   facts --examineHost--> findings: ok, note (it works, but not all of it) or problem (it does not)
//
// Whether others reach it is examine-reach.ts.

import type { HostFacts } from '../model/host-facts.ts'
import { address, firewall, peers, port } from './examine-reach.ts'
import { type Finding, note, ok, problem } from './finding.ts'

export interface Examination {
  /** What `podwire quick` takes for a device here; absent: none can be made. */
  readonly backend?: 'kernel' | 'userspace'
  readonly findings: readonly Finding[]
}

/** Outer IPv6, UDP and WireGuard headers; and the least that IPv6 allows a link. */
const [overheadBytes, minMtuBytes] = [80, 1280]
/** Linux has had WireGuard since then. */
const [wireguardMajor, wireguardMinor] = [5, 6]

/** Everything that was looked at, in the order in which to mend it. */
export function examineHost(facts: HostFacts): Examination {
  const backend = facts.kernelWireguard !== 'none' ? 'kernel' : facts.tun.ok ? 'userspace' : undefined
  const looks = [
    capabilities,
    kernel,
    tun,
    backendChosen,
    tools,
    nftables,
    forwarding,
    forward,
    clock,
    mtu,
    port,
    firewall,
    address,
    peers,
  ]
  return { ...(backend !== undefined && { backend }), findings: looks.map(look => look(facts)) }
}

function capabilities({ missingCapabilities: missing }: HostFacts): Finding {
  if (missing.length === 0) return ok('capabilities', 'all that a node needs')
  const hint = 'Run it as root, or give the container these capabilities (--cap-add).'
  return problem('capabilities', `missing: ${missing.join(', ')}`, hint)
}

function kernel({ kernelWireguard, kernelRelease, hasModuleList }: HostFacts): Finding {
  switch (kernelWireguard) {
    case 'there':
      return ok('kernel', `Linux ${kernelRelease} has WireGuard`)
    case 'module':
      return ok('kernel', `Linux ${kernelRelease} has WireGuard as a module, loaded when it is needed`)
    case 'none':
      return note('kernel', `Linux ${kernelRelease} has no WireGuard`, howToGetKernel(kernelRelease, hasModuleList))
  }
}

function howToGetKernel(release: string, hasModuleList: boolean): string {
  const [major = 0, minor = 0] = release.split('.').map(part => Number.parseInt(part, 10))
  if (major < wireguardMajor || (major === wireguardMajor && minor < wireguardMinor)) {
    return `It came with Linux ${wireguardMajor}.${wireguardMinor}: install a newer kernel, or \`apt-get install wireguard-dkms\`.`
  }
  if (hasModuleList)
    return 'Install a kernel that has the module (apt-get install linux-image-$(dpkg --print-architecture)) and start it.'
  return `/lib/modules/${release} is not here: in a container, run \`modprobe wireguard\` on its host; elsewhere, start the kernel that is installed.`
}

function tun({ tun: found, kernelWireguard }: HostFacts): Finding {
  if (found.ok) return ok('tun', '/dev/net/tun can be opened')
  const says = `/dev/net/tun cannot be opened: ${found.reason}`
  const hint = 'Load the module with `modprobe tun`, or pass the device into the container (--device /dev/net/tun).'
  if (kernelWireguard === 'none') return problem('tun', says, hint)
  return note('tun', `${says} (only podwire's own device needs it)`, hint)
}

/** Of `podwire quick`; the agent has but one. */
function backendChosen({ kernelWireguard, tun: { ok: hasTun } }: HostFacts): Finding {
  const agent = 'podwire agent always has a device of podwire’s own'
  if (kernelWireguard === 'none') {
    const says = `podwire’s own device, in userspace: the kernel has none, so that \`--backend kernel\` fails; ${agent}`
    if (hasTun) return ok('backend', says)
    return problem(
      'backend',
      'no device can be made: the kernel has none, and podwire’s own needs a TUN',
      'See kernel and tun above: one of the two is enough.',
    )
  }
  const says = 'the kernel’s device: it is taken where there is one'
  if (hasTun)
    return ok('backend', `${says}; \`podwire quick up --backend userspace\` takes podwire’s own, and ${agent}`)
  return note('backend', `${says}; \`--backend userspace\` fails without a TUN, and ${agent}`, 'See tun above.')
}

function tools({ missingTools: missing }: HostFacts): Finding {
  if (missing.length === 0) return ok('tools', 'all programs that podwire calls are there')
  const packages = [...new Set(missing.map(each => each.package))].join(' ')
  const names = missing.map(({ tool, onlyFor }) => (onlyFor === undefined ? tool : `${tool} (only for ${onlyFor})`))
  const state = missing.every(({ onlyFor }) => onlyFor !== undefined) ? note : problem
  return state('tools', `not found: ${names.join(', ')}`, `apt-get install ${packages}`)
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

function forward({ forwardChains: chains }: HostFacts): Finding {
  if (chains === undefined)
    return note('forward', 'whether rules drop what is forwarded could not be seen', 'Run it as root.')
  const closed = chains.filter(({ isOpen }) => !isOpen)
  if (closed.length === 0) return ok('forward', 'no rule of others drops what is forwarded for containers')
  const names = closed.map(({ name, by }) => (by === undefined ? name : `${name} (${by})`)).join(', ')
  const says = `what is forwarded is dropped unless a rule accepts it: ${names}`
  return note(
    'forward',
    says,
    'The agent inserts accepts for containers with --accept-forward (podwire join, podwire agent).',
  )
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
