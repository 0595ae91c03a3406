import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RouteInfo } from '../../../src/native/link.ts'
import { observeWaysOut } from '../../../src/system/ways-out.ts'

const addresses = [
  { link: 'lo', cidr: '127.0.0.1/8', scope: 'host' },
  { link: 'eth0', cidr: '192.0.2.1/24', scope: 'global' },
  { link: 'eth1', cidr: '198.51.100.1/24', scope: 'global' },
  { link: 'eth1', cidr: '198.51.100.2/24', scope: 'global' },
  { link: 'eth0', cidr: 'fe80::1/64', scope: 'link' },
  { link: 'wg0', cidr: 'fd07::1/64', scope: 'global' },
] as const
const route = (destination: string, link: string, metric: number, source?: string): RouteInfo => ({
  destination,
  link,
  metric,
  type: 'unicast',
  protocol: 3,
  ...(source !== undefined && { source }),
})
const cases: [title: string, routes: RouteInfo[], expected: string[]][] = [
  ['a network that it is on, without a default route', [], ['192.0.2.1 eth0']],
  ['the default route', [route('0.0.0.0/0', 'eth1', 100)], ['198.51.100.1 eth1']],
  ['the default route’s own source', [route('0.0.0.0/0', 'eth1', 1, '198.51.100.2')], ['198.51.100.2 eth1']],
  ['the lower metric', [route('0.0.0.0/0', 'eth1', 200), route('0.0.0.0/0', 'eth0', 100)], ['192.0.2.1 eth0']],
  ['not a tunnel', [route('0.0.0.0/0', 'wg0', 1), route('0.0.0.0/0', 'eth1', 9)], ['198.51.100.1 eth1']],
]
for (const [title, routes, expected] of cases) {
  test(`ways out: by ${title}`, () => {
    const links = { addresses: () => [...addresses], routes: () => routes }
    const found = observeWaysOut(links, link => link === 'wg0')
    assert.deepEqual(
      found.map(({ address, link }) => `${address} ${link}`),
      expected,
    )
  })
}
