// `podwire wg`, through a link named `wg`, beside Debian's wg: every invocation by both, on the same devices (what is shown) or on twins
// (what is set). Standard output is the same bytes, the exit status is the same, and both or neither say something on standard error.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Lab } from '../../src/lab/lab.ts'
import { generatePresharedKey, generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import {
  bringUp,
  cli,
  configOf,
  dump,
  ended,
  endpointOf,
  makeEnds,
  pingInner,
  podwire,
  startDevice,
  wg,
  withTwoHosts,
} from './tunnel.ts'

const schema = new URL('../../../schema/wg-show.json', import.meta.url)
const validate = new Ajv2020({ strict: true }).compile(JSON.parse(readFileSync(schema, 'utf8')))
const newKey = (): string => publicKeyOf(generatePrivateKey())
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const [keyA, keyB, keyC] = [newKey(), newKey(), newKey()]
const privateKey = base64(generatePrivateKey().bytes)
const psk = base64(generatePresharedKey().bytes)

interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Both programs, in a host; files that they are told to read are in `folder`. */
interface Tools {
  readonly folder: string
  debian(args: readonly string[], options?: RunOptions): Outcome
  ours(args: readonly string[], options?: RunOptions): Outcome
}

interface RunOptions {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
}

async function withTools(lab: Lab, use: (tools: Tools) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-wg-test-'))
  symlinkSync(cli, join(folder, 'wg'))
  const run =
    (program: string) =>
    (args: readonly string[], { input = '', env = {} }: RunOptions = {}): Outcome => {
      const [tool, ...rest] = lab.command('a', ['sh', '-c', 'cd "$0" && exec "$@"', folder, program, ...args])
      // Without a name server: what is not in /etc/hosts cannot be looked up, and is tried once.
      const variables = { ...process.env, WG_ENDPOINT_RESOLUTION_RETRIES: '0', ...env }
      const { status, stdout, stderr } = spawnSync(tool, rest, { encoding: 'utf8', input, env: variables })
      return { status, stdout, stderr }
    }
  try {
    await use({ folder, debian: run('wg'), ours: run(join(folder, 'wg')) })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Asserts that both did the same, as far as scripts see it. */
function assertSame(what: string, debian: Outcome, ours: Outcome): void {
  const seen = ({ status, stdout, stderr }: Outcome) => ({ status, stdout, complains: stderr !== '' })
  assert.deepEqual(seen(ours), seen(debian), `wg ${what}\n${debian.stderr}\n${ours.stderr}`)
}

const showFields = [
  ...['public-key', 'private-key', 'listen-port', 'fwmark', 'peers', 'preshared-keys', 'endpoints', 'allowed-ips'],
  ...['latest-handshakes', 'transfer', 'persistent-keepalive', 'dump'],
]

/** What is shown: the words, and the variables. */
const shows: [words: string, env?: Record<string, string>][] = [
  ...showFields.flatMap((field): [string][] => [[`show wg0 ${field}`], [`show wg1 ${field}`], [`show all ${field}`]]),
  [''],
  ['show'],
  ['show all'],
  ['show wg0'],
  ['show wg1'],
  ['show interfaces'],
  ['showconf wg0'],
  ['showconf wg1'],
  ['show wg0', { WG_HIDE_KEYS: 'never' }],
  ['show wg0', { WG_HIDE_KEYS: 'always' }],
  ['show wg0', { WG_HIDE_KEYS: 'NEVER' }],
  ['show', { WG_COLOR_MODE: 'always' }],
  ['show', { WG_COLOR_MODE: 'never' }],
  ['show', { WG_COLOR_MODE: 'auto' }],
  ['show wg0', { WG_COLOR_MODE: 'always', WG_HIDE_KEYS: 'never' }],
  ['show all dump', { WG_COLOR_MODE: 'always' }],
  // What cannot be shown
  ['show wg9'],
  ['show wg9 dump'],
  ['show wg0 wg1'],
  ['show wg0 bogus'],
  ['show wg0 --help'],
  ['show wg0 dump more'],
  ['show interfaces dump'],
  ['show ../wireguard/wg0'],
  ['show -h'],
  ['show --help'],
  ['show help'],
  ['showconf'],
  ['showconf wg9'],
  ['showconf all'],
  ['showconf wg0 more'],
  ['showconf --help'],
  // What is no command, or not all of one
  ['bogus'],
  ['SHOW'],
  ['help more'],
  ['version more'],
  ['-V'],
  ['set'],
  ['set wg0'],
  ['set --help'],
  ['setconf'],
  ['setconf wg0'],
  ['setconf wg0 a b'],
  ['addconf --help'],
  ['syncconf wg0'],
  ['genkey more'],
  ['genkey --help'],
  ['genpsk -h'],
  ['pubkey more'],
  ['setconf wg0 nofile'],
  ['addconf wg9 nofile'],
  ['syncconf wg0 nofile'],
  ['set wg9 fwmark 1'],
]

test('wg: shows the same bytes as Debian’s, with the same exit status', async () => {
  await withTwoHosts('wgshow', async lab => {
    const ends = makeEnds()
    const devices = [
      await startDevice(lab, 'a'),
      await startDevice(lab, 'a', podwire, 'wg1'),
      await startDevice(lab, 'b'),
    ]
    await withTools(lab, async ({ folder, debian, ours }) => {
      const more = [
        `[Peer]\nPublicKey=${keyA}\nPresharedKey=${psk}\nEndpoint=[2001:db8::7]:7\nPersistentKeepalive=0\n`,
        `AllowedIPs=0.0.0.0/0,::/0,::1.2.3.4/128,fd00::/7\n[Peer]\nPublicKey=${keyB}\n`,
      ]
      writeFileSync(join(folder, 'a.conf'), configOf(ends[0], ends[1], [...more, '[Interface]\nFwMark=0xca6c']))
      writeFileSync(join(folder, 'b.conf'), configOf(ends[1], ends[0], [`Endpoint = ${endpointOf(ends[0])}`]))
      assert.equal(debian(['setconf', 'wg0', 'a.conf']).status, 0)
      await lab.exec('b', ['wg', 'setconf', 'wg0', join(folder, 'b.conf')])
      for (const end of ends) await bringUp(lab, end)
      await pingInner(lab, ends[1], ends[0], 1)

      for (const [words, env = {}] of shows) {
        const args = words.split(' ').filter(word => word !== '')
        const [before, mine, after] = [debian(args, { env }), ours(args, { env }), debian(args, { env })]
        // An empty packet may be sent in between, and time goes by: then it is as it was, or as it is.
        const agoless = (outcome: Outcome): Outcome => ({ ...outcome, stdout: withoutSeconds(outcome.stdout) })
        const isLikeAfter = agoless(mine).stdout === agoless(after).stdout
        assertSame(`${words} ${JSON.stringify(env)}`, agoless(isLikeAfter ? after : before), agoless(mine))
        for (const hidden of [ends[0].privateKey, psk]) assert.ok(!mine.stderr.includes(hidden))
      }

      for (const words of [
        '',
        'wg0',
        'all',
        'interfaces',
        ...showFields.flatMap(field => [`wg0 ${field}`, `all ${field}`]),
      ]) {
        const args = ['show', ...words.split(' ').filter(word => word !== ''), '--json']
        const { status, stdout } = ours(args)
        const text = debian(args.slice(0, -1)).stdout
        assert.equal(status, 0)
        const document: unknown = JSON.parse(stdout)
        assert.ok(validate(document), `${words}: ${JSON.stringify(validate.errors)}`)
        for (const key of [ends[0].privateKey, psk]) assert.equal(stdout.includes(key), text.includes(key), words)
      }
      assert.equal(ours(['show', 'wg9', '--json']).status, 1)
    })
    for (const device of devices) device.kill()
    await Promise.all(devices.map(ended))
  })
})

/** "1 minute, 2 seconds ago" and "Now" are not the same a moment later; that a handshake was is. */
function withoutSeconds(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours
  return text.replace(/(latest handshake(?:\x1b\[0m)?: ).*/g, '$1…')
}

/** What both twins have before each case. */
const base = `[Interface]
PrivateKey = ${privateKey}
ListenPort = 51820
FwMark = 7
[Peer]
PublicKey = ${keyA}
PresharedKey = ${psk}
Endpoint = 192.0.2.9:9
PersistentKeepalive = 25
AllowedIPs = 10.0.0.0/8, fd00::/64
[Peer]
PublicKey = ${keyB}
AllowedIPs = 10.1.0.0/16
`

/** Words in place of which each has its twin (IF) or a file. */
const files: Record<string, string> = {
  empty: '',
  key: privateKey,
  psk: `${psk}\n`,
  blanks: `${psk}\n\n  \n`,
  space: ` ${psk}\n`,
  long: `${psk}A`,
  short: psk.slice(0, 20),
  line: '\n',
  comment: `${psk}\n# mine\n`,
}

/** What is set: the words behind `wg set IF`, and what both say of it. */
const sets: [words: string[], says?: RegExp][] = [
  [['listen-port', '1234']],
  [['listen-port', '0']],
  [['listen-port', 'domain']],
  [['listen-port', '00080']],
  [['listen-port', '-1'], /-1/],
  [['listen-port', 'abc'], /abc/],
  [['listen-port', ''], /port/],
  [['listen-port', '0x50'], /0x50/],
  [['fwmark', '0']],
  [['fwmark', 'OFF']],
  [['fwmark', '0x10']],
  [['fwmark', '010']],
  [['fwmark', '0xffffffff']],
  [['fwmark', '4294967296'], /4294967296/],
  [['fwmark', '0X10'], /0X10/],
  [['fwmark', ''], /0xffffffff/],
  [['private-key', 'key']],
  [['private-key', 'blanks']],
  [['private-key', 'empty']],
  [['private-key', '/dev/null']],
  [['private-key', 'space'], /key/i],
  [['private-key', 'long'], /key/i],
  [['private-key', 'short'], /key/i],
  [['private-key', 'line'], /key/i],
  [['private-key', 'comment'], /key/i],
  [['private-key', 'nofile'], /no such file/i],
  [['peer', keyC]],
  [['peer', keyC.slice(1)], /key/i],
  [['peer', ''], /key/i],
  [['peer', keyA, 'remove']],
  [['peer', keyC, 'remove']],
  [['peer', keyA, 'remove', 'endpoint', '192.0.2.1:1']],
  [['peer', keyA, 'endpoint', '192.0.2.1:1', 'remove']],
  [['peer', keyA, 'preshared-key', 'psk']],
  [['peer', keyA, 'preshared-key', 'empty']],
  [['peer', keyA, 'preshared-key', 'nofile'], /no such file/i],
  [['peer', keyA, 'persistent-keepalive', 'off']],
  [['peer', keyA, 'persistent-keepalive', '65535']],
  [['peer', keyA, 'persistent-keepalive', '65536'], /65536/],
  [['peer', keyA, 'persistent-keepalive', '5 '], /5 /],
  [['peer', keyC, 'endpoint', '192.0.2.1:domain']],
  [['peer', keyC, 'endpoint', '[2001:DB8::0:1]:5']],
  [['peer', keyC, 'endpoint', '2001:db8::1:5']],
  [['peer', keyC, 'endpoint', 'localhost:5']],
  [['peer', keyC, 'endpoint', 'nope.invalid:5'], /nope\.invalid/],
  [['peer', keyC, 'endpoint', '192.0.2.1'], /192\.0\.2\.1/],
  [['peer', keyC, 'endpoint', '192.0.2.1:http'], /192\.0\.2\.1:http/],
  [['peer', keyC, 'endpoint', ':5'], /:5/],
  [['peer', keyC, 'endpoint', '[::1:5'], /\[::1:5/],
  [['peer', keyC, 'endpoint', '[fe80::1%nope]:5'], /nope/],
  [['peer', keyC, 'allowed-ips', '10.0.0.0/8']],
  [['peer', keyA, 'allowed-ips', '']],
  [['peer', keyA, 'allowed-ips', '10.2.3.4']],
  [['peer', keyA, 'allowed-ips', ' 10.2.3.4 /8 ,\tFD00::1'], /10\.2\.3\.4\/8/],
  [['peer', keyA, 'allowed-ips', '10.2.0.0/16', 'allowed-ips', '10.3.0.0/16']],
  [['peer', keyA, 'allowed-ips', '10.0.0.0/8,'], /address/i],
  [['peer', keyA, 'allowed-ips', '10.0.0.0/33'], /10\.0\.0\.0\/33/],
  [['peer', keyA, 'allowed-ips', '010.0.0.0/8'], /010\.0\.0\.0/],
  [['peer', keyA, 'allowed-ips'], /allowed-ips/],
  [['peer', keyA, 'listen-port', '5'], /listen-port/],
  [['remove'], /remove/],
  [['LISTEN-PORT', '5'], /LISTEN-PORT/],
  [['peer', keyC, 'peer', keyC, 'allowed-ips', '10.9.0.0/16', 'peer', keyB, 'remove']],
  [
    [
      'listen-port',
      '5',
      'fwmark',
      'off',
      'private-key',
      'psk',
      'peer',
      keyC,
      'endpoint',
      '192.0.2.3:3',
      'preshared-key',
      'psk',
      'allowed-ips',
      '::/0',
    ],
  ],
  // Nothing is changed by words of which the last is bad.
  [['fwmark', '9', 'peer', keyC, 'allowed-ips', 'x'], /"x|`x/],
]

/** Texts, each for setconf, addconf and syncconf. */
const peerC = `[Peer]\nPublicKey=${keyC}\n`
const texts: [title: string, text: string][] = [
  ['the same', base],
  ['nothing', ''],
  ['other names and blanks', base.toLowerCase().replaceAll(' = ', '\t=\t').replace(/=\t.*/g, keepCase)],
  ['another interface', base.replace('51820', '4321').replace('FwMark = 7', 'FwMark = off')],
  ['no mark', base.replace('FwMark = 7\n', '')],
  ['one peer less', base.slice(0, base.lastIndexOf('[Peer]'))],
  ['one peer more', `${base}${peerC}Endpoint=[2001:db8::5]:5\nAllowedIPs=10.9.0.0/16,10.8.0.0/16`],
  ['a prefix that moves', `${base}${peerC}AllowedIPs=10.0.0.0/8`],
  ['another endpoint', base.replace('192.0.2.9', '192.0.2.8')],
  ['another keepalive', base.replace('= 25', '= 26')],
  ['other AllowedIPs', base.replace('fd00::/64', 'fd01::/64 # moved').replace('10.1.0.0/16', '10.1.2.3/16')],
  ['one prefix less', base.replace(', fd00::/64', '')],
  ['a peer said twice', `${base}[Peer]\nPublicKey=${keyA}\nAllowedIPs=10.7.0.0/16`],
  ['an unknown key', `${base}Foo=1`],
  ['a key of wg-quick', base.replace('FwMark', 'MTU')],
  ['a peer without a key', `${base}[Peer]\nAllowedIPs=10.9.0.0/16`],
  ['a bad key', base.replace(keyB, keyB.slice(1))],
  ['a bad prefix', base.replace('fd00::/64', 'fd00::/129')],
  ['a name without an address', `${base}${peerC}Endpoint=nope.invalid:5`],
]

/** Values are what they are in any case but that of their letters. */
function keepCase(value: string): string {
  const line = base.split('\n').find(one => one.toLowerCase().endsWith(value.slice(2).toLowerCase()))
  return `=\t${line?.split(' = ')[1] ?? ''}`
}

/** What ours takes in another way, meant so: words for `set`, and what is left as it was. */
const stricter: string[][] = [
  ['listen-port', '65536'],
  ['listen-port', '+80'],
  ['listen-port', ' 5'],
  ['peer', keyC, 'allowed-ips', '1.2.3.4/08'],
  ['peer', keyC, 'endpoint', '192.0.2.1:0'],
  ['peer', keyC, 'endpoint', '192.0.2.1:65537'],
  ['peer', keyC, 'endpoint', '010.1.1.1:5'],
]

test('wg: sets the same as Debian’s', async () => {
  await withTwoHosts('wgset', async lab => {
    const devices = [await startDevice(lab, 'a', podwire, 'debian'), await startDevice(lab, 'a', podwire, 'ours')]
    await withTools(lab, async tools => {
      const { folder, debian, ours } = tools
      writeFileSync(join(folder, 'base'), base)
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 })
      const reset = () => {
        for (const name of ['debian', 'ours']) assert.equal(debian(['setconf', name, 'base']).status, 0)
      }
      const dumps = () => ['debian', 'ours'].map(name => sortedDump(debian(['show', name, 'dump']).stdout))

      for (const [words, says = /^$/] of sets) {
        reset()
        const title = `set ${words.join(' ')}`
        const [theirs, mine] = [debian(['set', 'debian', ...words]), ours(['set', 'ours', ...words])]
        assertSame(title, theirs, mine)
        for (const { stderr } of [theirs, mine]) assert.match(stderr, says, title)
        const [wanted, got] = dumps()
        assert.deepEqual(got, wanted, title)
      }

      for (const [title, text] of texts) {
        for (const verb of ['setconf', 'addconf', 'syncconf']) {
          reset()
          writeFileSync(join(folder, 'text'), text)
          const [theirs, mine] = [debian([verb, 'debian', 'text']), ours([verb, 'ours', 'text'])]
          assert.equal(mine.status, theirs.status, `${verb}: ${title}: ${theirs.stderr} ${mine.stderr}`)
          if (theirs.stderr !== '') assert.notEqual(mine.stderr, '', `${verb}: ${title}`) // ours warns of more
          const [wanted, got] = dumps()
          // Without a port in the text ours keeps the one that is there.
          if (verb === 'syncconf' && text === '') wanted?.splice(0, 1, got?.[0] ?? '')
          assert.deepEqual(got, wanted, `${verb}: ${title}`)
        }
      }

      const lookUp = ['peer', keyC, 'endpoint', 'nope.invalid:5']
      for (const [retries, says] of [
        ['x', /WG_ENDPOINT_RESOLUTION_RETRIES/],
        ['-1', /WG_ENDPOINT_RESOLUTION_RETRIES/],
        ['1', /1\.00 s/],
      ] as const) {
        const env = { WG_ENDPOINT_RESOLUTION_RETRIES: retries }
        for (const { status, stderr } of [
          debian(['set', 'debian', ...lookUp], { env }),
          ours(['set', 'ours', ...lookUp], { env }),
        ]) {
          assert.equal(status, 1)
          assert.match(stderr, says)
        }
      }

      reset()
      const before = dumps()
      for (const words of stricter) assert.equal(ours(['set', 'ours', ...words]).status, 1, words.join(' '))
      assert.deepEqual(dumps(), before)
      await syncBeyondDebian(tools, lab)
    })
    for (const device of devices) device.kill()
    await Promise.all(devices.map(ended))
  })
})

function sortedDump(text: string): string[] {
  const [device = '', ...peers] = text.trimEnd().split('\n')
  const sorted = peers.map(line =>
    line
      .split('\t')
      .map(cell => cell.split(',').sort().join(','))
      .join('\t'),
  )
  return [device, ...sorted.sort()]
}

/** What a text no longer has is cleared, which Debian's leaves; signs change the list that is there, which Debian's does not know. */
async function syncBeyondDebian({ folder, ours }: Tools, lab: Lab): Promise<void> {
  const bare = base.replace(/(PresharedKey|PersistentKeepalive) .*\n/g, '')
  writeFileSync(join(folder, 'bare'), bare)
  assert.equal(ours(['syncconf', 'ours', 'bare']).status, 0)
  const peerA = async () => {
    const line = (await wg(lab, 'a', 'show', 'ours', 'dump')).split('\n').find(text => text.startsWith(keyA)) ?? ''
    const [, presharedKey, , allowedIps = '', , , , keepalive] = line.split('\t')
    return [presharedKey, keepalive, ...allowedIps.split(',').sort()]
  }
  assert.deepEqual(await peerA(), ['(none)', 'off', '10.0.0.0/8', 'fd00::/64'])
  assert.equal(ours(['set', 'ours', 'peer', keyA, 'allowed-ips', '+10.2.0.0/16,-fd00::/64']).status, 0)
  assert.deepEqual(await peerA(), ['(none)', 'off', '10.0.0.0/8', '10.2.0.0/16'])
}

test('wg: makes keys as Debian’s does', async () => {
  await withTwoHosts('wgkey', async lab => {
    await withTools(lab, async ({ folder, debian, ours }) => {
      for (const input of [
        privateKey,
        `${privateKey}\n`,
        `${privateKey}\n \n`,
        base64(new Uint8Array(32)),
        `${'/'.repeat(42)}8=`,
        base64(new Uint8Array(32).fill(255)),
      ]) {
        assertSame('pubkey', debian(['pubkey'], { input }), ours(['pubkey'], { input }))
      }
      for (const input of [
        '',
        ` ${privateKey}`,
        `${privateKey}x`,
        privateKey.slice(1),
        `${privateKey}\nx`,
        `${'A'.repeat(42)}B=`,
      ]) {
        const mine = ours(['pubkey'], { input })
        assertSame('pubkey', debian(['pubkey'], { input }), mine)
        assert.ok(!mine.stderr.includes(privateKey.slice(1, 40)))
      }
      for (const make of ['genkey', 'genpsk']) {
        const { status, stdout, stderr } = ours([make])
        assert.deepEqual([status, stderr], [0, ''])
        assert.match(stdout, /^[A-Za-z0-9+/]{43}=\n$/)
        assert.notEqual(ours([make]).stdout, stdout)
        for (const mode of ['600', '640', '644', '602', '601']) {
          const warns = ['wg', join(folder, 'wg')].map(program => {
            const script = `cd ${folder}; rm -f out; umask 077; : > out; chmod ${mode} out; exec "$0" ${make} >> out`
            const [tool, ...rest] = lab.command('a', ['sh', '-c', script, program])
            return spawnSync(tool, rest, { encoding: 'utf8' }).stderr !== ''
          })
          assert.equal(warns[1], warns[0], `${make} into a file of mode ${mode}`)
        }
      }
      const made = ours(['genkey']).stdout
      assert.equal(ours(['pubkey'], { input: made }).stdout, debian(['pubkey'], { input: made }).stdout)
      for (const words of [['help'], ['-h'], ['--help'], ['version'], ['-v'], ['--version']]) {
        const [theirs, mine] = [debian(words), ours(words)]
        assert.deepEqual(
          [mine.status, mine.stderr, mine.stdout !== ''],
          [theirs.status, theirs.stderr, theirs.stdout !== ''],
        )
      }
    })
  })
})

test('wg: a link-local endpoint has its zone, and is reached', async () => {
  await withTwoHosts('wgzone', async lab => {
    const ends = makeEnds()
    const devices = [await startDevice(lab, 'a'), await startDevice(lab, 'b')]
    for (const host of ['a', 'b']) {
      await lab.exec(host, ['ip', 'address', 'add', host === 'a' ? 'fe80::a/64' : 'fe80::b/64', 'dev', 'net', 'nodad'])
    }
    await withTools(lab, async ({ folder, debian, ours }) => {
      writeFileSync(join(folder, 'a.conf'), configOf(ends[0], ends[1], ['Endpoint = [fe80::b%net]:51822']))
      writeFileSync(join(folder, 'b.conf'), configOf(ends[1], ends[0]))
      assert.equal(ours(['setconf', 'wg0', 'a.conf']).stderr, '')
      await lab.exec('b', ['wg', 'setconf', 'wg0', join(folder, 'b.conf')])
      for (const end of ends) await bringUp(lab, end)
      await pingInner(lab, ends[0], ends[1], 1)
      assert.match(ours(['show', 'wg0', 'endpoints']).stdout, /\t\[fe80::b%net\]:51822\n$/)
      assertSame('show wg0 endpoints', debian(['show', 'wg0', 'endpoints']), ours(['show', 'wg0', 'endpoints']))
      assertSame('showconf wg0', debian(['showconf', 'wg0']), ours(['showconf', 'wg0']))
      assert.equal(Object.values((await dump(lab, 'b')).peers)[0]?.endpoint, '[fe80::a%net]:51821')
    })
    for (const device of devices) device.kill()
    await Promise.all(devices.map(ended))
  })
})
