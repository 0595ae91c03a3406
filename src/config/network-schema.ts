// The network document as JSON: everyone in one place. What a value may be, for the parser and for schema/network.json, which
// is generated from here (scripts/docs.mjs). What crosses from one part to another is in network-document.ts.

import { z } from 'zod'
import { parsePrefix } from '../base/cidr.ts'
import { podwireError } from '../base/errors.ts'
import { parsePublicKey } from '../base/key.ts'
import { reservedUse } from '../model/address-use.ts'
import { parseName } from '../model/name.ts'
import { parseAcceptPort } from './accept-ports.ts'
import { checkedBy, keyName, strictObject } from './document-schema.ts'
import { parseEndpointText } from './interface-values.ts'

/** A prefix that containers or a LAN can have. */
function parseUsablePrefix(text: string, where: string): void {
  const use = reservedUse(parsePrefix(text, where))
  if (use !== undefined) throw podwireError('ERR_PODWIRE_CIDR', { where, text, reason: `it overlaps ${use}` })
}

const name = z.string().check(checkedBy(parseName))
const prefix = z.string().check(checkedBy(parseUsablePrefix))
const network = strictObject({
  name: name.describe('The name of the network'),
  range: z
    .array(prefix)
    .min(1, 'a network has a range: at least one prefix')
    .max(2, 'a network has at most one range of each family')
    .describe('All addresses of nodes and containers lie in it: at most one prefix of each family'),
  topology: z
    .enum(['mesh', 'star', 'zones'])
    .optional()
    .describe(
      'mesh (if absent): all are peers of all; star: all are peers of the hub only; zones: those of one zone are peers, and a zone with gateways is reached through the first of them',
    ),
  hub: name.optional().describe('The node in the middle of a star'),
})

const zone = strictObject({
  gateways: z
    .array(name)
    .min(1, 'a zone has a gateway, or no entry here')
    .describe('Nodes of the zone that carry its traffic from and to other zones; the first one does'),
})

const share = z.union(
  [
    prefix,
    strictObject({
      prefix,
      group: name.optional().describe('Nodes that share the same prefix in one group stand in for each other'),
      priority: z
        .int()
        .min(0)
        .max(65535)
        .optional()
        .describe('Place in the group: the node with the lowest number carries the prefix'),
    }),
  ],
  'expected a prefix, or an object with one',
)

const node = strictObject({
  publicKey: z.string().check(checkedBy(parsePublicKey)).optional().describe('Needed to render its peers'),
  endpoint: z
    .string()
    .check(checkedBy(parseEndpointText))
    .optional()
    .describe('Where others reach it: "host:port"; it listens on that port'),
  zone: name.optional(),
  tags: z.array(name).optional().describe('Words for accept rules'),
  behindNat: z.boolean().optional().describe('Keeps the way to its peers open; so does a node without an endpoint'),
  prefixes: z
    .array(prefix)
    .optional()
    .describe(
      'Its own part of the range, for itself and its containers; its address is the first one of each. Of a family without one it gets one address, made from its name',
    ),
  share: z.array(share).optional().describe('Prefixes outside the range that lie behind it, as a LAN does'),
})

const selector = strictObject({
  node: name.optional(),
  tag: name.optional(),
  zone: name.optional(),
  prefix: prefix.optional(),
})
  .refine(given => Object.keys(given).length === 1, 'expected one of node, tag, zone and prefix')
  .meta({ minProperties: 1, maxProperties: 1 })

const accept = strictObject({
  to: selector.describe('What is closed, but for what entries with this `to` let in: nodes, or a prefix'),
  from: z.array(selector).describe('Who may open to it'),
  ports: z
    .array(z.string().check(checkedBy(parseAcceptPort)))
    .min(1, 'name a port, or leave the key out: then all ports and protocols are meant')
    .optional()
    .describe('"tcp/443", "tcp/8000-8010", "udp/53", "icmp"; everything if absent'),
})

export const networkSchema = strictObject({
  $schema: z.string().optional(),
  network,
  zones: z.record(keyName, zone).optional().describe('Gateways of zones, for the topology "zones"'),
  nodes: z.record(keyName, node).describe('The nodes by name'),
  accept: z
    .array(accept)
    .optional()
    .describe('What receivers let in. A node or prefix that no entry names lets in everything of the network'),
}).describe('A network: all nodes, what they share and what they accept')

export type NetworkInput = z.output<typeof networkSchema>
export type SelectorInput = z.output<typeof selector>

/** The JSON schema of a network document. */
export function networkJsonSchema(): unknown {
  return { title: 'podwire network', ...z.toJSONSchema(networkSchema, { io: 'input' }) }
}
