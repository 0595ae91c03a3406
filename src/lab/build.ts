// Makes the parts of a lab: namespaces, links and LANs between them, addresses and routes, rates, NATs, containers.
// Every step is a few commands of iproute2 in one namespace; the caller decides the order.

import { mkdirSync, realpathSync } from 'node:fs'
import { formatAddress, parseCidr } from '../base/cidr.ts'
import { podwireError, reasonOf } from '../base/errors.ts'
import { exec } from '../base/exec.ts'
import type { HostDescription, LabDescription, NetworkDescription } from './description.ts'
import { ending } from './lifetime.ts'
import { hostNamespace, lanNamespace, mountPin, netnsPath, runFolder, sharedFolder } from './names.ts'

/** The command line that runs what follows it in a namespace of a lab, in the same working directory. */
export function enter(lab: string, namespace: string): [string, ...string[]] {
  const spaces = [`--net=${netnsPath(namespace)}`, `--mount=${mountPin(lab, namespace)}`]
  return ['nsenter', ...spaces, '--', 'sh', '-c', 'cd "$1" 2>/dev/null || cd /; shift; exec "$@"', 'lab', process.cwd()]
}

async function ip(namespace: string | undefined, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return
  const where = namespace === undefined ? [] : ['-n', namespace]
  try {
    await exec(['ip', ...where, '-batch', '-'], { input: `${lines.join('\n')}\n`, signal: ending() })
  } catch (error) {
    // Of a batch, ip says only the number of the line that failed.
    const failed = / ended with (status \d+): ([\s\S]*)\nCommand failed -:(\d+)$/.exec(reasonOf(error))
    if (failed === null) throw error
    const [, status = '', output = '', number] = failed
    const command = ['ip', ...where, lines[Number(number) - 1]].join(' ')
    throw podwireError('ERR_PODWIRE_COMMAND_FAILED', { command, status, output }, error)
  }
}

/** Makes namespaces: each with its own network, its own /run (but for the shared folder) and /sys; loopback is up. */
export async function makeNamespaces(lab: string, namespaces: readonly string[]): Promise<void> {
  await ip(
    undefined,
    namespaces.map(namespace => `netns add ${namespace}`),
  )
  await Promise.all(namespaces.map(namespace => makeNamespace(lab, namespace)))
}

async function makeNamespace(lab: string, namespace: string): Promise<void> {
  const run = runFolder(lab, namespace)
  const shared = sharedFolder(lab)
  mkdirSync(`${run}${shared.slice('/run'.length)}`, { recursive: true })
  const pin = mountPin(lab, namespace)
  // /sys shows the network namespace of whoever mounted it. Duplicate-address detection would take seconds.
  const script = `set -e
    touch "$1"
    nsenter --net="$2" unshare --mount="$1" --propagation private sh -c '
      set -e
      mount -t sysfs sysfs /sys
      mount --bind "$3" "$1$4"
      mount --rbind "$1" "$2"
      for scope in all default; do echo 0 >/proc/sys/net/ipv6/conf/$scope/accept_dad; done
      ip link set lo up' sh "$3" "$4" "$5" "$6"`
  const places = [run, realpathSync('/var/run'), shared, shared.slice('/run'.length)]
  await exec(['sh', '-c', script, 'sh', pin, netnsPath(namespace), ...places], { signal: ending() })
}

/** Lets a namespace forward, both families. */
export async function forward(lab: string, namespace: string): Promise<void> {
  const script = 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
  await exec([...enter(lab, namespace), 'sh', '-c', script], { signal: ending() })
}

/** Joins the members of a network: two by a veth pair, otherwise by a bridge in a namespace of its own. */
export async function makeNetwork(
  lab: string,
  network: string,
  members: readonly string[],
  description: NetworkDescription,
) {
  const [a, b] = members.map(member => hostNamespace(lab, member))
  if (members.length === 2 && a !== undefined && b !== undefined) {
    await ip(a, [`link add name ${network} type veth peer name ${network} netns ${b}`])
    await Promise.all([a, b].map(namespace => shape(namespace, network, description)))
    return
  }
  const lan = lanNamespace(lab, network)
  await makeNamespaces(lab, [lan])
  await ip(lan, ['link add _lan type bridge stp_state 0 forward_delay 0 mcast_snooping 0', 'link set _lan up'])
  for (const member of members) await joinLan(lab, network, member, description)
}

/** Joins one host to a LAN that is there. */
export async function joinLan(
  lab: string,
  network: string,
  host: string,
  description: NetworkDescription,
): Promise<void> {
  const lan = lanNamespace(lab, network)
  const namespace = hostNamespace(lab, host)
  await ip(lan, [
    `link add name ${host} type veth peer name ${network} netns ${namespace}`,
    `link set dev ${host} master _lan`,
  ])
  await Promise.all([shape(lan, host, description), shape(namespace, network, description)])
}

/** MTU, rate and up: one end of a veth pair. */
async function shape(namespace: string, link: string, { mtu = 1500, rate }: NetworkDescription): Promise<void> {
  await ip(namespace, [`link set dev ${link} mtu ${mtu} up`])
  if (rate === undefined) return
  // The bucket holds 10 ms, and no less than one of the largest packets.
  const burstBytes = Math.max(bitsPerSecond(rate) / 8 / 100, 1.1 * 65536)
  const filter = ['tbf', 'rate', rate, 'burst', String(Math.ceil(burstBytes)), 'latency', '50ms']
  await exec(['tc', '-n', namespace, 'qdisc', 'add', 'dev', link, 'root', ...filter], { signal: ending() })
}

function bitsPerSecond(rate: string): number {
  const unit = { k: 1e3, m: 1e6, g: 1e9 }[rate.at(-4) ?? ''] ?? 1
  return Number.parseInt(rate, 10) * unit
}

/** Gives a host, whose links are there, its addresses, routes, forwarding and NAT. */
export async function configureHost(lab: string, host: string, description: HostDescription): Promise<void> {
  const { networks = [], gateways = [], routes = [], nat } = description
  const namespace = hostNamespace(lab, host)
  await ip(namespace, [
    ...networks.flatMap(({ network, addresses }) =>
      addresses.map(address => `address add ${address} dev ${network}${address.includes(':') ? ' nodad' : ''}`),
    ),
    ...gateways.map(gateway => `route add default via ${gateway}`),
    ...routes.map(({ to, via }) => `route add ${to} via ${via}`),
  ])
  if (description.forward === true || nat !== undefined) await forward(lab, namespace)
  if (nat !== undefined) {
    await exec([...enter(lab, namespace), 'nft', '-f', '-'], { input: natRules(nat), signal: ending() })
  }
}

/**
 * Rules of a NAT. Both kinds let in from outside only what answers something (address- and port-dependent filtering, RFC 4787
 * section 5). Endpoint-independent: the outer port is a hash of the inner address and port, so all connections of a sender
 * share it. Symmetric: the kernel draws a port for each connection.
 */
function natRules({ kind, towards }: NonNullable<HostDescription['nat']>): string {
  const out = `oifname "${towards}"`
  const hashed = ['ip', 'ip6'].map(
    version =>
      `${out} meta l4proto udp masquerade to :jhash ${version} saddr . udp sport mod 40000 seed 1 offset 20000`,
  )
  return `table inet lab-nat {
      chain forward {
        type filter hook forward priority filter
        iifname "${towards}" ct state new drop
      }
      chain postrouting {
        type nat hook postrouting priority srcnat
        ${kind === 'endpoint-independent' ? hashed.join('\n') : ''}
        ${out} meta l4proto { tcp, udp } masquerade to :1024-65535 fully-random
        ${out} masquerade
      }
    }\n`
}

/** What a container sees as its router: addresses that every host answers to, which no packet ever carries. */
const router = { v4: '169.254.1.1', v6: 'fe80::1' }

/**
 * Hangs a container on a host by a routed veth: "eth0" inside, "pwNAME" on the host. No bridge, no address on the host's
 * side, nobody to be asked for a neighbour: both ends know the other's hardware address for good.
 */
export async function makeContainer(
  lab: string,
  host: string,
  name: string,
  addresses: readonly string[],
): Promise<void> {
  const outside = hostNamespace(lab, host)
  const inside = hostNamespace(lab, `${host}/${name}`)
  const link = `pw${name}`
  const [outsideMac, insideMac] = ['02:00:00:00:00:01', '02:00:00:00:00:02']
  const texts = addresses.map(text => formatAddress(parseCidr(text, 'container address')))
  await makeNamespaces(lab, [inside])
  await forward(lab, outside)
  await ip(outside, [
    `link add name ${link} address ${outsideMac} type veth peer name eth0 address ${insideMac} netns ${inside}`,
  ])
  await ip(inside, [
    'link set eth0 up',
    ...texts.map(text =>
      text.includes(':') ? `address add ${text}/128 dev eth0 nodad` : `address add ${text}/32 dev eth0`,
    ),
    ...[router.v4, router.v6].map(gateway => `neigh add ${gateway} lladdr ${outsideMac} nud permanent dev eth0`),
    `route add default via ${router.v4} dev eth0 onlink`,
    `route add default via ${router.v6} dev eth0`,
  ])
  await ip(outside, [
    `link set dev ${link} up`,
    ...texts.map(text => `neigh add ${text} lladdr ${insideMac} nud permanent dev ${link}`),
    ...texts.map(text => `route add ${text}${text.includes(':') ? '/128' : '/32'} dev ${link}`),
  ])
}

/** What is not in service yet, of the interfaces and addresses of a namespace. */
async function pending(namespace: string): Promise<string[]> {
  const { stdout } = await exec(['ip', '-n', namespace, '-j', 'address', 'show'], { signal: ending() })
  const links: { ifname: string; operstate: string; addr_info: { local?: string; tentative?: boolean }[] }[] =
    JSON.parse(stdout)
  return links
    .filter(link => link.ifname !== 'lo')
    .flatMap(link => [
      ...(link.operstate === 'UP' || link.operstate === 'UNKNOWN' ? [] : [`${link.ifname} is ${link.operstate}`]),
      ...link.addr_info.filter(address => address.tentative).map(address => `${address.local} is tentative`),
    ])
}

/** Waits until every interface of the namespaces is up and every address usable. Error: ERR_PODWIRE_LAB_TIMEOUT. */
export async function waitUntilUp(namespaces: readonly string[]): Promise<void> {
  const deadline = Date.now() + 10_000
  for (const namespace of namespaces) {
    for (;;) {
      const reasons = await pending(namespace)
      if (reasons.length === 0) break
      if (Date.now() > deadline) {
        const values = { seconds: 10, what: `the interfaces of ${namespace}`, reason: reasons.join(', ') }
        throw podwireError('ERR_PODWIRE_LAB_TIMEOUT', values)
      }
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
}

/** The members of each network, in the order of the description. */
export function membersOf({ hosts }: LabDescription, network: string): string[] {
  return Object.entries(hosts).flatMap(([host, { networks = [] }]) =>
    networks.some(membership => membership.network === network) ? [host] : [],
  )
}
