import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Underlay, type UnderlayState } from '../../../src/agent/underlay.ts'
import type { AddressInfo, LinkInfo, PathInfo, RouteInfo } from '../../../src/native/link.ts'

const link = (name: string, mtuBytes: number): LinkInfo => ({ index: 1, name, mtuBytes, up: true })
const address = (name: string, cidr: string, scope: AddressInfo['scope'] = 'global'): AddressInfo => ({
  link: name,
  cidr,
  scope,
})
const route = (destination: string, name: string): RouteInfo => ({
  destination,
  type: 'unicast',
  link: name,
  metric: 0,
  protocol: 3,
})

const host = {
  links: [link('lo', 65536), link('eth0', 9000), link('eth1', 1400), link('podwire0', 1420), link('pwbox', 1300)],
  addresses: [
    address('lo', '127.0.0.1/8', 'host'),
    address('eth0', '198.51.100.1/24'),
    address('eth0', 'fe80::1/64', 'link'),
    address('podwire0', 'fd99::1/128'),
  ],
  routes: [route('0.0.0.0/0', 'eth0'), route('10.0.0.0/8', 'eth1')],
  paths: {
    '198.51.100.2': { link: 'eth0', mtuBytes: 9000 },
    '10.1.1.1': { link: 'eth1', mtuBytes: 1400 },
    '2001:db8::1': { link: 'eth0', mtuBytes: 1350 },
    '10.99.1.1': { link: 'podwire0', mtuBytes: 1420 },
    '127.0.0.1': { link: 'lo', mtuBytes: 65536 },
  } as Record<string, PathInfo>,
}

const cases: [name: string, endpoints: string[], change: Partial<typeof host>, expected: UnderlayState][] = [
  ['the link to an endpoint', ['198.51.100.2:1'], {}, { families: [4], mtuBytes: 9000 }],
  ['the largest of several', ['198.51.100.2:1', '10.1.1.1:1'], {}, { families: [4], mtuBytes: 9000 }],
  ['the narrow one alone', ['10.1.1.1:1'], {}, { families: [4], mtuBytes: 1400 }],
  ['the link, not what is known of a path', ['[2001:db8::1]:1'], {}, { families: [4], mtuBytes: 9000 }],
  ['no path through the tunnel or to itself', ['10.99.1.1:1', '127.0.0.1:1'], {}, { families: [4], mtuBytes: 9000 }],
  ['no endpoint: the default route', [], {}, { families: [4], mtuBytes: 9000 }],
  ['an endpoint that nothing leads to', ['203.0.113.1:1'], {}, { families: [4], mtuBytes: 9000 }],
  ['no default route: that of Ethernet', [], { routes: [] }, { families: [4], mtuBytes: 1500 }],
  [
    'a default route through the tunnel does not count',
    [],
    { routes: [route('0.0.0.0/0', 'podwire0')] },
    { families: [4], mtuBytes: 1500 },
  ],
  [
    'both families',
    [],
    { addresses: [address('eth0', '2001:db8::2/64'), address('eth1', '10.1.1.2/8')] },
    { families: [4, 6], mtuBytes: 9000 },
  ],
]

for (const [name, endpoints, change, expected] of cases) {
  test(`underlay: ${name}`, () => {
    const { links, addresses, routes, paths } = { ...host, ...change }
    const kernel = {
      links: () => links,
      addresses: () => addresses,
      routes: () => routes,
      routeTo: (text: string) => paths[text],
    }
    const isOverlay = (text: string) => text === 'podwire0' || text.startsWith('pw')
    const underlay = new Underlay(kernel, isOverlay)
    for (const [i, endpoint] of endpoints.entries()) underlay.setNode(`n${i}`, [endpoint])
    assert.deepEqual(underlay.observe(), expected)
  })
}

test('underlay: a path is looked up when its node changes, and all of them when the host did', () => {
  const asked: string[] = []
  let wide = 9000
  const kernel = {
    links: () => [link('wide', wide), link('narrow', 1400)],
    addresses: () => host.addresses,
    routes: () => host.routes,
    routeTo: (text: string) => {
      asked.push(text)
      return { link: text === '198.51.100.2' ? 'wide' : 'narrow', mtuBytes: 1500 }
    },
  }
  const underlay = new Underlay(kernel, () => false)
  const shrink = () => {
    wide = 8000
    underlay.refresh()
  }
  const steps: [what: string, act: () => void, lookups: number, mtu: number][] = [
    ['two nodes', () => ['2', '3'].map(n => underlay.setNode(n, [`198.51.100.${n}:1`])), 2, 9000],
    ['the same again', () => underlay.setNode('2', ['198.51.100.2:1']), 0, 9000],
    ['one that moves', () => underlay.setNode('2', ['198.51.100.4:1']), 1, 1400],
    ['one that comes back', () => underlay.setNode('2', ['198.51.100.2:1']), 1, 9000],
    ['one that goes', () => underlay.setNode('3', []), 0, 9000],
    ['another host', shrink, 1, 8000],
  ]
  for (const [what, act, lookups, mtu] of steps) {
    asked.length = 0
    act()
    assert.equal(underlay.observe().mtuBytes, mtu, what)
    assert.equal(asked.length, lookups, what)
  }
})
