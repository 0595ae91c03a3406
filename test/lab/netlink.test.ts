// Links, addresses and routes, changed and listed through rtnetlink in a namespace given by its path, with iproute2 as
// the oracle of what the kernel has.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Links, RouteInfo } from '../../src/native/link.ts'
import { openLinks, watchHost } from '../../src/native/link.ts'
import { hasWireguard } from '../../src/native/wireguard-link.ts'
import { type Scratch, until, withScratch } from './scratch.ts'

interface IpLink {
  ifindex: number
  ifname: string
  mtu: number
  flags: string[]
  linkinfo?: { info_kind?: string }
}
interface IpAddress {
  ifname: string
  addr_info: { local: string; prefixlen: number; scope: string }[]
}
interface IpRoute {
  dst: string
  type?: string
  dev?: string
  gateway?: string
  metric?: number
  prefsrc?: string
  protocol: string
  metrics?: { mtu?: number }[]
}

const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)
/** Without what is undefined. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value))
/** The same whatever the order of the objects and of their properties. */
const ordered = (values: readonly object[]) =>
  values.map(value => Object.fromEntries(Object.entries(plain(value)).sort(byText))).sort(byText)

/** All that Links lists equals all that `ip -j` lists. */
async function assertSame(links: Links, { ip }: Scratch): Promise<void> {
  const ipLinks = ((await ip('-j -d link')) as IpLink[]).map(link => ({
    index: link.ifindex,
    name: link.ifname,
    kind: link.linkinfo?.info_kind,
    mtuBytes: link.mtu,
    up: link.flags.includes('UP'),
  }))
  assert.deepEqual(ordered(links.links()), ordered(ipLinks))
  const ipAddresses = ((await ip('-j addr')) as IpAddress[]).flatMap(({ ifname, addr_info }) =>
    addr_info.map(({ local, prefixlen, scope }) => ({ link: ifname, cidr: `${local}/${prefixlen}`, scope })),
  )
  assert.deepEqual(ordered(links.addresses()), ordered(ipAddresses))
  const ipRoutes = await Promise.all(
    ([4, 6] as const).map(async family => {
      const routes = ((await ip(`-N -j -${family} route show table main`)) ?? []) as IpRoute[]
      return routes.map(route => {
        const type =
          { undefined: 'unicast', unreachable: 'unreachable', '7': 'unreachable' }[String(route.type)] ?? 'other'
        const dst = route.dst === 'default' ? (family === 4 ? '0.0.0.0/0' : '::/0') : route.dst
        return {
          destination: dst.includes('/') ? dst : `${dst}/${family === 4 ? 32 : 128}`,
          type,
          ...(type === 'unicast' && { link: route.dev }),
          gateway: route.gateway,
          metric: route.metric ?? 0,
          mtuBytes: route.metrics?.[0]?.mtu,
          source: route.prefsrc,
          protocol: Number(route.protocol),
        }
      })
    }),
  )
  assert.deepEqual(ordered(links.routes()), ordered(ipRoutes.flat()))
}

type Put = Parameters<Links['putRoute']>[0]

test('netlink: each change is what iproute2 then sees, in both families', () =>
  withScratch(['a', 'b'], async ({ a, b }) => {
    await a.addLink('d0')
    await a.ip(`link add v0 type veth peer name v0 netns ${b.name}`)
    const links = openLinks(a.path)
    const route = (more: Partial<Put>): Put => ({
      destination: '10.99.0.0/16',
      type: 'unicast',
      link: 'd0',
      metric: 50,
      protocol: 112,
      ...more,
    })
    const unreachable = (destination: string): Put => ({
      destination,
      type: 'unreachable',
      metric: 4294967295,
      protocol: 112,
    })
    const steps: [string, () => void][] = [
      ['nothing', () => {}],
      ['up', () => links.setLink('d0', { up: true })],
      ['mtu', () => links.setLink('d0', { mtuBytes: 1412 })],
      ['up and mtu', () => links.setLink('v0', { up: true, mtuBytes: 1300 })],
      ['address', () => links.addAddress('d0', '10.99.1.1/24')],
      ['address again', () => links.addAddress('d0', '10.99.1.1/24')],
      ['IPv6 address', () => links.addAddress('d0', 'fd99:0:0:1::1/128')],
      ['host address', () => links.addAddress('lo', '127.0.0.2/32')],
      ['route', () => links.putRoute(route({ source: '10.99.1.1' }))],
      ['route with an MTU', () => links.putRoute(route({ mtuBytes: 1280 }))],
      ['route by a gateway', () => links.putRoute(route({ destination: '10.98.0.0/16', gateway: '10.99.1.9' }))],
      ['default route', () => links.putRoute(route({ destination: '0.0.0.0/0', metric: 7 }))],
      ['another metric', () => links.putRoute(route({ metric: 60 }))],
      ['unreachable', () => links.putRoute(unreachable('10.99.0.0/16'))],
      ['IPv6 route', () => links.putRoute(route({ destination: 'fd99::/48', source: 'fd99:0:0:1::1' }))],
      ['IPv6 route with an MTU', () => links.putRoute(route({ destination: 'fd99::/48', mtuBytes: 1280 }))],
      ['IPv6 by a gateway', () => links.putRoute(route({ destination: 'fd98::/48', link: 'v0', gateway: 'fe80::1' }))],
      ['IPv6 default route', () => links.putRoute(route({ destination: '::/0', metric: 9 }))],
      ['IPv6 unreachable', () => links.putRoute(unreachable('fd99::/48'))],
      ['unreachable again', () => links.putRoute(unreachable('fd99::/48'))],
      ['unicast in its place', () => links.putRoute(route({ destination: 'fd99::/48', metric: 4294967295 }))],
      ['unreachable in its place', () => links.putRoute(unreachable('fd99::/48'))],
      ['no route of another protocol', () => links.removeRoute({ ...route({ metric: 60 }), protocol: 4 })],
      ['no route', () => links.removeRoute(route({ metric: 60 }))],
      ['no route twice', () => links.removeRoute(route({ metric: 60 }))],
      ['no IPv6 route', () => links.removeRoute(route({ destination: 'fd99::/48' }))],
      ['no unreachable', () => links.removeRoute(unreachable('10.99.0.0/16'))],
      ['no IPv6 unreachable', () => links.removeRoute(unreachable('fd99::/48'))],
      ['no address', () => links.removeAddress('d0', '10.99.1.1/24')],
      ['no address twice', () => links.removeAddress('d0', '10.99.1.1/24')],
      ['no IPv6 address', () => links.removeAddress('d0', 'fd99:0:0:1::1/128')],
      ['down', () => links.setLink('d0', { up: false })],
      ['removed', () => links.deleteLink('d0')],
    ]
    const listing = () => JSON.stringify([links.links(), links.addresses(), links.routes()])
    for (const [name, step] of steps) {
      const before = listing()
      step()
      await assertSame(links, a).catch(error => assert.fail(`${name}: ${error.message}`))
      assert.equal(listing() === before, /^nothing$| again$| twice$| of another /.test(name), name)
    }
    links.close()
  }))

test('netlink: other tables are not listed, and unreachable routes keep their metric', () =>
  withScratch(['a'], async ({ a }) => {
    await a.addLink('d0')
    await a.ip('link set d0 up')
    await a.ip('route add 10.1.0.0/16 dev d0 table 77')
    await a.ip('-6 route add fd01::/48 dev d0 table 77')
    await a.ip('route add unreachable 10.2.0.0/16 metric 4294967295 proto 112')
    await a.ip('-6 route add unreachable fd02::/48 metric 4294967295 proto 112')
    await a.ip('route add blackhole 10.3.0.0/16')
    const links = openLinks(a.path)
    const routes = links.routes().filter(route => route.protocol !== 2)
    assert.deepEqual(
      plain(routes).map(({ destination, type, metric, link }: RouteInfo) => [destination, type, metric, link]),
      [
        ['10.2.0.0/16', 'unreachable', 4294967295, undefined],
        ['10.3.0.0/16', 'other', 0, undefined],
        ['fd02::/48', 'unreachable', 4294967295, undefined],
      ],
    )
    links.close()
  }))

test('netlink: the way to an address, with its source and MTU', () =>
  withScratch(['a'], async ({ a }) => {
    await a.addLink('d0')
    await a.ip('link set d0 up mtu 1400')
    await a.ip('addr add 10.1.0.1/24 dev d0')
    await a.ip('addr add fd01::1/64 dev d0')
    await a.ip('route add 10.2.0.0/16 dev d0 mtu 1300')
    await a.ip('-6 route add fd02::/48 dev d0 mtu 1290')
    for (const kind of ['unreachable', 'prohibit', 'blackhole']) {
      await a.ip(`route add ${kind} 10.${kind.length}.0.0/16`)
      await a.ip(`-6 route add ${kind} fd${kind.length}::/48`)
    }
    const links = openLinks(a.path)
    const cases: [string, ReturnType<Links['routeTo']>][] = [
      ['10.1.0.9', { link: 'd0', source: '10.1.0.1', mtuBytes: 1400 }],
      ['10.2.0.9', { link: 'd0', source: '10.1.0.1', mtuBytes: 1300 }],
      ['fd01::9', { link: 'd0', source: 'fd01::1', mtuBytes: 1400 }],
      ['fd02::9', { link: 'd0', source: 'fd01::1', mtuBytes: 1290 }],
      ['127.0.0.1', { link: 'lo', source: '127.0.0.1', mtuBytes: 65536 }],
      ['10.11.0.1', undefined],
      ['10.8.0.1', undefined],
      ['10.9.0.1', undefined],
      ['fd11::1', undefined],
      ['fd8::1', undefined],
      ['fd9::1', undefined],
      ['192.0.2.1', undefined],
      ['2001:db8::1', undefined],
    ]
    for (const [address, path] of cases)
      assert.deepEqual(plain({ path: links.routeTo(address) }), plain({ path }), address)
    links.close()
  }))

test("netlink: a refusal says what was tried and the kernel's own words", () =>
  withScratch(['a'], async ({ a }) => {
    const links = openLinks(a.path)
    const put = { destination: '10.1.0.0/16', type: 'unicast', link: 'lo', metric: 1, protocol: 112 } as const
    const cases: [() => void, RegExp][] = [
      [
        () => links.putRoute({ ...put, gateway: '192.0.2.1' }),
        /the route 10\.1\.0\.0\/16: .*\(Nexthop has invalid gateway\)/,
      ],
      [() => links.putRoute({ ...put, source: '192.0.2.1' }), /the route 10\.1\.0\.0\/16: Invalid argument/],
      [() => links.setLink('none', { up: true }), /the link none: No such device/],
      [() => links.setLink('lo', { mtuBytes: 4294967295 }), /the link lo: /],
      [() => links.deleteLink('lo'), /removing the link lo: Operation not supported/],
    ]
    for (const [run, message] of cases) assert.throws(run, { code: 'ERR_PODWIRE_SYSTEM', message })
    links.close()
  }))

test('netlink: without rights a change says that it needs root', () =>
  withScratch(['a'], async ({ a }) => {
    const url = new URL('../../src/native/link.js', import.meta.url).href
    const script = `
      import { openLinks } from '${url}'
      const links = openLinks()
      process.setuid(65534)
      try { links.setLink('lo', { up: false }) } catch (error) { console.log(error.code, error.message) }`
    const command = ['netns', 'exec', a.name, process.execPath, '--input-type=module', '-e', script]
    const { stdout } = spawnSync('ip', command, { encoding: 'utf8' })
    assert.match(stdout, /^ERR_PODWIRE_NEEDS_ROOT changing the link lo needs root/)
  }))

test('netlink: a watch tells of links, addresses, routes and our table, ends when told, and keeps no process alive', () =>
  withScratch(['a'], async ({ a }) => {
    let calls = 0
    const stop = watchHost(() => calls++, { namespacePath: a.path })
    const steps = [
      'link add d0 type veth peer name d1',
      'link set d0 up',
      'addr add 10.1.0.1/24 dev d0',
      'route add 10.2.0.0/16 dev d0',
      'link delete d0',
    ]
    for (const step of steps) {
      const before = calls
      await a.ip(step)
      await until(`told of ${step}`, () => calls > before)
    }
    for (const step of ['add table inet podwire-wg0', 'add chain inet podwire-wg0 c', 'flush ruleset']) {
      const before = calls
      await a.run(`nft ${step}`)
      await until(`told of nft ${step}`, () => calls > before)
    }
    const before = calls
    await a.run('nft add table inet other')
    await a.run('nft add chain inet other c')
    await a.run('nft add table inet podwire-wg0')
    await until('told of our table', () => calls > before)
    assert.equal(calls, before + 1, 'a table of others is not told of')
    stop()
    const url = new URL('../../src/native/link.js', import.meta.url)
    const script = `import { watchHost } from '${fileURLToPath(url)}'; watchHost(() => {}); console.log('watching')`
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 10_000,
    })
    assert.deepEqual([stdout, status], ['watching\n', 0])
  }))

test("netlink: a watch leaves out what we ask for ourselves, and tells podwire's from the rest", () =>
  withScratch(['a'], async ({ a }) => {
    await a.ip('link add d0 type veth peer name d1')
    await a.ip('link set d0 up')
    await a.ip('link set d1 up')
    await a.ip('addr add 10.1.0.1/24 dev d0')
    const links = openLinks(a.path)
    const told: string[] = []
    const stop = watchHost(({ ours, others }) => told.push(`${ours ? 'ours' : ''}${others ? 'others' : ''}`), {
      own: links,
      namespacePath: a.path,
    })
    const prefixes = ['10.2.0.0/16', 'fd77::/64']
    const change = () => {
      for (const destination of prefixes) {
        links.putRoute({ destination, type: 'unicast', link: 'd0', metric: 50, protocol: 112 })
        links.removeRoute({ destination, type: 'unicast', metric: 50, protocol: 112 })
      }
      links.addAddress('d0', '10.3.0.1/32')
      links.removeAddress('d0', '10.3.0.1/32')
    }
    // A link's carrier is told of when it pleases the kernel: `others` may come at any time.
    const steps: [step: string, kind: 'ours' | 'others'][] = [
      ['route add 10.4.0.0/16 dev d0 proto 112', 'ours'],
      ['-6 route add fd78::/64 dev d0 proto 112', 'ours'],
      ['route delete 10.4.0.0/16', 'ours'],
      ['route add 10.5.0.0/16 dev d0', 'others'],
      ['addr add 10.6.0.1/24 dev d0', 'others'],
    ]
    for (const [step, kind] of steps) {
      told.length = 0
      change()
      await a.ip(step)
      await until(`told of ${step}`, () => told.some(text => text.includes(kind)))
      if (kind === 'others') assert.ok(!told.some(text => text.includes('ours')), `${step}: ${told}`)
    }
    stop()
    links.close()
  }))

test('netlink: a listing is whole while the table changes under it', () =>
  withScratch(['a'], async ({ a }) => {
    const lines = Array.from({ length: 2000 }, (_, i) => `addr add 10.1.${i >> 8}.${i & 255}/32 dev lo`)
    await a.run('ip -batch -', lines.join('\n'))
    const links = openLinks(a.path)
    let changing = true
    const changeOne = async (third: number) => {
      for (let i = 0; i < 40; i++) await a.ip(`addr ${i % 2 === 0 ? 'add' : 'delete'} 10.2.${third}.1/32 dev lo`)
    }
    const change = Promise.all([1, 2, 3].map(changeOne)).finally(() => {
      changing = false
    })
    for (let listings = 0; changing || listings < 3; listings++) {
      const cidrs = links.addresses().flatMap(({ cidr }) => (cidr.startsWith('10.1.') ? [cidr] : []))
      assert.deepEqual([cidrs.length, new Set(cidrs).size], [2000, 2000])
      await new Promise(setImmediate)
    }
    await change
    links.close()
  }))

test('links: a WireGuard device is made where the kernel has it; else, and where the name is taken, nothing is', async () => {
  await withScratch(['wg'], async ({ wg }) => {
    await wg.addLink('taken')
    const links = openLinks(wg.path)
    const kinds = () => links.links().map(({ name, kind }) => `${name} ${kind}`)
    const before = kinds()
    assert.throws(() => links.createWireguard('taken'), { code: 'ERR_PODWIRE_NAME_IN_USE' })
    assert.deepEqual(kinds(), before)
    if (hasWireguard()) links.createWireguard('wg0')
    else assert.throws(() => links.createWireguard('wg0'), { code: 'ERR_PODWIRE_NO_KERNEL_WIREGUARD' })
    assert.deepEqual(kinds(), [...before, ...(hasWireguard() ? ['wg0 wireguard'] : [])])
    links.close()
  })
})
