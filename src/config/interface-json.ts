// One interface from its JSON document, and back. The form is in interface-schema.ts; here are the checks that cross from
// one part to another, and the way to and from InterfaceConfig. Comments of JSON become comments of their section.

import { formatCidr, parseCidr } from '../base/cidr.ts'
import { parsePublicKey, parseSecretKey } from '../base/key.ts'
import { Secret } from '../base/secret.ts'
import { refuseOtherKind } from './document-kind.ts'
import { checkJsonc, formatPath, refusal } from './document-schema.ts'
import type { InterfaceConfig, PeerConfig, SecretSource } from './interface-config.ts'
import { type InterfaceDocument, interfaceDocumentSchema, parseDuration } from './interface-schema.ts'
import { type JsoncDocument, parseJsonc } from './jsonc.ts'
import { formatJsonc } from './jsonc-format.ts'
import { overlapWarnings } from './peer-overlaps.ts'
import { formatFwmark, parseFwmark } from './wg-values.ts'

type ListedPeer = Extract<InterfaceDocument['peers'], readonly unknown[]>[number]
type Path = readonly PropertyKey[]

/**
 * Reads an interface document; `file` names it in errors (ERR_PODWIRE_DOCUMENT, with path, line and column) and in warnings
 * of what is taken but hardly meant.
 */
export function parseInterfaceJson(
  text: string,
  file: string,
  warn: (warning: string) => void = () => {},
): InterfaceConfig {
  const document = parseJsonc(text, file)
  refuseOtherKind(document, 'interface', file)
  const data = checkJsonc(interfaceDocumentSchema, document, file)
  const listed = listPeers(data.peers)
  refuseTwins(listed, document, file)
  const paths: Path[] = [['interface'], ...listed.map(({ path }) => path)]
  const comments = commentsBySection(document, paths)
  const peers = listed.map(({ peer }, i) => readPeer(peer, comments[i + 1] ?? []))
  const named = peers.map(({ allowedIps }, i) => ({ name: formatPath(listed[i]?.path ?? []), allowedIps }))
  for (const warning of overlapWarnings(named)) warn(`${file}: ${warning}`)

  const { privateKey, listenPort, fwmark, mtu, dns, hooks, ...rest } = data.interface
  return {
    ...(privateKey !== undefined && { privateKey: readSource(privateKey) }),
    ...(listenPort !== undefined && { listenPort }),
    ...(fwmark !== undefined && { fwmark: typeof fwmark === 'number' ? fwmark : parseFwmark(fwmark, 'fwmark') }),
    addresses: (rest.addresses ?? []).map(address => formatCidr(parseCidr(address, 'addresses'))),
    dns: { servers: dns?.servers ?? [], search: dns?.search ?? [] },
    ...(typeof mtu === 'number' && { mtuBytes: mtu }),
    table: rest.table ?? 'auto',
    saveConfig: rest.saveConfig ?? false,
    hooks: {
      preUp: hooks?.preUp ?? [],
      postUp: hooks?.postUp ?? [],
      preDown: hooks?.preDown ?? [],
      postDown: hooks?.postDown ?? [],
    },
    peers,
    comments: [...(rest.comments ?? []), ...(comments[0] ?? [])],
  }
}

/** The peers of both forms as a list, each with its path. */
function listPeers(peers: InterfaceDocument['peers'] = []): { peer: ListedPeer; path: Path }[] {
  if (Array.isArray(peers)) return peers.map((peer, i) => ({ peer, path: ['peers', i] }))
  return Object.entries(peers).map(([name, peer]) => ({ peer: { name, ...peer }, path: ['peers', name] }))
}

function refuseTwins(listed: readonly { peer: ListedPeer; path: Path }[], document: JsoncDocument, file: string): void {
  const [keys, names] = [new Map<string, Path>(), new Map<string, Path>()]
  for (const { peer, path } of listed) {
    const twin = keys.get(peer.publicKey)
    if (twin !== undefined) {
      throw refusal(document, file, [...path, 'publicKey'], `${formatPath(twin)} is the same peer: it has this key`)
    }
    keys.set(peer.publicKey, path)
    if (peer.name === undefined) continue
    const namesake = names.get(peer.name)
    if (namesake !== undefined)
      throw refusal(document, file, [...path, 'name'], `${formatPath(namesake)} has this name`)
    names.set(peer.name, path)
  }
}

/** A comment belongs to the section in which it is or which follows it; the last ones, to the last section. */
function commentsBySection(document: JsoncDocument, paths: readonly Path[]): string[][] {
  const comments: string[][] = paths.map(() => [])
  const ends = paths.map((path, i) => ({ i, end: document.span(path)?.end ?? 0 })).sort((a, b) => a.end - b.end)
  let next = 0
  for (const { text, offset } of document.comments) {
    while (next < ends.length - 1 && (ends[next]?.end ?? 0) <= offset) next += 1
    comments[ends[next]?.i ?? 0]?.push(text)
  }
  return comments
}

function readPeer(peer: ListedPeer, comments: readonly string[]): PeerConfig {
  const { name, publicKey, presharedKey, endpoint, keepalive } = peer
  return {
    ...(name !== undefined && { name }),
    publicKey: parsePublicKey(publicKey, 'publicKey'),
    ...(presharedKey !== undefined && { presharedKey: readSource(presharedKey) }),
    ...(endpoint !== undefined && { endpoint }),
    allowedIps: (peer.allowedIPs ?? []).map(prefix => formatCidr(parseCidr(prefix, 'allowedIPs'))),
    ...(keepalive !== undefined && {
      persistentKeepaliveSeconds: typeof keepalive === 'number' ? keepalive : parseDuration(keepalive, 'keepalive'),
    }),
    comments: [...(peer.comments ?? []), ...comments],
  }
}

function readSource(source: NonNullable<ListedPeer['presharedKey']>): SecretSource {
  return typeof source === 'string' ? parseSecretKey(source, 'secret') : source
}

/** The schema that a document names; undefined if it names none. Error: ERR_PODWIRE_DOCUMENT. */
export function schemaOf(text: string, file: string): string | undefined {
  return checkJsonc(interfaceDocumentSchema, parseJsonc(text, file), file).$schema
}

/** The document, as plain JSON; it names that schema, or none. Keys that are said by value are in it in clear. */
export function formatInterfaceJson(
  config: InterfaceConfig,
  { schema }: { readonly schema: string | undefined } = { schema: undefined },
): string {
  const { addresses, dns, hooks, table } = config
  const document: InterfaceDocument = {
    ...(schema !== undefined && { $schema: schema }),
    interface: {
      ...list('comments', config.comments),
      ...(config.privateKey !== undefined && { privateKey: formatSource(config.privateKey) }),
      ...list('addresses', addresses),
      ...(config.listenPort !== undefined && { listenPort: config.listenPort }),
      ...(config.fwmark !== undefined && { fwmark: formatFwmark(config.fwmark) }),
      ...(config.mtuBytes !== undefined && { mtu: config.mtuBytes }),
      ...(dns.servers.length + dns.search.length > 0 && {
        dns: { ...list('servers', dns.servers), ...list('search', dns.search) },
      }),
      ...(table !== 'auto' && { table }),
      ...(config.saveConfig && { saveConfig: true }),
      ...(Object.values(hooks).some(commands => commands.length > 0) && {
        hooks: {
          ...list('preUp', hooks.preUp),
          ...list('postUp', hooks.postUp),
          ...list('preDown', hooks.preDown),
          ...list('postDown', hooks.postDown),
        },
      }),
    },
    peers: config.peers.map(formatPeer),
  }
  return formatJsonc(JSON.stringify(document), 'document')
}

function formatPeer(peer: PeerConfig): ListedPeer {
  const { name, publicKey, presharedKey, endpoint, persistentKeepaliveSeconds: seconds } = peer
  return {
    ...(name !== undefined && { name }),
    ...list('comments', peer.comments),
    publicKey,
    ...(presharedKey !== undefined && { presharedKey: formatSource(presharedKey) }),
    ...(endpoint !== undefined && { endpoint }),
    ...list('allowedIPs', peer.allowedIps),
    ...(seconds !== undefined && { keepalive: seconds === 0 ? 'off' : `${seconds}s` }),
  }
}

/** The key with its list; nothing if the list is empty. */
function list<Key extends string>(key: Key, items: readonly string[]): Partial<Record<Key, string[]>> {
  return items.length === 0 ? {} : ({ [key]: [...items] } as Record<Key, string[]>)
}

function formatSource(source: SecretSource): NonNullable<ListedPeer['presharedKey']> {
  if (source instanceof Secret) return Buffer.from(source.bytes).toString('base64')
  return 'command' in source ? { command: [...source.command] } : source
}
