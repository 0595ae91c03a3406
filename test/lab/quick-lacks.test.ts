// What a host lacks, and what is not up, as `podwire quick` says it: before anything is done, with the next step, and in a dry
// run as it would be done.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generatePrivateKey } from '../../src/wireguard/keys.ts'
import { withQuickHosts } from './quick-host.ts'

const key = Buffer.from(generatePrivateKey().bytes).toString('base64')
const conf = (...own: string[]) => `${['[Interface]', `PrivateKey = ${key}`, ...own].join('\n')}\n`

const lacking: [name: string, text: string, args: string[], says: RegExp][] = [
  [
    'resolvconf',
    conf('DNS = 10.7.0.53', 'PreUp = touch made'),
    ['up'],
    /"resolvconf" was not found, and DNS in the file needs it\n.*apt-get install openresolv/,
  ],
  [
    'WireGuard in the kernel',
    conf('PreUp = touch made'),
    ['up', '--backend', 'kernel'],
    /the kernel has no WireGuard, and no module of it\n.*podwire quick up` without --backend/,
  ],
]

test('quick: what is missing is said before anything is done, in a dry run too', async t => {
  await withQuickHosts('lacks', async at => {
    const before = await at.state()
    // A search path of what podwire calls, without the machine's own resolvconf.
    await at.sh('rm resolvconf; mkdir bin; for p in ip nft flock; do ln -s "$(command -v $p)" bin; done')
    for (const [name, text, args, says] of lacking) {
      for (const dry of [[], ['--dry-run']]) {
        await t.test([name, ...dry].join(', '), async () => {
          const file = at.write('wg0.conf', text)
          const { status, stdout, stderr } = await at.quick('podwire', [...args, ...dry, file], {
            PATH: `${at.folder}/bin`,
          })
          assert.deepEqual([status, stdout], [3, ''], stderr)
          assert.match(stderr, says)
          assert.equal(await at.sh('ls | grep made'), '')
          assert.deepEqual(await at.settled(before), before)
        })
      }
    }
  })
})

test('quick up --dry-run: the device that would be started is shown', async () => {
  await withQuickHosts('dry-device', async at => {
    const file = at.write('wg0.conf', conf())
    const { status, stdout, stderr } = await at.quick('podwire', ['up', '--dry-run', file])
    assert.equal(status, 0, stderr)
    const [first, ...others] = stdout.split('\n')
    assert.equal(first, `${at.folder}/podwire-device wg0`)
    assert.match(others.join('\n'), /^wg set wg0 private-key \(hidden\)\n/)
  })
})

test('quick: of what is not up, the next step is said', async () => {
  await withQuickHosts('not-up', async at => {
    at.write('wg0.conf', conf())
    for (const verb of ['down', 'reload', 'save']) {
      const { status, stderr } = await at.quick('podwire', [verb, './wg0.conf'])
      assert.equal(status, 1, verb)
      assert.match(stderr, /the interface wg0 is not up\n.*`podwire quick up \.\/wg0\.conf`/, verb)
    }
  })
})
