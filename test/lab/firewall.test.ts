// The leaks that the firewall of a host must stop, in real namespaces.
//
//   container --eth0 / pw0-- host --eth0-- outside        wg0 of the host is a link that leads nowhere: what it would
//                              \--wg0                     encrypt is only counted. The Device behind it is in memory.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Host } from '../../src/system/host.ts'
import { type Scratch, until, withScratch } from './scratch.ts'
import { bring, full, hostIn, rulesOf } from './system-host.ts'

/** The packets that the rules of a chain dropped; only of the rules that have `text` in them, if it is given. */
async function dropped(scratch: Scratch, chain: string, text = ''): Promise<number> {
  const rules = (await rulesOf(scratch)).filter(rule => rule.chain === chain && JSON.stringify(rule).includes(text))
  return rules.flatMap(({ expr }) => expr.map(({ counter }) => counter?.packets ?? 0)).reduce((a, b) => a + b, 0)
}

type Place = 'host' | 'outside' | 'container'

/** Wires the drawing above, with the host's state applied. */
async function wire({ host, outside, container }: Record<Place, Scratch>): Promise<Host> {
  await host.addLink('wg0')
  await host.run('sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1')
  await host.ip(`link add eth0 type veth peer name eth0 netns ${outside.name}`)
  await host.ip(`link add pw0 type veth peer name eth0 netns ${container.name}`)
  const lines: Record<Place, string[]> = {
    host: [
      'link set eth0 up',
      'link set pw0 up',
      'addr add 192.0.2.1/24 dev eth0',
      'addr add 2001:db8::1/64 dev eth0',
      'addr add fe80::1/64 dev pw0',
      'route add default via 192.0.2.9',
      '-6 route add default via 2001:db8::9',
      'route add 10.99.1.2/32 dev pw0',
      '-6 route add fd99:0:0:1::2/128 dev pw0',
    ],
    outside: [
      'link set eth0 up',
      'addr add 192.0.2.9/24 dev eth0',
      'addr add 2001:db8::9/64 dev eth0',
      'route add default via 192.0.2.1',
      '-6 route add default via 2001:db8::1',
    ],
    container: [
      'link set eth0 up',
      'addr add 10.99.1.2/32 dev eth0',
      'addr add fd99:0:0:1::2/128 dev eth0',
      'addr add fe80::2/64 dev eth0',
      'route add default via 10.99.1.1 dev eth0 onlink',
      '-6 route add default via fe80::1 dev eth0',
    ],
  }
  for (const [place, commands] of Object.entries(lines)) {
    for (const command of commands) await { host, outside, container }[place as Place].ip(command)
  }
  const opened = hostIn(host)
  await bring(opened, full)
  return opened
}

/** One echo request; whether it was answered. Options: who expects no answer need not wait for it. */
function ping(from: Scratch, to: string, ...options: string[]): Promise<boolean> {
  const command = ['ping', '-n', '-q', '-c1', '-W5', ...options, to].join(' ')
  return from.run(command).then(
    () => true,
    () => false,
  )
}

const overlayTargets = ['10.99.5.9', 'fd99:0:0:5::9', '192.168.77.9', 'fd77::9']

/** Counts, outside, what has an address of the network in it. */
async function countLeaks(outside: Scratch): Promise<() => Promise<number>> {
  const matches = ['ip daddr { 10.99.0.0/16, 192.168.77.0/24 }', 'ip6 daddr { fd99::/48, fd77::/64 }']
  const rules = matches.map(match => `${match} counter name leaked;`).join(' ')
  const chain = `chain c { type filter hook prerouting priority -400; ${rules} }`
  await outside.run('nft -f -', `table inet count { counter leaked { }; ${chain}; }`)
  return async () => {
    const { nftables } = JSON.parse(await outside.run('nft -j list counters table inet count'))
    return nftables.find((entry: { counter?: unknown }) => entry.counter).counter.packets
  }
}

test('system: planted routes leak nothing, forwarded, of the host itself, or redirected; without the table they do', () =>
  withScratch(['host', 'outside', 'container'], async places => {
    const { host, outside, container } = places
    const opened = await wire(places)
    const leaked = await countLeaks(outside)
    for (const [source, to] of [
      [container, '192.0.2.1'],
      [container, '2001:db8::1'],
      [host, '192.0.2.9'],
      [host, '2001:db8::9'],
    ] as const) {
      assert.ok(await ping(source, to), `${source.name} reaches ${to}`)
    }
    assert.equal(await leaked(), 0)
    for (const target of overlayTargets)
      await host.ip(`route add ${target} via ${target.includes(':') ? '2001:db8::9' : '192.0.2.9'}`)
    const redirects = overlayTargets.map((target, i) =>
      target.includes(':')
        ? `ip6 daddr 2001:db8:f::${i} dnat ip6 to ${target}`
        : `ip daddr 203.0.113.${i} dnat ip to ${target}`,
    )
    const hooks = ['prerouting', 'output'].map(
      hook => `chain ${hook} { type nat hook ${hook} priority -100; ${redirects.join('; ')}; }`,
    )
    await host.run('nft -f -', `table inet nat { ${hooks.join('; ')}; }`)

    const attempts = overlayTargets.flatMap((target, i): [Scratch, string, string][] => {
      const redirected = target.includes(':') ? `2001:db8:f::${i}` : `203.0.113.${i}`
      return [container, host].flatMap((source): [Scratch, string, string][] => [
        [source, target, target],
        [source, redirected, `${redirected}, redirected to ${target}`],
      ])
    })
    for (const [source, to, name] of attempts) {
      const before = await dropped(host, 'leaving')
      await ping(source, to, '-W0.05')
      await until(`${source.name} to ${name} is dropped`, async () => (await dropped(host, 'leaving')) > before)
      assert.equal(await leaked(), 0, `${source.name} to ${name} leaked`)
    }

    // The counter can count, and the routes would lead there: each attempt leaks once the table is gone.
    await host.run('nft delete table inet podwire-wg0')
    for (const [source, to, name] of attempts) {
      const before = await leaked()
      await ping(source, to, '-W0.05')
      await until(`${source.name} to ${name} leaks without the table`, async () => (await leaked()) > before)
    }
    opened.links.close()
  }))

test('system: what this host redirects to the network leaves by the device, though its first route was another', () =>
  withScratch(['host', 'outside', 'container'], async places => {
    const { host } = places
    const opened = await wire(places)
    const rules = 'ip daddr 203.0.113.1 dnat ip to 10.99.2.9; ip6 daddr 2001:db8:f::1 dnat ip6 to fd99:0:0:3::9'
    await host.run('nft -f -', `table inet nat { chain output { type nat hook output priority -100; ${rules}; }; }`)
    await host.ip('neigh add 10.99.2.9 lladdr 02:00:00:00:00:09 dev wg0')
    await host.ip('neigh add fd99:0:0:3::9 lladdr 02:00:00:00:00:09 dev wg0')
    const sent = async () =>
      ((await host.ip('-s -j link show wg0')) as { stats64: { tx: { packets: number } } }[])[0]?.stats64.tx.packets ?? 0
    for (const to of ['203.0.113.1', '2001:db8:f::1']) {
      const [before, drops] = [await sent(), await dropped(host, 'leaving')]
      await ping(host, to, '-W0.05')
      await until(`${to} leaves by the device`, async () => (await sent()) > before)
      assert.equal(await dropped(host, 'leaving'), drops)
    }
    opened.links.close()
  }))

test('system: a container reaches the outside masqueraded, or not at all', () =>
  withScratch(['host', 'outside', 'container'], async places => {
    const { host, container } = places
    const opened = await wire(places)
    for (const [to, masquerade] of [
      ['192.0.2.9', 'ip saddr 10.99.0.0/16 masquerade'],
      ['2001:db8::9', 'ip6 saddr fd99::/48 masquerade'],
    ] as const) {
      const before = await dropped(host, 'unmasked')
      assert.equal(await ping(container, to, '-W0.05'), false)
      await until(`what goes to ${to} is dropped`, async () => (await dropped(host, 'unmasked')) > before)
      const chain = `chain c { type nat hook postrouting priority 100; oifname "eth0" ${masquerade}; }`
      await host.run('nft -f -', `table inet nat { ${chain}; }`)
      assert.ok(await ping(container, to), `masqueraded, ${to} answers`)
      await host.run('nft delete table inet nat')
    }
    opened.links.close()
  }))

test('system: a container speaks only from its own addresses, and only the device brings the network in', () =>
  withScratch(['host', 'outside', 'container'], async places => {
    const { host, outside, container } = places
    const opened = await wire(places)
    for (const cidr of ['10.99.1.77/32', '10.99.2.77/32', '192.0.2.77/32', 'fd99:0:0:1::77/128', '2001:db8::77/128']) {
      await container.ip(`addr add ${cidr} dev lo`)
    }
    for (const cidr of ['10.99.2.66/32', '192.168.77.66/32', 'fd99:0:0:2::66/128', 'fd77::66/128']) {
      await outside.ip(`addr add ${cidr} dev lo`)
    }
    const fine: [Scratch, string, string][] = [
      [container, '10.99.1.2', '192.0.2.1'],
      [container, 'fd99:0:0:1::2', '2001:db8::1'],
      [outside, '192.0.2.9', '192.0.2.1'],
      [outside, '2001:db8::9', '2001:db8::1'],
      [host, '10.99.1.1', '10.99.1.2'],
      [host, 'fd99:0:0:1::1', 'fd99:0:0:1::2'],
    ]
    const spoofed: [source: Scratch, from: string, to: string, chain: string, rule: string][] = [
      [container, '10.99.1.77', '192.0.2.1', 'container', '"fib"'],
      [container, '10.99.2.77', '192.0.2.1', 'container', '"fib"'],
      [container, '192.0.2.77', '192.0.2.1', 'container', '"fib"'],
      [container, 'fd99:0:0:1::77', '2001:db8::1', 'container', '"fib"'],
      [container, '2001:db8::77', '2001:db8::1', 'container', '"fib"'],
      [container, 'eth0', 'fe80::1%eth0', 'container', 'fe80::'],
      [outside, '10.99.2.66', '192.0.2.1', 'arriving', ''],
      [outside, '192.168.77.66', '192.0.2.1', 'arriving', ''],
      [outside, 'fd99:0:0:2::66', '2001:db8::1', 'arriving', ''],
      [outside, 'fd77::66', '2001:db8::1', 'arriving', ''],
    ]
    for (const [source, from, to] of fine) assert.ok(await ping(source, to, '-I', from), `${from} to ${to}`)
    // By rule: reports of multicast groups, from link-local addresses, are dropped in the container's chain at any time.
    assert.equal((await dropped(host, 'container', '"fib"')) + (await dropped(host, 'arriving')), 0)
    for (const [source, from, to, chain, rule] of spoofed) {
      const before = await dropped(host, chain, rule)
      assert.equal(await ping(source, to, '-W0.05', '-I', from), false, `${from} to ${to}`)
      await until(`${from} to ${to} is dropped in ${chain}`, async () => (await dropped(host, chain, rule)) > before)
    }
    // From 0.0.0.0, as a host without an address: the container is told nothing and asks everyone.
    await container.ip('-4 addr flush dev eth0')
    await container.ip('-4 addr flush dev lo')
    await container.ip('route add 255.255.255.255/32 dev eth0')
    const script = `const socket = (await import('node:dgram')).createSocket('udp4')
      socket.bind(68, () => { socket.setBroadcast(true); socket.send('x', 67, '255.255.255.255', () => socket.close()) })`
    await container.run(`${process.execPath} --input-type=module -`, script)
    await until('0.0.0.0 is dropped', async () => (await dropped(host, 'container', '0.0.0.0')) > 0)
    for (const [source, from, to] of fine.slice(2, 4))
      assert.ok(await ping(source, to, '-I', from), `${from} to ${to} still`)
    opened.links.close()
  }))
