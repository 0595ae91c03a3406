// Gives a network namespace its place in the network: a routed veth pair, "pw…" on the host and the device's name inside, with an
// address of each of the node's prefixes. The kernel is the only record: an address is used while a route leads to it, and all of it
// is gone with the namespace.
//
//   inside: DEVICE, addresses /32 and /128, routes via 169.254.1.1 and fe80::1     host: pw…, a route to each address

import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { podwireError } from '../base/errors.ts'
import { exec } from '../base/exec.ts'
import type { Links } from '../native/link.ts'
import { chooseAddress } from '../plan/choose-address.ts'
import type { Nftables } from '../system/nftables.ts'
import { takeLock } from '../system/process-lock.ts'
import type { Target } from './attach-target.ts'
import type { Place } from './host-files.ts'

/** One namespace's place. */
export interface Attachment {
  /** The interface on the host. */
  readonly link: string
  /** Of the network. */
  readonly device: string
  /** As it was named when it was attached. */
  readonly target: string
  readonly addresses: readonly string[]
}

interface Host {
  readonly links: Links
  readonly nftables: Pick<Nftables, 'observe'>
}

/** What a container sees as its router: addresses that no packet ever carries, and hardware addresses that both ends know for good. */
const router = { 4: '169.254.1.1', 6: 'fe80::1' }
const [outsideMac, insideMac] = ['02:00:00:00:00:01', '02:00:00:00:00:02']

/** `isDefault`: all that it sends goes to this host, and not only the network's. Errors: ERR_PODWIRE_ATTACH, _COMMAND_FAILED. */
export async function attach(
  { links, nftables }: Host,
  place: Place,
  { target, isDefault }: { target: Target; isDefault: boolean },
): Promise<Attachment> {
  const { device } = place
  const refuse = (reason: string) => podwireError('ERR_PODWIRE_ATTACH', { target: target.text, reason })
  const unlock = await lockAttaching(refuse)
  try {
    const link = linkName(device, target)
    const there = links.links()
    const mtuBytes = there.find(({ name }) => name === device)?.mtuBytes
    if (mtuBytes === undefined) throw refuse(`the device ${device} is not there; does the agent run?`)
    if (there.some(({ name }) => name === link)) throw refuse(`it is attached already, by ${link}`)
    const { overlay, shares } = await nftables.observe()
    if (overlay.length === 0) throw refuse(`this host is not closed for the network of ${device}; does the agent run?`)
    if (await hasLink(target, device)) throw refuse(`it has an interface ${device} already`)
    const used = new Set(links.routes().map(({ destination }) => destination.replace(/\/(32|128)$/, '')))
    const addresses = place.prefixes.map(prefix => {
      const address = chooseAddress(prefix, used)
      if (address === undefined) throw refuse(`all addresses of ${prefix} are used`)
      return address
    })
    const ways = isDefault ? addresses.map(address => (isSix(address) ? '::/0' : '0.0.0.0/0')) : [...overlay, ...shares]
    try {
      await makePair({ link, device, mtuBytes, target, addresses, ways })
    } catch (error) {
      if (links.links().some(({ name }) => name === link)) links.deleteLink(link) // and with it all that was made
      throw error
    }
    return { link, device, target: target.text, addresses }
  } finally {
    unlock()
  }
}

/** Takes the place away again. Error: ERR_PODWIRE_NOT_ATTACHED. */
export async function detach(links: Links, device: string, target: string): Promise<Attachment> {
  const attachment = (await listAttachments(links)).find(
    ({ link, ...other }) => other.device === device && (link === target || other.target === target),
  )
  if (attachment === undefined) throw podwireError('ERR_PODWIRE_NOT_ATTACHED', { target, device })
  links.deleteLink(attachment.link)
  return attachment
}

/** All that are there, of every network. Errors: ERR_PODWIRE_SYSTEM, ERR_PODWIRE_TOOL_MISSING. */
export async function listAttachments(links: Pick<Links, 'routes'>): Promise<Attachment[]> {
  const { stdout } = await exec(['ip', '-j', 'link', 'show', 'type', 'veth'])
  const veths: { ifname: string; ifalias?: string }[] = JSON.parse(stdout || '[]')
  const routes = links.routes()
  return veths.flatMap(({ ifname: link, ifalias = '' }) => {
    const [, device, target] = /^podwire (\S+) (.+)$/.exec(ifalias) ?? []
    if (device === undefined || target === undefined) return []
    const own = routes.filter(route => route.link === link && /\/(32|128)$/.test(route.destination))
    return [{ link, device, target, addresses: own.map(({ destination }) => destination.replace(/\/\d+$/, '')) }]
  })
}

/** At most 15 bytes, the same for the same namespace, and begins as the rules for containers expect it. */
function linkName(device: string, { inode }: Target): string {
  return `pw${createHash('sha256').update(`${device} ${inode}`).digest('hex').slice(0, 12)}`
}

/** One at a time: two would choose the same address. */
async function lockAttaching(refuse: (reason: string) => Error): Promise<() => void> {
  for (const deadline = performance.now() + 10_000; ; await delay(20)) {
    const lock = await takeLock('attach')
    if (lock !== undefined) return lock.release
    if (performance.now() > deadline) throw refuse('another `podwire attach` is at work since 10 s')
  }
}

async function hasLink({ path }: Target, name: string): Promise<boolean> {
  const { stdout } = await exec(['nsenter', `--net=${path}`, 'ip', '-j', 'link', 'show'])
  return (JSON.parse(stdout || '[]') as { ifname: string }[]).some(({ ifname }) => ifname === name)
}

interface Pair {
  readonly link: string
  readonly device: string
  readonly mtuBytes: number
  readonly target: Target
  readonly addresses: readonly string[]
  /** Where it is led to this host. */
  readonly ways: readonly string[]
}

async function makePair({ link, device, mtuBytes, target, addresses, ways }: Pair): Promise<void> {
  const enter: [string, ...string[]] = ['nsenter', `--net=${target.path}`]
  const families = ([4, 6] as const).filter(family => addresses.some(address => isSix(address) === (family === 6)))
  const mtu = `mtu ${mtuBytes}`
  // Made under its name on the host and renamed inside: the device's own name is taken out here.
  const inside = `${link}i`.slice(-15)
  await batch(
    [],
    [
      `link add name ${link} ${mtu} address ${outsideMac} type veth peer name ${inside} ${mtu} address ${insideMac}`,
      `link set dev ${link} alias "podwire ${device} ${target.text}"`,
      `link set dev ${inside} netns ${target.path} name ${device}`,
    ],
  )
  // Programs that make containers without IPv6 switch it off inside.
  const enable = `echo 0 > /proc/sys/net/ipv6/conf/${device}/disable_ipv6`
  if (families.includes(6)) await exec([...enter, 'sh', '-c', enable])
  await batch(enter, [
    `link set dev ${device} up`,
    ...addresses.map(
      text => `address add ${text}${isSix(text) ? '/128' : '/32'} dev ${device}${isSix(text) ? ' nodad' : ''}`,
    ),
    ...families.map(family => `neigh replace ${router[family]} lladdr ${outsideMac} nud permanent dev ${device}`),
    ...ways
      .filter(to => families.includes(isSix(to) ? 6 : 4))
      .map(to => `route add ${to} via ${router[isSix(to) ? 6 : 4]} dev ${device} onlink`),
  ])
  await batch(
    [],
    [
      `link set dev ${link} up`,
      ...addresses.map(text => `neigh replace ${text} lladdr ${insideMac} nud permanent dev ${link}`),
      ...addresses.map(text => `route add ${text}${isSix(text) ? '/128' : '/32'} dev ${link}`),
    ],
  )
}

async function batch(enter: readonly string[], lines: readonly string[]): Promise<void> {
  const [first = 'ip', ...rest] = [...enter, 'ip', '-batch', '-']
  await exec([first, ...rest], {
    input: lines
      .map(
        line => `${line}
`,
      )
      .join(''),
  })
}

const isSix = (text: string): boolean => text.includes(':')
