// What `wg show` and `wg showconf` print, and what is no command: the table, run by both programs on the same devices of a backend.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { bringUp, configOf, dump, endpointOf, makeEnds, pingInner } from './tunnel.ts'
import { assertSame, type Backend, keyA, keyB, psk, type Tools, withTools } from './wg-tools.ts'

const schema = new URL('../../../schema/wg-show.json', import.meta.url)
const validate = new Ajv2020({ strict: true }).compile(JSON.parse(readFileSync(schema, 'utf8')))

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
  ['show lo'],
  ['show net dump'],
  ['showconf lo'],
  ['set lo fwmark 1'],
  ['set net listen-port 5'],
  ['setconf wg0 nofile'],
  ['addconf wg9 nofile'],
  ['syncconf wg0 nofile'],
  ['set wg9 fwmark 1'],
]

/** Runs the table on three devices that have spoken with one another. */
export async function assertShowsAsDebian(backend: Backend): Promise<void> {
  await withTools('wgshow', backend, async tools => {
    const { lab, folder, debian, ours } = tools
    const ends = makeEnds()
    const devices = [
      await backend.startDevice(lab, 'a', 'wg0'),
      await backend.startDevice(lab, 'a', 'wg1'),
      await backend.startDevice(lab, 'b', 'wg0'),
    ]
    const more = [
      `[Peer]\nPublicKey=${keyA}\nPresharedKey=${psk}\nEndpoint=[2001:db8::7]:7\nPersistentKeepalive=0\n`,
      `AllowedIPs=0.0.0.0/0,::/0,::1.2.3.4/128,fd00::/7\n[Peer]\nPublicKey=${keyB}\n`,
    ]
    writeFileSync(join(folder, 'a.conf'), configOf(ends[0], ends[1], [...more, '[Interface]\nFwMark=0xca6c']))
    writeFileSync(join(folder, 'b.conf'), configOf(ends[1], ends[0], [`Endpoint = ${endpointOf(ends[0])}`]))
    assert.equal((await debian(['setconf', 'wg0', 'a.conf'])).status, 0)
    await lab.exec('b', ['wg', 'setconf', 'wg0', join(folder, 'b.conf')])
    for (const end of ends) await bringUp(lab, end)
    await pingInner(lab, ends[1], ends[0], 1)

    for (const [words, env = {}] of shows) {
      const args = wordsOf(words)
      const both = async () => {
        const [mine, theirs] = [await ours(args, { env }), await debian(args, { env })]
        return [mine, theirs].map(outcome => ({ ...outcome, stdout: withoutSeconds(outcome.stdout) }))
      }
      let [mine, theirs] = await both()
      // An empty packet may have been sent in between; it was not twice.
      if (mine?.stdout !== theirs?.stdout) [mine, theirs] = await both()
      assert.ok(mine && theirs)
      assertSame(`${words} ${JSON.stringify(env)}`, theirs, mine)
      for (const hidden of [ends[0].privateKey, psk]) assert.ok(!mine.stderr.includes(hidden))
    }
    await assertJson(tools, [ends[0].privateKey, psk])
    for (const end of devices) await end()
  })
}

/** Every `show` says the same as JSON of the schema: with the keys that its text has, and no others. */
async function assertJson({ debian, ours }: Tools, keys: readonly string[]): Promise<void> {
  const fields = showFields.flatMap(field => [`wg0 ${field}`, `all ${field}`])
  for (const words of ['', 'wg0', 'all', 'interfaces', ...fields]) {
    const args = ['show', ...wordsOf(words)]
    const { status, stdout } = await ours([...args, '--json'])
    const text = (await debian(args)).stdout
    assert.equal(status, 0)
    const document: unknown = JSON.parse(stdout)
    assert.ok(validate(document), `${words}: ${JSON.stringify(validate.errors)}`)
    for (const key of keys) assert.equal(stdout.includes(key), text.includes(key), words)
  }
  assert.equal((await ours(['show', 'wg9', '--json'])).status, 1)
}

const wordsOf = (text: string): string[] => text.split(' ').filter(word => word !== '')

/** "1 minute, 2 seconds ago" and "Now" are not the same a moment later; that a handshake was is. */
function withoutSeconds(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours
  return text.replace(/(latest handshake(?:\x1b\[0m)?: ).*/g, '$1…')
}

/** A link-local endpoint has its zone, and is reached. */
export async function assertShowsZone(backend: Backend): Promise<void> {
  await withTools('wgzone', backend, async ({ lab, folder, debian, ours }) => {
    const ends = makeEnds()
    const devices = [await backend.startDevice(lab, 'a', 'wg0'), await backend.startDevice(lab, 'b', 'wg0')]
    for (const host of ['a', 'b']) {
      await lab.exec(host, ['ip', 'address', 'add', host === 'a' ? 'fe80::a/64' : 'fe80::b/64', 'dev', 'net', 'nodad'])
    }
    writeFileSync(join(folder, 'a.conf'), configOf(ends[0], ends[1], ['Endpoint = [fe80::b%net]:51822']))
    writeFileSync(join(folder, 'b.conf'), configOf(ends[1], ends[0]))
    assert.equal((await ours(['setconf', 'wg0', 'a.conf'])).stderr, '')
    await lab.exec('b', ['wg', 'setconf', 'wg0', join(folder, 'b.conf')])
    for (const end of ends) await bringUp(lab, end)
    await pingInner(lab, ends[0], ends[1], 1)
    assert.match((await ours(['show', 'wg0', 'endpoints'])).stdout, /\t\[fe80::b%net\]:51822\n$/)
    for (const args of [
      ['show', 'wg0', 'endpoints'],
      ['showconf', 'wg0'],
    ]) {
      assertSame(args.join(' '), await debian(args), await ours(args))
    }
    assert.equal(Object.values((await dump(lab, 'b')).peers)[0]?.endpoint, '[fe80::a%net]:51821')
    for (const end of devices) await end()
  })
}
