// The JSON form of one interface as a zod schema: it checks the document, and schema/interface.json is generated from it
// (scripts/docs.mjs). What each value means is in interface-config.ts; interface-json.ts makes that of it.

import { z } from 'zod'
import { parseCidr, parsePrefix } from '../base/cidr.ts'
import { parseName } from '../model/name.ts'
import { checkedBy, keyName, strictObject } from './document-schema.ts'
import { parseDnsServer, parseEndpointText, parseSearchDomain } from './interface-values.ts'
import { parseFwmark, parseKeepalive } from './wg-values.ts'

const key = z
  .string()
  .regex(/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/, 'not a key: a key is 32 bytes, in 44 characters of base64')

const secret = z
  .union(
    [
      key,
      strictObject({ file: z.string().regex(/^\//, 'expected an absolute path') }).describe('A file of one line'),
      strictObject({ env: z.string().min(1) }).describe('An environment variable'),
      strictObject({ command: z.array(z.string()).min(1) }).describe('What a program prints; no shell is involved'),
    ],
    { error: 'expected a key in base64, {"file": "/path"}, {"env": "NAME"} or {"command": ["program", "argument"]}' },
  )
  .describe('A secret, or where to find it when it is needed')

const line = z.string().regex(/^([^\n\r\0]*\S)?$/, 'a comment is one line, without spaces at its end')
const comments = z.array(line).describe('Kept when the document becomes INI, which has them above the section')
const port = z.int().min(0).max(65535)
const commands = z.array(z.string().regex(/^[^\0]+$/, 'a command has at least one character, and no NUL'))

const interfaceSchema = strictObject({
  comments: comments.optional(),
  privateKey: secret.optional(),
  addresses: z
    .array(z.string().check(checkedBy(parseCidr)))
    .optional()
    .describe('With prefix length, both families: ["10.8.0.2/24", "fd00:8::2/64"]'),
  listenPort: port.optional().describe('UDP; the kernel chooses one if it is 0 or absent'),
  fwmark: z
    .union([z.int().min(0).max(0xffffffff), z.string().check(checkedBy(parseFwmark))], {
      error: 'expected off, or a number of 32 bits, decimal or as "0xca6c"',
    })
    .optional()
    .describe('The mark of what the device sends: 51820, "0xca6c" or "off"'),
  mtu: z
    .union([z.literal('auto'), z.int().min(68).max(65535)], {
      error: 'expected "auto" or a whole number from 68 to 65535',
    })
    .optional()
    .describe('In bytes; "auto", or absent: found from the routes'),
  dns: strictObject({
    servers: z.array(z.string().check(checkedBy(parseDnsServer))).optional(),
    search: z.array(z.string().check(checkedBy(parseSearchDomain))).optional(),
  })
    .optional()
    .describe('Name servers and search domains while the interface is up'),
  table: z
    .union([z.enum(['auto', 'off']), z.int().min(1).max(0xffffffff)], {
      error: 'expected "auto", "off" or the number of a routing table',
    })
    .optional()
    .describe('Where routes to the peers go; "auto" if absent'),
  saveConfig: z.boolean().optional().describe('Write what the device has become to the file when it goes down'),
  hooks: strictObject({
    preUp: commands.optional(),
    postUp: commands.optional(),
    preDown: commands.optional(),
    postDown: commands.optional(),
  })
    .optional()
    .describe('Commands for a shell, in order; %i is the name of the interface'),
}).describe('What this end is')

const peerName = z.string().check(checkedBy(parseName))

const peerShape = {
  comments: comments.optional(),
  publicKey: key,
  presharedKey: secret.optional(),
  endpoint: z
    .string()
    .check(checkedBy(parseEndpointText))
    .optional()
    .describe('"vpn.example.org:51820", "198.51.100.7:51820" or "[2001:db8::7]:51820"'),
  allowedIPs: z
    .array(z.string().check(checkedBy(parsePrefix)))
    .optional()
    .describe('Prefixes whose packets go to this peer, and may come from it'),
  keepalive: z
    .union([port, z.literal('off'), z.string().check(checkedBy(parseDuration))], {
      error: 'expected a number of seconds, as 25 or "25s", or "off"',
    })
    .optional()
    .describe('Send something at least this often: "25s", 25 or "off"'),
}
const listedPeer = strictObject({ name: peerName.optional(), ...peerShape })

/** Seconds of "25s". Error: ERR_PODWIRE_VALUE. */
export function parseDuration(text: string, where: string): number {
  return parseKeepalive(text.replace(/^(\d+)s$/, '$1'), where)
}

export const interfaceDocumentSchema = strictObject({
  $schema: z.string().optional(),
  interface: interfaceSchema,
  peers: z
    .union([z.array(listedPeer), z.record(keyName, strictObject(peerShape))], {
      error: 'expected a list of peers, or an object of peers by name',
    })
    .optional()
    .describe('A list, or an object in which each peer has its name'),
}).describe('One WireGuard interface: what wg-quick knows')

export type InterfaceDocument = z.input<typeof interfaceDocumentSchema>

/** The JSON schema of the document. */
export function interfaceJsonSchema(): unknown {
  return { title: 'podwire interface', ...z.toJSONSchema(interfaceDocumentSchema, { io: 'input' }) }
}
