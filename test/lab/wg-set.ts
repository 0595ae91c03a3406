// What `wg set` takes: the table, run by both programs on twins of a backend, which are the same again after each case.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { assertSame, type Backend, keyA, keyB, keyC, privateKey, psk, withTwins } from './wg-tools.ts'

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

/** Runs the table. */
export async function assertSetsAsDebian(backend: Backend): Promise<void> {
  await withTwins('wgset', backend, async ({ folder, debian, ours, reset, dumps }) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 })
    for (const [words, says = /^$/] of sets) {
      await reset()
      const title = `set ${words.join(' ')}`
      const [theirs, mine] = [await debian(['set', 'debian', ...words]), await ours(['set', 'ours', ...words])]
      assertSame(title, theirs, mine)
      for (const { stderr } of [theirs, mine]) assert.match(stderr, says, title)
      const after = await dumps()
      assert.deepEqual(after.ours, after.debian, title)
    }

    const lookUp = ['peer', keyC, 'endpoint', 'nope.invalid:5']
    for (const [retries, says] of [
      ['x', /WG_ENDPOINT_RESOLUTION_RETRIES/],
      ['-1', /WG_ENDPOINT_RESOLUTION_RETRIES/],
      ['1', /1\.00 s/],
    ] as const) {
      const env = { WG_ENDPOINT_RESOLUTION_RETRIES: retries }
      for (const { status, stderr } of [
        await debian(['set', 'debian', ...lookUp], { env }),
        await ours(['set', 'ours', ...lookUp], { env }),
      ]) {
        assert.equal(status, 1)
        assert.match(stderr, says)
      }
    }

    await reset()
    const before = await dumps()
    for (const words of stricter) assert.equal((await ours(['set', 'ours', ...words])).status, 1, words.join(' '))
    assert.deepEqual(await dumps(), before)
  })
}
