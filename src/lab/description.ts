// What a lab is made of, as a JSON document: its schema, and the checks that cross from one part to another. Pure.
// schema/lab.json is generated from here (scripts/docs.mjs).

import { z } from 'zod'
import { type Cidr, containsCidr, formatAddress, maskCidr, parseAddress, parseCidr, parsePrefix } from '../base/cidr.ts'
import { podwireError } from '../base/errors.ts'
import {
  checkDocument,
  checkedBy,
  checkJsonc,
  documentError,
  formatPath,
  type Refuse,
  refusal,
  strictObject,
} from '../config/document-schema.ts'
import { parseJsonc } from '../config/jsonc.ts'

const cidr = z.string().check(checkedBy(parseCidr))
const prefix = z.string().check(checkedBy(parsePrefix))
const address = z.string().refine(text => parseAddress(text) !== undefined, 'neither an IPv4 nor an IPv6 address')

/** Names become parts of namespace, interface and file names, so their characters and lengths are few. */
function name(what: string, maxLength: number) {
  return z
    .string()
    .regex(
      new RegExp(`^[a-z][a-z0-9-]{0,${maxLength - 1}}$`),
      `the name of a ${what} is 1 to ${maxLength} of a-z, 0-9 and "-", and starts with a letter`,
    )
}

/** A name that an interface has too: at most 15 characters, and none that the kernel or a container's interface has. */
function interfaceName(what: string) {
  const taken = /^(lo|all|default|pw.*)$/
  return name(what, 15).refine(
    text => !taken.test(text),
    `no ${what} is named lo, all, default or pw…: interfaces have its name, and those are taken`,
  )
}
/** Also the name of the host's port on a LAN's bridge. */
const hostName = interfaceName('host')
/** Also the name of the interface in each member. */
const networkName = interfaceName('network')
/** With "pw" in front it is the name of the interface on the host. */
const containerName = name('container', 13)

const networkSchema = strictObject({
  mtu: z
    .int()
    .min(576)
    .max(65535)
    .optional()
    .describe('MTU in bytes of every interface in the network; 1500 if absent'),
  rate: z
    .string()
    .regex(/^[1-9]\d{0,5}[kmg]bit$/, 'a rate is a number followed by kbit, mbit or gbit')
    .optional()
    .describe('What each member can send, and can receive: "100mbit"; unlimited if absent'),
}).describe('Two members are joined by a link; one, or more than two, by a LAN')

const membershipSchema = strictObject({
  network: networkName.describe('The network; the interface in the host has its name'),
  addresses: z.array(cidr).describe('Addresses with prefix length, both families: ["192.0.2.1/24", "2001:db8::1/64"]'),
})

const natSchema = strictObject({
  kind: z
    .enum(['endpoint-independent', 'symmetric'])
    .describe(
      'endpoint-independent: one port for a sender, whoever it talks to; symmetric: another one for each (RFC 4787)',
    ),
  towards: networkName.describe('The network on its outer side, whose address it gives to what it forwards there'),
})

const hostSchema = strictObject({
  networks: z.array(membershipSchema).optional(),
  gateways: z.array(address).optional().describe('Default gateways, at most one of each family'),
  routes: z.array(strictObject({ to: prefix, via: address })).optional(),
  forward: z.boolean().optional().describe('Forwards packets between its interfaces'),
  nat: natSchema.optional().describe('Translates what it forwards to a network; implies forward'),
  containers: z
    .record(containerName, z.array(address))
    .optional()
    .describe('Containers and their addresses; each is a namespace on a routed veth. Implies forward'),
}).describe('A machine: a network namespace')

const labSchema = strictObject({
  $schema: z.string().optional(),
  name: name('lab', 30),
  networks: z.record(networkName, networkSchema),
  hosts: z.record(hostName, hostSchema),
}).describe('A network of namespaces on one machine')

export type LabDescription = z.input<typeof labSchema>
export type HostDescription = z.input<typeof hostSchema>
export type NetworkDescription = z.input<typeof networkSchema>

/** Reads a lab's description; `file` names it in the error: ERR_PODWIRE_DOCUMENT. */
export function parseLab(text: string, file: string): LabDescription {
  const document = parseJsonc(text, file)
  const lab = checkJsonc(labSchema, document, file)
  checkReferences(lab, (path, reason) => refusal(document, file, path, reason))
  return lab
}

/** Checks a description given as data. Error: ERR_PODWIRE_DOCUMENT. */
export function checkLab(data: LabDescription): LabDescription {
  const where = 'lab description'
  const lab = checkDocument(labSchema, data, where)
  checkReferences(lab, (path, reason) => documentError(where, formatPath(path), reason))
  return lab
}

/** The description with one host more, checked as a whole. Error: ERR_PODWIRE_DOCUMENT. */
export function withHost(lab: LabDescription, hostName: string, host: HostDescription): LabDescription {
  if (Object.hasOwn(lab.hosts, hostName)) {
    const reason = 'the lab has a host of that name'
    throw podwireError('ERR_PODWIRE_DOCUMENT', { file: 'lab description', path: `hosts.${hostName}`, reason })
  }
  return checkLab({ ...lab, hosts: { ...lab.hosts, [hostName]: host } })
}

/** Addresses of a container. Error: ERR_PODWIRE_DOCUMENT. */
export function checkContainer(host: string, container: string, addresses: readonly string[]): void {
  checkDocument(z.record(containerName, z.array(address)), { [container]: addresses }, `container of host ${host}`)
}

/** What a schema of single values cannot say: names that must exist, addresses that must be free, gateways in reach. */
function checkReferences(lab: LabDescription, fail: Refuse): void {
  const known = Object.keys(lab.networks)
  const owners = new Map<string, string>()
  const claim = (text: string, path: readonly PropertyKey[]) => {
    const address = formatAddress(parseCidr(text, 'address'))
    const owner = owners.get(address)
    if (owner !== undefined) throw fail(path, `${address} is in use at ${owner}`)
    owners.set(address, formatPath(path))
  }
  for (const [hostName, host] of Object.entries(lab.hosts)) {
    const onLink: Cidr[] = []
    const joined = new Set<string>()
    for (const [i, { network, addresses }] of (host.networks ?? []).entries()) {
      const path = ['hosts', hostName, 'networks', i]
      if (lab.networks[network] === undefined) {
        throw fail([...path, 'network'], `no network "${network}"; there are ${known.join(', ') || 'none'}`)
      }
      if (joined.has(network)) throw fail([...path, 'network'], `the host is in the network "${network}" already`)
      joined.add(network)
      for (const [j, text] of addresses.entries()) {
        claim(text, [...path, 'addresses', j])
        onLink.push(maskCidr(parseCidr(text, 'address')))
      }
    }
    const reachable = (text: string, path: readonly PropertyKey[]) => {
      const gateway = parseCidr(text, 'address')
      if (!onLink.some(prefix => containsCidr(prefix, gateway))) {
        throw fail(path, `${text} is in none of the host's networks, so it cannot be a gateway`)
      }
      return gateway.family
    }
    const families = new Set<number>()
    for (const [i, gateway] of (host.gateways ?? []).entries()) {
      const family = reachable(gateway, ['hosts', hostName, 'gateways', i])
      if (families.has(family))
        throw fail(['hosts', hostName, 'gateways', i], `a second default gateway of IPv${family}`)
      families.add(family)
    }
    for (const [i, { to, via }] of (host.routes ?? []).entries()) {
      const path = ['hosts', hostName, 'routes', i, 'via']
      if (reachable(via, path) !== parseCidr(to, 'to').family)
        throw fail(path, `${to} and ${via} are of different families`)
    }
    if (host.nat !== undefined && !joined.has(host.nat.towards)) {
      throw fail(['hosts', hostName, 'nat', 'towards'], `the host is not in the network "${host.nat.towards}"`)
    }
    for (const [container, addresses] of Object.entries(host.containers ?? {})) {
      for (const [i, text] of addresses.entries()) claim(text, ['hosts', hostName, 'containers', container, i])
    }
  }
}

/** The JSON schema of a description. */
export function labJsonSchema(): unknown {
  return { title: 'podwire lab', ...z.toJSONSchema(labSchema, { io: 'input' }) }
}
