// The texts of setconf, addconf and syncconf: a table of every rule, what is refused with its line, and any text at all.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PodwireError } from '../../../src/base/errors.ts'
import { formatPublicKey, formatSecretKey } from '../../../src/base/key.ts'
import { Secret } from '../../../src/base/secret.ts'
import { formatWgConfig, parseWgConfig } from '../../../src/config/wg-config.ts'
import { serviceFinder } from '../../../src/config/wg-values.ts'

const [keyA, keyB] = [formatPublicKey(Buffer.alloc(32, 1)), formatPublicKey(Buffer.alloc(32, 2))]
const secret = Buffer.alloc(32, 9).toString('base64')
const services = serviceFinder('# none\nhttp 80/tcp\ndomain\t53/tcp\ndomain\t53/udp dns # names\n')
const parse = (text: string) => parseWgConfig(text, 'wg0.conf', services)

/** Secrets do not compare by their bytes: show them. */
const shown = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, function (this: Record<string, unknown>, name: string, inner: unknown) {
      const original = this[name]
      return original instanceof Secret ? formatSecretKey(original) : inner
    }),
  )

const peer = `[Peer]\nPublicKey=${keyA}\n`
const bare = { publicKey: keyA, allowedIps: [] }
const good: [title: string, text: string, config: object][] = [
  ['nothing', '', { peers: [] }],
  ['a section without keys', '[Interface]\n', { peers: [] }],
  [
    'all keys of an interface',
    `[Interface]\nPrivateKey = ${secret}\nListenPort = 51820\nFwMark = 0xca6c\n`,
    { privateKey: secret, listenPort: 51820, fwmark: 0xca6c, peers: [] },
  ],
  ['names in any case', `[INTERFACE]\nLISTENPORT=1\n[pEER]\npublickey=${keyA}`, { listenPort: 1, peers: [bare] }],
  ['blanks count nowhere', '\t[ Inter face ]\v\n Listen Port = 5 5 \f\n', { listenPort: 55, peers: [] }],
  ['CR LF', '[Interface]\r\nListenPort=3\r\n', { listenPort: 3, peers: [] }],
  ['comments', '# a\n[Interface] # b\n  # c\nListenPort=1#d = 2\n', { listenPort: 1, peers: [] }],
  ['the last of a key counts', '[Interface]\nListenPort=1\nListenPort=2\n', { listenPort: 2, peers: [] }],
  [
    'an interface in two parts',
    `[Interface]\nListenPort=3\n${peer}[Interface]\nFwMark=2`,
    { listenPort: 3, fwmark: 2, peers: [bare] },
  ],
  [
    'off',
    `[Interface]\nFwMark=OFF\n${peer}PersistentKeepalive=off`,
    { fwmark: 0, peers: [{ ...bare, persistentKeepaliveSeconds: 0 }] },
  ],
  ['a service for a port', '[Interface]\nListenPort=dns\n', { listenPort: 53, peers: [] }],
  [
    'all keys of a peer',
    `${peer}PresharedKey=${secret}\nEndpoint=vpn.example.org:domain\nPersistentKeepalive=25\nAllowedIPs=10.0.0.0/8,fd00::/64`,
    {
      peers: [
        {
          publicKey: keyA,
          presharedKey: secret,
          endpoint: { host: 'vpn.example.org', port: 53 },
          persistentKeepaliveSeconds: 25,
          allowedIps: ['10.0.0.0/8', 'fd00::/64'],
        },
      ],
    },
  ],
  [
    'lists of AllowedIPs add up',
    `${peer}AllowedIPs=10.0.0.1\nAllowedIPs=FD00:0::1, 10.0.0.1`,
    { peers: [{ ...bare, allowedIps: ['10.0.0.1/32', 'fd00::1/128'] }] },
  ],
  [
    'an IPv6 endpoint',
    `${peer}Endpoint=[2001:DB8:0::1]:5`,
    { peers: [{ ...bare, endpoint: { host: '2001:db8::1', port: 5 } }] },
  ],
  [
    'one without brackets',
    `${peer}Endpoint=2001:db8::1:5`,
    { peers: [{ ...bare, endpoint: { host: '2001:db8::1', port: 5 } }] },
  ],
  [
    'one with a zone',
    `${peer}Endpoint=[fe80::1%eth0]:5`,
    { peers: [{ ...bare, endpoint: { host: 'fe80::1%eth0', port: 5 } }] },
  ],
  ['two peers', `${peer}[Peer]\nPublicKey=${keyB}`, { peers: [bare, { ...bare, publicKey: keyB }] }],
]

for (const [title, text, config] of good) {
  test(`wg config: ${title}`, () => {
    const parsed = parse(text)
    assert.deepEqual(shown(parsed.config), config)
    assert.deepEqual(parsed.warnings, [])
  })
}

const warned: [title: string, text: string, warning: RegExp][] = [
  [
    'host bits',
    `${peer}AllowedIPs=10.1.2.3/8`,
    /^wg0\.conf, line 3, AllowedIPs: 10\.1\.2\.3\/8 .* 10\.0\.0\.0\/8 is taken$/,
  ],
  ['host bits of IPv6', `${peer}AllowedIPs=fd00::1/64`, /fd00::1\/64 .* fd00::\/64 is taken/],
  ['two sections of one peer', `${peer}${peer}`, /two sections are about the peer AQEB/],
  [
    'a prefix of two peers',
    `${peer}AllowedIPs=10.0.0.0/8\n[Peer]\nPublicKey=${keyB}\nAllowedIPs=10.0.0.0/8`,
    /10\.0\.0\.0\/8 is in AllowedIPs of AQEB.* and of AgIC.*the last/,
  ],
]

for (const [title, text, warning] of warned) {
  test(`wg config: warns of ${title}`, () => {
    const { warnings } = parse(text)
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', warning)
  })
}

const bad: [title: string, text: string, message: RegExp][] = [
  ['a key before any section', `PrivateKey=${secret}`, /line 1: "PrivateKey" stands before/],
  ['a section of another name', '\n[Foo]', /line 2: it is none of/],
  ['a section that does not end', '[Interface', /line 1/],
  ['something behind a section', '[Interface]ListenPort=3', /line 1: it is none of/],
  ['a line without "="', '[Interface]\nListenPort', /line 2: it is none of/],
  ['a colon for "="', '[Interface]\nListenPort:3', /line 2: it is none of/],
  ['no key', '[Interface]\n=3', /line 2: it is none of/],
  ['no value', '[Interface]\nListenPort=', /line 2: it is none of/],
  ['no AllowedIPs', `${peer}AllowedIPs=`, /line 3: it is none of/],
  ['a semicolon for a comment', '; comment\n[Interface]', /line 1: it is none of/],
  ['a byte order mark', '\ufeff[Interface]', /line 1: it is none of/],
  ['NUL', '[Interface]\nListenPort=3\0', /line 2: the value of "ListenPort" has a NUL/],
  ['an unknown key of an interface', '[Interface]\nFoo=1', /line 2: "Foo" is not a key of an interface$/],
  ['an unknown key of a peer', `${peer}Foo=1`, /line 3: "Foo" is not a key of a peer$/],
  ['a longer key', '[Interface]\nListenPortX=3', /"ListenPortX" is not a key/],
  ["a peer's key at an interface", `[Interface]\nPublicKey=${keyA}`, /"PublicKey" is not a key of an interface/],
  ["an interface's key at a peer", `${peer}ListenPort=1`, /"ListenPort" is not a key of a peer/],
  ['a key of wg-quick', '[Interface]\nMTU=1420', /"MTU" .*wg-quick.*strip/],
  ['a peer without a key', `${peer}[Peer]\nAllowedIPs=10.0.0.0/8`, /line 3: this peer has no PublicKey/],
  ['a port beyond 16 bits', '[Interface]\nListenPort=65536', /line 2, ListenPort: "65536": expected a port/],
  ['a port with a sign', '[Interface]\nListenPort=-1', /"-1": expected a port/],
  ['a port in hexadecimal', '[Interface]\nListenPort=0x50', /"0x50": expected a port/],
  ['a service of TCP only', '[Interface]\nListenPort=http', /"http": expected a port/],
  [
    'a mark beyond 32 bits',
    '[Interface]\nFwMark=4294967296',
    /line 2, FwMark: "4294967296": expected off, or a number of 32 bits/,
  ],
  ['a mark with 0X', '[Interface]\nFwMark=0X10', /"0X10": expected off, or a number of 32 bits/],
  ['a mark of nothing', '[Interface]\nFwMark=0x', /"0x": expected off, or a number of 32 bits/],
  ['a keepalive beyond 16 bits', `${peer}PersistentKeepalive=65536`, /line 3, PersistentKeepalive: "65536"/],
  ['a keepalive with a unit', `${peer}PersistentKeepalive=25s`, /"25s": expected off, or a number of seconds/],
  [
    'an address that is none',
    `${peer}AllowedIPs=10.0.0/8`,
    /line 3, AllowedIPs: "10\.0\.0\/8" .*neither IPv4 nor IPv6/,
  ],
  ['an octal address', `${peer}AllowedIPs=010.0.0.0/8`, /neither/],
  ['a length beyond the family', `${peer}AllowedIPs=10.0.0.0/33`, /from 0 to 32/],
  ['a mask', `${peer}AllowedIPs=10.0.0.0/255.0.0.0`, /from 0 to 32/],
  ['an empty entry', `${peer}AllowedIPs=10.0.0.0/8,`, /"" cannot be used/],
  ['signs', `${peer}AllowedIPs=+10.0.0.0/8`, /neither/],
  ['an endpoint without a port', `${peer}Endpoint=192.0.2.1`, /line 3, Endpoint: "192\.0\.2\.1" is not an endpoint/],
  ['port 0', `${peer}Endpoint=192.0.2.1:0`, /from 1 to 65535/],
  ['a port that wraps', `${peer}Endpoint=192.0.2.1:65537`, /from 1 to 65535/],
  ['an endpoint without a host', `${peer}Endpoint=:5`, /neither an address nor a name/],
  ['a bracket that does not end', `${peer}Endpoint=[::1:5`, /neither an address nor a name/],
  ['something behind a bracket', `${peer}Endpoint=[::1]x:5`, /neither an address nor a name/],
  ['an octal endpoint', `${peer}Endpoint=010.1.1.1:5`, /neither an address nor a name/],
  ['a short endpoint', `${peer}Endpoint=1.2.3:5`, /neither an address nor a name/],
  ['a key for a host', `${peer}Endpoint=${keyA}:5`, /line 3, Endpoint: "\[hidden\]:5" .*neither an address nor a name/],
  ['a key for a prefix', `${peer}AllowedIPs=${keyA}`, /line 3, AllowedIPs: "\[hidden\]" cannot be used/],
  ['a key for a port', `[Interface]\nListenPort=${keyA}`, /ListenPort: "\[hidden\]": expected a port/],
  ['a zone of a global address', `${peer}Endpoint=[2001:db8::1%eth0]:5`, /neither an address nor a name/],
]

for (const [title, text, message] of bad) {
  test(`wg config: refuses ${title}`, () => {
    assert.throws(() => parse(text), { name: 'PodwireError', message })
  })
}

for (const [title, text] of [
  ['PrivateKey', `[Interface]\nPrivateKey=${secret}x`],
  ['PresharedKey', `${peer}PresharedKey=${secret.slice(1)}`],
  ['PublicKey', `[Peer]\nPublicKey=${secret.slice(0, 43)}`],
  ['PrivatKey', `[Interface]\nPrivatKey=${secret}`],
] as const) {
  test(`wg config: a bad ${title} is not in the error, its line is`, () => {
    assert.throws(
      () => parse(text),
      (error: PodwireError) => {
        assert.match(error.message, /line [23]/)
        assert.ok(!`${error.message}${error.stack}`.includes(secret.slice(1, 40)))
        return true
      },
    )
  })
}

const words = [
  '[Interface]',
  '[Peer]',
  `PublicKey=${keyA}`,
  `PrivateKey=${secret}`,
  'AllowedIPs=',
  '10.0.0.0/8',
  ',',
  '=',
  '#',
  '\n',
  '::1/64',
  'Endpoint=a:5',
  'ListenPort=',
  '7',
]
test('wg config: any text is read, or refused with its line and a reason', () => {
  const text = fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ unit: 'binary', maxLength: 8 })), {
    maxLength: 30,
  })
  fc.assert(
    fc.property(text, parts => {
      try {
        parse(parts.join(''))
      } catch (error) {
        assert.ok(error instanceof PodwireError, String(error))
        assert.match(error.message, /^wg0\.conf(: line \d+: |, line \d+, \w+: )./s)
      }
    }),
    { numRuns: 2000 },
  )
})

test('wg config: what showconf writes, setconf reads as the same', () => {
  const state = {
    privateKey: new Secret(Buffer.alloc(32, 9)),
    listenPort: 51820,
    fwmark: 0xca6c,
    peers: [
      {
        publicKey: keyA,
        presharedKey: new Secret(Buffer.alloc(32, 8)),
        endpoint: '[2001:db8::1]:5',
        allowedIps: ['10.0.0.0/8', 'fd00::/64'],
        persistentKeepaliveSeconds: 25,
      },
      { publicKey: keyB, allowedIps: [], persistentKeepaliveSeconds: 0 },
    ].map(one => ({ txBytes: 0n, rxBytes: 0n, ...one })),
  }
  const { config } = parse(formatWgConfig(state))
  assert.deepEqual(shown(config), {
    privateKey: secret,
    listenPort: 51820,
    fwmark: 0xca6c,
    peers: [
      {
        publicKey: keyA,
        presharedKey: Buffer.alloc(32, 8).toString('base64'),
        endpoint: { host: '2001:db8::1', port: 5 },
        allowedIps: ['10.0.0.0/8', 'fd00::/64'],
        persistentKeepaliveSeconds: 25,
      },
      { publicKey: keyB, allowedIps: [] },
    ],
  })
  assert.equal(formatWgConfig({ listenPort: 0, fwmark: 0, peers: [] }), '[Interface]\n\n')
})
