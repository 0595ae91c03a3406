import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseIni } from '../../../src/config/ini.ts'
import type { InterfaceConfig } from '../../../src/config/interface-config.ts'
import { formatInterfaceIni, layoutInterfaceIni, parseInterfaceIni } from '../../../src/config/interface-ini.ts'
import { interfaceKeys } from '../../../src/config/interface-ini-keys.ts'
import { quickKeys } from '../../../src/config/quick-keys.ts'
import { acceptsOrRefuses, keys, refusal } from './refusal.ts'

const peer = `[Peer]\nPublicKey = ${keys.a}\n`

/** Lines of an interface, and what they make of it. */
const good: [lines: string, part: Partial<InterfaceConfig>][] = [
  ['Address = 10.0.0.1/24, fd00::1/64 10.0.0.2', { addresses: ['10.0.0.1/24', 'fd00::1/64', '10.0.0.2/32'] }],
  ['Address = 10.0.0.1/24\nADDRESS=FD00::1', { addresses: ['10.0.0.1/24', 'fd00::1/128'] }],
  ['Address =', { addresses: [] }],
  ['DNS = 1.1.1.1, corp.internal fd00::53', { dns: { servers: ['1.1.1.1', 'fd00::53'], search: ['corp.internal'] } }],
  ['DNS = fe80::1%eth0', { dns: { servers: ['fe80::1%eth0'], search: [] } }],
  ['MTU = 1280', { mtuBytes: 1280 }],
  ['Table = off', { table: 'off' }],
  ['Table = AUTO', { table: 'auto' }],
  ['Table =', { table: 'auto' }],
  ['Table = 1234', { table: 1234 }],
  ['Table = 0x20', { table: 32 }],
  ['Table = main', { table: 254 }],
  ['SaveConfig = true', { saveConfig: true }],
  ['saveconfig = FALSE', { saveConfig: false }],
  ['ListenPort = 0', { listenPort: 0 }],
  ['ListenPort = 51 820', { listenPort: 51820 }],
  ['FwMark = 0xca6c', { fwmark: 51820 }],
  ['FwMark = 51820', { fwmark: 51820 }],
  ['FwMark = Off', { fwmark: 0 }],
  ['PostUp = a\nPreUp = b\nPostUp = c=d, %i', { hooks: { preUp: ['b'], postUp: ['a', 'c=d, %i'], preDown: [], postDown: [] } }],
  ['PreDown = x # said', { hooks: { preUp: [], postUp: [], preDown: ['x'], postDown: [] }, comments: ['said'] }],
  ['ListenPort = 1\nListenPort = 2', { listenPort: 2 }],
] // biome-ignore format: a table
for (const [lines, part] of good) {
  test(`interface INI: ${JSON.stringify(lines)}`, () => {
    const empty = parseInterfaceIni('[Interface]', 'wg0.conf')
    assert.deepEqual(parseInterfaceIni(`[interface]\r\n${lines}\r\n`, 'wg0.conf'), { ...empty, ...part })
  })
}

const goodPeers: [lines: string, part: object][] = [
  ['AllowedIPs = 10.0.0.0/8,fd00::/8', { allowedIps: ['10.0.0.0/8', 'fd00::/8'] }],
  ['AllowedIPs = 10.0.0.0/8\nallowedips = 0.0.0.0/0', { allowedIps: ['10.0.0.0/8', '0.0.0.0/0'] }],
  ['AllowedIPs = 10.0.0.1, FD00:0::1', { allowedIps: ['10.0.0.1/32', 'fd00::1/128'] }],
  ['Endpoint = vpn.example.org:51820', { endpoint: 'vpn.example.org:51820' }],
  ['Endpoint = [2001:db8::7]:1', { endpoint: '[2001:db8::7]:1' }],
  ['Endpoint = [fe80::1%eth0]:1', { endpoint: '[fe80::1%eth0]:1' }],
  ['PersistentKeepalive = 25', { persistentKeepaliveSeconds: 25 }],
  ['PersistentKeepalive = off', { persistentKeepaliveSeconds: 0 }],
]
for (const [lines, part] of goodPeers) {
  test(`interface INI: of a peer, ${JSON.stringify(lines)}`, () => {
    const { peers } = parseInterfaceIni(`[PEER]\n${lines}\npublickey=${keys.a}`, 'wg0.conf')
    assert.deepEqual(peers, [{ publicKey: keys.a, allowedIps: [], comments: [], ...part }])
  })
}

const bad: [text: string, place: string, says: RegExp][] = [
  ['ListenPort = 1', 'line 1, column 1', /"ListenPort" stands before any section/],
  ['[Interface', 'line 1, column 1', /a section is written \[Interface\] or \[Peer\]/],
  ['[Interface] x', 'line 1, column 1', /a section is written/],
  ['[Peers]', 'line 1, column 1', /there is no section \[Peers\]/],
  ['[Interface]\n  ListenPort', 'line 2, column 3', /: expected Key = value$/],
  ['[Interface]\n= 5', 'line 2, column 1', /expected Key = value/],
  ['[Interface]\n  ListenProt = 5', 'line 2, column 3', /unknown key "ListenProt"; did you mean "ListenPort"\?/],
  ['[Interface]\nXyzzy = 5', 'line 2, column 1', /unknown key "Xyzzy"; the keys are Address, DNS/],
  ['[Interface]\nEndpoint = a:1', 'line 2, column 1', /"Endpoint" belongs in \[Peer\]/],
  [`${peer}Address = 10.0.0.1`, 'line 3, column 1', /"Address" belongs in \[Interface\], and this is \[Peer\]/],
  ['[Interface]\nAddress = 10.0.0.1/24, 10.0.0.300', 'line 2, column 24', /Address: "10.0.0.300" cannot be used/],
  ['[Interface]\nAddress = 10.0.0.1/33', 'line 2, column 11', /prefix length is a number from 0 to 32/],
  ['[Interface]\nDNS = 1.1.1.1, 2.2.2', 'line 2, column 16', /DNS: "2\.2\.2": expected the address of a name server/],
  ['[Interface]\nDNS = a_b!', 'line 2, column 7', /expected a domain/],
  ['[Interface]\nMTU = 12', 'line 2, column 7', /MTU: "12": expected a whole number from 68 to 65535/],
  ['[Interface]\nTable = mine', 'line 2, column 9', /expected auto, off, or the number/],
  ['[Interface]\nTable = 0', 'line 2, column 9', /expected auto, off, or the number/],
  ['[Interface]\nSaveConfig = yes', 'line 2, column 14', /"yes": expected true or false/],
  ['[Interface]\nListenPort = 65536', 'line 2, column 14', /"65536": expected a port from 0 to 65535$/],
  ['[Interface]\nListenPort = http', 'line 2, column 14', /"http": expected a port/],
  ['[Interface]\nFwMark = 0X10', 'line 2, column 10', /expected off, or a number of 32 bits/],
  ['[Interface]\nFwMark = 4294967296', 'line 2, column 10', /expected off, or a number of 32 bits/],
  ['[Interface]\nPrivateKey = short', 'line 2, column 14', /PrivateKey: not a key: it has 5 characters, not 44/],
  [`[Interface]\nPrivateKey =\n${peer}`, 'line 2, column 13', /not a key: it has 0 characters/],
  [`[Interface]\nPrivateKey = ${keys.private.replace('k=', 'l=')}`, 'line 2, column 14', /not canonical base64/],
  ['[Peer]\nAllowedIPs = ::/0', 'line 1, column 1', /this \[Peer\] has no PublicKey/],
  [`${peer}AllowedIPs = 10.0.0.0/8,`, 'line 3, column 25', /"" cannot be used/],
  [`${peer}AllowedIPs = 10.0.0.0/8 fd00::/8`, 'line 3, column 14', /"10\.0\.0\.0\/8 fd00::\/8" cannot be used/],
  [`${peer}AllowedIPs =`, 'line 3, column 13', /"" cannot be used/],
  [`${peer}Endpoint = example.org`, 'line 3, column 12', /"example.org" is not an endpoint: expected/],
  [`${peer}Endpoint = 10.0.0.300:1`, 'line 3, column 12', /neither an address nor a name/],
  [`${peer}Endpoint = ::1:51820`, 'line 3, column 12', /an IPv6 address, and only that, is in brackets/],
  [`${peer}Endpoint = [example.org]:1`, 'line 3, column 12', /an IPv6 address, and only that, is in brackets/],
  [`${peer}Endpoint = a:0`, 'line 3, column 12', /the port is a number from 1 to 65535/],
  [
    `${peer}PersistentKeepalive = 25s`,
    'line 3, column 23',
    /"25s": expected off, or a number of seconds from 0 to 65535/,
  ],
  ['[Interface]\nPostUp = a\0b', 'line 2, column 11', /NUL/],
]
for (const [text, place, says] of bad) {
  test(`interface INI: refuses ${JSON.stringify(text)} at its place`, () => {
    const { code, message } = refusal(() => parseInterfaceIni(text, 'wg0.conf'))
    assert.equal(code, 'ERR_PODWIRE_DOCUMENT')
    assert.ok(message.startsWith(`wg0.conf: ${place}: `), message)
    assert.match(message, says)
  })
}

test('interface INI: a key is in no error, wherever it stands', () => {
  const texts = [
    'Key',
    'ListenPort =',
    'Address =',
    'DNS =',
    'PrivateKey = x',
    'MTU=',
    'FwMark=',
    'Table=',
    'SaveConfig =',
    '',
  ]
  for (const words of texts) {
    const { message } = refusal(() => parseInterfaceIni(`[Interface]\n${words}${keys.private}`, 'wg0.conf'))
    assert.ok(!showsPart(message), message)
  }
  const { message } = refusal(() => parseInterfaceIni(`${peer}Endpoint = ${keys.private}`, 'wg0.conf'))
  assert.ok(!showsPart(message), message)
})

/** Whether it has a part of the private key that is longer than a word by chance. */
function showsPart(message: string): boolean {
  return Array.from({ length: 40 }, (_, at) => keys.private.slice(at, at + 5)).some(part => message.includes(part))
}

test('interface INI: a part of a key is in no error, wherever the key was broken', () => {
  for (let at = 1; at < keys.private.length; at++) {
    const parts = [keys.private.slice(0, at), keys.private.slice(at)]
    const texts = [
      `PrivateKey = ${parts.join('\n')}`,
      ...parts.flatMap(part => [`PrivateKey: ${part}`, `${part}`, `[${part}`, `[ ${part}`]),
      ...parts.filter(part => part.length >= 12).flatMap(part => [
        `ListenPort = ${part}`,
        `MTU = 1 ${part}`,
        `DNS = ${part}!`,
        `${part.replace('=', 'x')} = 5`,
        `[${part}]`,
        `[Peer]\nEndpoint = ${part}`,
        `[Peer]\nAllowedIPs = 10.0.0.0/8, ${part}`,
      ]),
    ] // biome-ignore format: a table
    for (const text of texts) {
      const { message } = refusal(() => parseInterfaceIni(`[Interface]\n${text}`, 'wg0.conf'))
      assert.ok(!showsPart(message), `${text}: ${message}`)
    }
  }
})

const warned: [name: string, text: string, warnings: RegExp[]][] = [
  ['host bits of AllowedIPs', `${peer}AllowedIPs = 10.0.0.1/24`, [/line 3, column 14: 10\.0\.0\.1\/24 has bits .* taken as 10\.0\.0\.0\/24/]],
  ['a key given again', '[Interface]\nMTU = 1280\nMTU = 1400', [/line 3, column 1: MTU is given again/]],
  ['a peer given again', `${peer}\n${peer}`, [/line 4: the peer of line 1 again/]],
  ['a prefix of two peers', `${peer}AllowedIPs = ::/0\n[Peer]\nPublicKey = ${keys.b}\nAllowedIPs = ::/0`, [/::\/0 is given to the peer of line 1 and to the peer of line 4: only the later/]],
  ['a prefix inside another', `${peer}AllowedIPs = 10.0.0.0/8\n[Peer]\nPublicKey = ${keys.b}\nAllowedIPs = 10.1.0.0/16`, [/10\.1\.0\.0\/16 of the peer of line 4 is inside 10\.0\.0\.0\/8 of the peer of line 1/]],
  ['nothing about keys that repeat, and prefixes of one peer', `[Interface]\nAddress=10.0.0.1\nAddress=10.0.0.2\n${peer}AllowedIPs = 10.0.0.0/8, 10.1.0.0/16`, []],
] // biome-ignore format: a table
for (const [name, text, expected] of warned) {
  test(`interface INI: warns of ${name}`, () => {
    const warnings: string[] = []
    parseInterfaceIni(text, 'wg0.conf', warning => warnings.push(warning))
    assert.equal(warnings.length, expected.length, warnings.join('\n'))
    for (const [i, says] of expected.entries()) assert.match(warnings[i] ?? '', says)
  })
}

test('interface INI: comments go to the section that they are about', () => {
  const text = `# one\n\n[Interface] # two\n# three\nMTU = 1400\n# four\n\n# five\n${peer}# six\n[Peer]\nPublicKey = ${keys.b}\n\n##seven\n`
  const { comments, peers } = parseInterfaceIni(text, 'wg0.conf')
  assert.deepEqual(comments, ['one', 'two', 'three', 'four'])
  assert.deepEqual(peers.map(({ comments }) => comments), [['five'], ['six', '#seven']]) // biome-ignore format: one line
})

test('interface INI: the first comment of a peer may say its name', () => {
  const text = `# Name = a\n# more\n${peer}\n# Name = a\n[Peer]\nPublicKey = ${keys.b}\n`
  const { peers } = parseInterfaceIni(text, 'wg0.conf')
  assert.deepEqual(
    peers.map(({ name, comments }) => ({ name, comments })),
    [
      { name: 'a', comments: ['more'] },
      { name: undefined, comments: ['Name = a'] }, // taken: so it is a comment
    ],
  )
  assert.equal(formatInterfaceIni(parseInterfaceIni(text, 'wg0.conf')), `[Interface]\n\n${text}`)
})

const many: [name: string, text: string, count: (config: InterfaceConfig) => number][] = [
  ['comments', '# a\n'.repeat(200_000), ({ comments }) => comments.length],
  ['addresses on a line', `[Interface]\nAddress = ${Array(200_000).fill('10.0.0.1').join(',')}`, ({ addresses }) => addresses.length],
  ['AllowedIPs on a line', `${peer}AllowedIPs = ${Array(200_000).fill('10.0.0.1').join(',')}`, ({ peers }) => peers[0]?.allowedIps.length ?? 0],
] // biome-ignore format: a table
for (const [name, text, count] of many) {
  test(`interface INI: reads 200,000 ${name}`, () => assert.equal(count(parseInterfaceIni(text, 'wg0.conf')), 200_000))
}

const unsayable: [part: Partial<InterfaceConfig>, what: string][] = [
  [{ privateKey: { file: '/k' } }, 'interface.privateKey'],
  [{ hooks: { preUp: [], postUp: ['a', 'b # c'], preDown: [], postDown: [] } }, 'interface.hooks.postUp[1]'],
  [{ hooks: { preUp: ['a\nb'], postUp: [], preDown: [], postDown: [] } }, 'interface.hooks.preUp[0]'],
  [{ hooks: { preUp: [], postUp: [], preDown: [], postDown: [' a'] } }, 'interface.hooks.postDown[0]'],
]
for (const [part, what] of unsayable) {
  test(`interface INI: refuses to write ${JSON.stringify(part)}`, () => {
    const config = { ...parseInterfaceIni('[Interface]', 'x'), ...part }
    const { code, message } = refusal(() => formatInterfaceIni(config))
    assert.equal(code, 'ERR_PODWIRE_INI')
    assert.ok(message.startsWith(`${what} cannot be said in INI`), message)
  })
}

test('interface INI: the keys that `strip` leaves out are those that wg(8) does not know', () => {
  const wgKeys = ['ListenPort', 'FwMark', 'PrivateKey']
  assert.deepEqual(
    interfaceKeys
      .map(({ name }) => name)
      .filter(name => !wgKeys.includes(name))
      .sort(),
    [...quickKeys].sort(),
  )
})

test('interface INI: the layout leaves comments and the order of lines', () => {
  const text =
    '\n\n#a\n  [INTERFACE]   # b\n\n\n\tmtu=1400#c\nADDRESS =  10.0.0.1 ,  fd00::1\n[peer]\npublickey = x\n\n'
  assert.equal(
    layoutInterfaceIni(text, 'wg0.conf'),
    '# a\n[Interface] # b\n\nMTU = 1400 # c\nAddress = 10.0.0.1 ,  fd00::1\n[Peer]\nPublicKey = x\n',
  )
})

const pieces = fc.constantFrom('[Interface]', '[Peer]', '\n', '\n', '=', '#', ' ', ',', '\0', '\r', 'PublicKey = ', keys.a, 'AllowedIPs', 'Address', 'DNS', '10.0.0.1/24', 'fd00::', 'Endpoint', '[::1]:5', 'PostUp', 'MTU', '1400', 'off') // biome-ignore format: one line
const texts = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(pieces, { size: 'medium' }).map(parts => parts.join('')),
)

test('interface INI: any text is read or refused with its place', () => {
  fc.assert(
    fc.property(texts, text => acceptsOrRefuses(parseInterfaceIni, text)),
    { numRuns: 3000 },
  )
})

test('interface INI: the layout of any lines says the same, and is done in one go', () => {
  const said = fc.constantFrom('', ' ', '[Interface]', '\t[peer] ', 'mtu=1400', 'ADDRESS =  10.0.0.1 ,', 'PostUp = a = [b]', ' x\t=', 'DNS=1.1.1.1\r') // biome-ignore format: one line
  const comment = fc.constantFrom('', '', '#', '# a', '#b # c ', '##', '#\t[x]')
  const lines = fc.array(fc.tuple(said, comment).map(parts => parts.join('')))
  const meaning = (text: string) =>
    parseIni(text, 'x').flatMap(({ line, column, ...what }): object[] => {
      if (what.kind === 'blank') return []
      if (what.kind === 'comment') return [what]
      if (what.kind === 'section') return [{ ...what, name: what.name.toLowerCase() }]
      const { valueColumn, ...entry } = what
      return [{ ...entry, key: entry.key.toLowerCase() }]
    })
  fc.assert(
    fc.property(lines, fc.constantFrom('', '\n'), (lines, end) => {
      const text = `${lines.join('\n')}${end}`
      const laidOut = layoutInterfaceIni(text, 'x')
      assert.deepEqual(meaning(laidOut), meaning(text))
      assert.equal(layoutInterfaceIni(laidOut, 'x'), laidOut)
    }),
    { numRuns: 2000 },
  )
})
