// The keys of wg-quick's INI and how the value of each is read: an entry goes to its key's reader, which puts what it makes
// of the value into the draft of the section. Errors and warnings name the place of the word that is wrong.

import { formatCidr, maskCidr, parseCidr } from '../base/cidr.ts'
import { PodwireError, podwireError } from '../base/errors.ts'
import { type PublicKey, parsePublicKey, parseSecretKey } from '../base/key.ts'
import { type IniLine, iniError } from './ini.ts'
import type { HookName, InterfaceConfig, PeerConfig } from './interface-config.ts'
import { parseDns, parseEndpointText, parseNumber, parseTable } from './interface-values.ts'
import { unknownKey } from './nearest-key.ts'
import { parseFwmark, parseKeepalive, parsePort } from './wg-values.ts'

/** The same with room to add. */
type Draft<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer Item)[] ? Item[] : T[K] }
export type PeerDraft = Omit<Draft<PeerConfig>, 'publicKey'> & { publicKey?: PublicKey; line: number; column: number }
export interface InterfaceDraft extends Omit<Draft<InterfaceConfig>, 'dns' | 'hooks' | 'peers'> {
  dns: { servers: string[]; search: string[] }
  hooks: Record<HookName, string[]>
  peers: PeerDraft[]
}

type Entry = IniLine & { kind: 'entry' }

/** How a key's value is read. */
export interface Key<Section> {
  readonly name: string
  /** Given again, the last counts. */
  readonly once?: true
  read(section: Section, value: Value): void
}

/** The value of an entry, and what its readers need. */
interface Value {
  readonly text: string
  /** What `parse` makes of the text, without its spaces, as wg reads it. */
  as<T>(parse: (text: string, where: string) => T): T
  /** The same for each word between separators. */
  each<T>(separators: RegExp, parse: (text: string, where: string) => T): T[]
  warn(warning: string): void
}

/** In the order in which they are carried out. */
export const hookKeys = (['PreUp', 'PostUp', 'PreDown', 'PostDown'] as const).map(
  (name): Key<InterfaceDraft> => ({
    name,
    read: ({ hooks }, { text }) => {
      if (text !== '') hooks[hookName(name)].push(text)
    },
  }),
)

export function hookName(key: string): HookName {
  return `${key[0]?.toLowerCase()}${key.slice(1)}` as HookName
}

export const interfaceKeys: readonly Key<InterfaceDraft>[] = [
  {
    name: 'Address',
    read: ({ addresses }, value) => {
      for (const address of value.each(/[\s,]+/, parseCidr)) addresses.push(formatCidr(address))
    },
  },
  {
    name: 'DNS',
    read: ({ dns }, value) => {
      for (const word of value.each(/[\s,]+/, parseDns)) {
        if ('server' in word) dns.servers.push(word.server)
        else dns.search.push(word.search)
      }
    },
  },
  {
    name: 'MTU',
    once: true,
    read: (it, value) => {
      if (value.text === '') delete it.mtuBytes
      else it.mtuBytes = value.as((text, where) => parseNumber(text, where, { min: 68, max: 65535 }))
    },
  },
  { name: 'Table', once: true, read: (it, value) => (it.table = value.text === '' ? 'auto' : value.as(parseTable)) },
  { name: 'SaveConfig', once: true, read: (it, value) => (it.saveConfig = value.as(parseTrueOrFalse)) },
  ...hookKeys,
  { name: 'ListenPort', once: true, read: (it, value) => (it.listenPort = value.as(parsePort)) },
  { name: 'FwMark', once: true, read: (it, value) => (it.fwmark = value.as(parseFwmark)) },
  { name: 'PrivateKey', once: true, read: (it, value) => (it.privateKey = value.as(parseSecretKey)) },
]

export const peerKeys: readonly Key<PeerDraft>[] = [
  { name: 'PublicKey', once: true, read: (it, value) => (it.publicKey = value.as(parsePublicKey)) },
  { name: 'PresharedKey', once: true, read: (it, value) => (it.presharedKey = value.as(parseSecretKey)) },
  {
    name: 'AllowedIPs',
    read: ({ allowedIps }, value) => {
      for (const prefix of readAllowedIps(value)) allowedIps.push(prefix)
    },
  },
  { name: 'Endpoint', once: true, read: (it, value) => (it.endpoint = value.as(parseEndpointText)) },
  {
    name: 'PersistentKeepalive',
    once: true,
    read: (it, value) => (it.persistentKeepaliveSeconds = value.as(parseKeepalive)),
  },
]

function parseTrueOrFalse(text: string, where: string): boolean {
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === 'true'
  throw podwireError('ERR_PODWIRE_VALUE', { where, text, expected: 'true or false' })
}

function readAllowedIps(value: Value): string[] {
  return value.each(/,/, (text, where) => {
    const cidr = parseCidr(text, where)
    const prefix = maskCidr(cidr)
    if (prefix.value !== cidr.value) {
      value.warn(`${text} has bits behind its prefix length, and is taken as ${formatCidr(prefix)}`)
    }
    return formatCidr(prefix)
  })
}

/** Reads one entry of a section by the keys that such a section has. Error: ERR_PODWIRE_DOCUMENT, with line and column. */
export function readEntry<Section>(
  entry: Entry,
  into: {
    readonly file: string
    readonly keys: readonly Key<Section>[]
    readonly sectionName: string
    readonly section: Section
    /** The keys that this section has had, in small letters: this one is added. */
    readonly seen: Set<string>
    readonly warn: (warning: string) => void
  },
): void {
  const { file, keys, sectionName, section, seen, warn } = into
  const { line, column, valueColumn, value: text } = entry
  const wanted = entry.key.toLowerCase()
  const key = keys.find(({ name }) => name.toLowerCase() === wanted)
  // The second line of a broken key ends with "=", and is no key of ours to show.
  if (key === undefined)
    throw iniError(file, line, column, text === '' ? 'expected Key = value' : unknownIn(entry.key, sectionName, keys))
  const warnAt = (at: number, warning: string) => warn(`${file}: line ${line}, column ${at}: ${warning}`)
  if (key.once && seen.has(wanted)) warnAt(column, `${key.name} is given again in this section; the last one counts`)
  seen.add(wanted)

  const read = <T>(part: string, at: number, parse: (text: string, where: string) => T): T => {
    const word = part.replaceAll(/\s/g, '')
    try {
      return parse(word, key.name)
    } catch (error) {
      if (!(error instanceof PodwireError)) throw error
      // As it is written, so that a missing comma shows.
      throw iniError(
        file,
        line,
        at,
        error.message.replace(`"${word}"`, () => `"${part.trim()}"`),
      )
    }
  }
  key.read(section, {
    text,
    as: parse => read(text, valueColumn, parse),
    each: (separators, parse) => {
      let at = valueColumn
      return text.split(new RegExp(`(${separators.source})`)).flatMap((part, i) => {
        const start = at + part.length - part.trimStart().length
        at += part.length
        // Odd parts are the separators themselves. Between those that may repeat, nothing is said.
        return i % 2 === 1 || (part === '' && separators.test(' ')) ? [] : [read(part, start, parse)]
      })
    },
    warn: warning => warnAt(valueColumn, warning),
  })
}

function unknownIn(key: string, section: string, keys: readonly { name: string }[]): string {
  const is = ({ name }: { name: string }) => name.toLowerCase() === key.toLowerCase()
  const other = section === 'Peer' ? interfaceKeys : peerKeys
  if (other.some(is))
    return `"${key}" belongs in [${section === 'Peer' ? 'Interface' : 'Peer'}], and this is [${section}]`
  return unknownKey(key, keys.map(({ name }) => name)) // biome-ignore format: one line
}
