// One interface from the INI that wg-quick(8) reads, and back. Lines (ini.ts) are taken one by one, each by the reader of its
// key (interface-ini-keys.ts), into a draft. What is written is what `wg-quick save` writes, so that a saved file comes back
// byte for byte; comments stand above their section.

import { podwireError } from '../base/errors.ts'
import type { PublicKey } from '../base/key.ts'
import { Secret } from '../base/secret.ts'
import { parseName } from '../model/name.ts'
import { formatComment, formatIni, type IniLine, iniError, parseIni } from './ini.ts'
import type { InterfaceConfig, PeerConfig, SecretSource } from './interface-config.ts'
import {
  hookKeys,
  hookName,
  type InterfaceDraft,
  interfaceKeys,
  type PeerDraft,
  peerKeys,
  readEntry,
} from './interface-ini-keys.ts'
import { unsayableHook } from './interface-values.ts'
import { overlapWarnings } from './peer-overlaps.ts'
import { formatFwmark } from './wg-values.ts'

/**
 * Reads what wg-quick reads; `file` names it in errors (ERR_PODWIRE_DOCUMENT, with line and column) and in warnings of
 * what is taken but hardly meant.
 */
export function parseInterfaceIni(
  text: string,
  file: string,
  warn: (warning: string) => void = () => {},
): InterfaceConfig {
  const draft: InterfaceDraft = {
    addresses: [],
    dns: { servers: [], search: [] },
    table: 'auto',
    saveConfig: false,
    hooks: { preUp: [], postUp: [], preDown: [], postDown: [] },
    peers: [],
    comments: [],
  }
  let peer: PeerDraft | undefined
  let section: { comments: string[] } | undefined
  let seen = new Set<string>()
  /** Comments that belong to the section at hand or to the next: the line after them tells. */
  let pending: string[] = []
  /** Whether a blank line, or nothing, stands before the comments at hand. */
  let apart = true
  const keep = (owner = section ?? draft) => {
    for (const comment of pending) owner.comments.push(comment) // not `...`: there may be more than a call can take
    pending = []
  }

  for (const line of parseIni(text, file)) {
    if (line.comment !== undefined) pending.push(line.comment)
    if (line.kind === 'section') {
      peer = sectionOf(line, draft, file)
      section = peer ?? draft
      seen = new Set()
      keep()
    } else if (line.kind === 'entry') {
      if (section === undefined) throw iniError(file, line.line, line.column, `"${line.key}" stands before any section`)
      keep()
      const place = { file, seen, warn }
      if (peer === undefined) {
        readEntry(line, { ...place, keys: interfaceKeys, sectionName: 'Interface', section: draft })
      } else readEntry(line, { ...place, keys: peerKeys, sectionName: 'Peer', section: peer })
    } else if (line.kind === 'blank' && !apart && section !== undefined) keep()
    apart = line.kind === 'blank' || (line.kind === 'comment' && apart)
  }
  keep()
  return finish(draft, file, warn)
}

/** The peer that a section begins; undefined for [Interface]. */
function sectionOf(line: IniLine & { kind: 'section' }, draft: InterfaceDraft, file: string): PeerDraft | undefined {
  const name = line.name.toLowerCase()
  if (name === 'interface') return undefined
  if (name !== 'peer') {
    throw iniError(file, line.line, line.column, `there is no section [${line.name}]; there are [Interface] and [Peer]`)
  }
  const peer = { allowedIps: [], comments: [], line: line.line, column: line.column }
  draft.peers.push(peer)
  return peer
}

/** What only the whole tells: keys that are missing, peers and prefixes that are there twice, names. */
function finish(draft: InterfaceDraft, file: string, warn: (warning: string) => void): InterfaceConfig {
  const lines = new Map<PublicKey, number>()
  const names = new Set<string>()
  const peers = draft.peers.map(({ publicKey, line, column, comments, ...rest }): PeerConfig => {
    if (publicKey === undefined) throw iniError(file, line, column, 'this [Peer] has no PublicKey')
    const first = lines.get(publicKey)
    if (first !== undefined) {
      warn(`${file}: line ${line}: the peer of line ${first} again: what this one says replaces the other's AllowedIPs`)
    }
    lines.set(publicKey, line)
    const name = nameIn(comments[0])
    if (name === undefined || names.has(name)) return { ...rest, publicKey, comments }
    names.add(name)
    return { ...rest, name, publicKey, comments: comments.slice(1) }
  })
  const named = draft.peers.map(({ line, allowedIps }) => ({ name: `the peer of line ${line}`, allowedIps }))
  for (const warning of overlapWarnings(named)) warn(`${file}: ${warning}`)
  return { ...draft, peers }
}

/** INI has no key for a peer's name: the first comment above it says it, as "# Name = office". */
const namePrefix = 'Name = '

function nameIn(comment = ''): string | undefined {
  if (!comment.startsWith(namePrefix)) return undefined
  try {
    return parseName(comment.slice(namePrefix.length), 'name')
  } catch {
    return undefined // then it is a comment like any other
  }
}

/** The file in our layout, without touching what it says: lines and comments stay where they are. Error: ERR_PODWIRE_DOCUMENT. */
export function layoutInterfaceIni(text: string, file: string): string {
  const names = new Map([...interfaceKeys, ...peerKeys].map(({ name }) => [name.toLowerCase(), name]))
  const lines = parseIni(text, file).map(line => {
    if (line.kind === 'section') return { ...line, name: /^peer$/i.test(line.name) ? 'Peer' : 'Interface' }
    return line.kind === 'entry' ? { ...line, key: names.get(line.key.toLowerCase()) ?? line.key } : line
  })
  return formatIni(lines)
}

/** The text for wg-quick. Error: ERR_PODWIRE_INI if it cannot say what the configuration does. */
export function formatInterfaceIni(config: InterfaceConfig): string {
  const { dns, hooks, table } = config
  const own = section('Interface', config.comments, [
    ...config.addresses.map(address => ['Address', address] as const),
    ...[...dns.servers, ...dns.search].map(name => ['DNS', name] as const),
    ['MTU', config.mtuBytes],
    ['Table', table === 'auto' ? undefined : table],
    ['SaveConfig', config.saveConfig || undefined],
    ...hookKeys.flatMap(({ name }) =>
      hooks[hookName(name)].map((command, i) => [name, sayable(name, command, i)] as const),
    ),
    ['ListenPort', config.listenPort],
    ['FwMark', config.fwmark === undefined ? undefined : formatFwmark(config.fwmark)],
    ['PrivateKey', literal(config.privateKey, 'interface.privateKey')],
  ])
  const peers = config.peers.map((peer, i) => {
    const comments = [...(peer.name === undefined ? [] : [`${namePrefix}${peer.name}`]), ...peer.comments]
    const keepalive = peer.persistentKeepaliveSeconds
    return section('Peer', comments, [
      ['PublicKey', peer.publicKey],
      ['PresharedKey', literal(peer.presharedKey, `peers[${i}].presharedKey`)],
      ['AllowedIPs', peer.allowedIps.length === 0 ? undefined : peer.allowedIps.join(', ')],
      ['Endpoint', peer.endpoint],
      ['PersistentKeepalive', keepalive === 0 ? 'off' : keepalive],
    ])
  })
  return [own, ...peers].join('\n')
}

function section(
  name: string,
  comments: readonly string[],
  entries: readonly (readonly [string, string | number | boolean | undefined])[],
): string {
  const said = entries.filter(([, value]) => value !== undefined).map(([key, value]) => `${key} = ${value}`)
  return [...comments.map(formatComment), `[${name}]`, ...said].map(line => `${line}\n`).join('')
}

function literal(source: SecretSource | undefined, what: string): string | undefined {
  if (source === undefined) return undefined
  if (source instanceof Secret) return Buffer.from(source.bytes).toString('base64')
  const [from = ''] = Object.keys(source)
  throw podwireError('ERR_PODWIRE_INI', {
    what,
    reason: `it comes from {"${from}": …}, and INI has only the key itself`,
  })
}

function sayable(key: string, command: string, i: number): string {
  const reason = unsayableHook(command)
  if (reason === undefined) return command
  throw podwireError('ERR_PODWIRE_INI', { what: `interface.hooks.${hookName(key)}[${i}]`, reason })
}
