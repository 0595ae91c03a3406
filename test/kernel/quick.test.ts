// `podwire quick` on the kernel's WireGuard: what Debian's wg-quick leaves, by the configurations of test/lab; reload under traffic; and
// whose WireGuard `--backend` takes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertLikeWgQuick, conf, endpoint, everything } from '../lab/quick-cases.ts'
import { succeeded, withQuickHosts } from '../lab/quick-host.ts'
import { assertReloadKeepsSessions } from '../lab/quick-reload.ts'
import { startResident } from './resident.ts'

/** Those in which the kernel has a part of its own; each takes ten seconds here, and test/lab runs them all. */
const configurations = [
  'addresses over lines, without prefix lengths',
  'two peers, nested prefixes',
  'all traffic',
  'MTU of the way to the endpoint',
  'hooks',
  'SaveConfig: what was changed meanwhile',
  'fails: PostUp',
]

test('quick: leaves what wg-quick leaves', async t => {
  await withQuickHosts('same', (...hosts) => assertLikeWgQuick(t, hosts, configurations), startResident)
})

test('quick reload: under traffic nothing is lost and nobody shakes hands', async () => {
  await withQuickHosts('traffic', assertReloadKeepsSessions, startResident)
})

test('quick up: --backend says whose WireGuard it is; auto is the kernel’s', async () => {
  await withQuickHosts(
    'backend',
    async at => {
      const file = at.write('wg0.conf', conf(['Address = 10.7.0.1/24'], [everything, endpoint]))
      const before = await at.state()
      for (const [flags, kind] of [
        [[], 'wireguard'],
        [['--backend', 'auto'], 'wireguard'],
        [['--backend', 'kernel'], 'wireguard'],
        [['--backend', 'userspace'], 'tun'],
      ] as const) {
        succeeded(await at.quick('podwire', ['up', file, ...flags]), `up ${flags.join(' ')}`)
        assert.match(await at.sh('ip -d link show wg0'), new RegExp(`^\\s+${kind} `, 'm'), flags.join(' '))
        assert.match(await at.sh('wg show wg0 listen-port'), /^51999\n$/)
        succeeded(await at.quick('podwire', ['down', file]), `down after ${flags.join(' ')}`)
        assert.deepEqual(await at.settled(before), before, flags.join(' '))
      }
    },
    startResident,
  )
})
