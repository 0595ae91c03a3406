// A host's state applied and observed again in a real namespace.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostState } from '../../src/model/host-state.ts'
import { differenceOf } from '../../src/plan/difference.ts'
import { observeHost } from '../../src/system/observe.ts'
import { withScratch } from './scratch.ts'
import { bring, full, hostIn, rulesOf } from './system-host.ts'

test('system: a state applied is the state observed, and from there each change is one change', () =>
  withScratch(['host'], async ({ host: scratch }) => {
    await scratch.addLink('wg0')
    const host = hostIn(scratch)
    await bring(host, full)
    assert.deepEqual(differenceOf(full, await observeHost(host)), [])
    assert.deepEqual(await bring(host, full), [], 'nothing is done twice')
    assert.equal(host.device.requests.length, 2, 'the port, and all peers in one request')

    const handles = async () => (await rulesOf(scratch)).map(({ chain, handle }) => `${chain} ${handle}`)
    const before = await handles()
    const { device, routes, firewall } = full
    const [second, third] = device.peers
    assert.ok(second && third)
    const steps: [string, HostState, string[]][] = [
      [
        'a share more',
        { ...full, firewall: { ...firewall, shares: [...firewall.shares, '172.20.0.0/16'] } },
        ['firewall'],
      ],
      ['a share less', full, ['firewall']],
      ['a wider share', { ...full, firewall: { ...firewall, shares: ['192.168.0.0/16', 'fd77::/64'] } }, ['firewall']],
      ['a narrower share', full, ['firewall']],
      ['an address more', { ...full, addresses: [...full.addresses, '10.99.1.254/32'] }, ['addAddress']],
      ['an address less', full, ['removeAddress']],
      ['a route less', { ...full, routes: routes.slice(0, 5) }, ['removeRoute']],
      ['a route more', full, ['putRoute']],
      ['an unreachable route less', { ...full, routes: routes.slice(1) }, ['removeRoute']],
      ['an unreachable route more', full, ['putRoute']],
      [
        'another route MTU',
        { ...full, routes: routes.map(r => (r.mtuBytes ? { ...r, mtuBytes: 1300 } : r)) },
        ['putRoute'],
      ],
      ['the first route MTU', full, ['putRoute']],
      ['another MTU', { ...full, device: { ...device, mtuBytes: 1280 } }, ['link']],
      ['the first MTU', full, ['link']],
      ['a peer less', { ...full, device: { ...device, peers: [second] } }, ['peer']],
      ['a peer more', full, ['peer']],
      [
        'an AllowedIP moved',
        {
          ...full,
          device: {
            ...device,
            peers: [
              { ...second, allowedIps: ['10.99.2.0/24', '10.99.3.0/24'] },
              { ...third, allowedIps: ['fd99:0:0:3::/64'] },
            ],
          },
        },
        ['peer'],
      ],
      ['and back', full, ['peer']],
    ]
    for (const [name, desired, kinds] of steps) {
      assert.deepEqual(await bring(host, desired), kinds, name)
      assert.deepEqual(differenceOf(desired, await observeHost(host)), [], name)
      assert.deepEqual(await handles(), before, `${name}: the rules stay`)
    }

    await scratch.ip('link set wg0 down')
    assert.deepEqual((await bring(host, full))[0], 'link', 'a link that went down is brought up, its routes put back')
    assert.deepEqual(differenceOf(full, await observeHost(host)), [])
    const { publicKey, ...keyless } = device
    const nothing = {
      device: { ...keyless, peers: [] },
      addresses: [],
      routes: [],
      firewall: { ...firewall, overlay: [], shares: [] },
    }
    await bring(host, nothing)
    assert.deepEqual(differenceOf(nothing, await observeHost(host)), [])
    await scratch.ip('link delete wg0')
    await assert.rejects(observeHost(host), { code: 'ERR_PODWIRE_SYSTEM', message: /link wg0: No such device/ })
    host.links.close()
  }))

test('system: what was done to the table by hand is found and put in order, once', () =>
  withScratch(['host'], async ({ host: scratch }) => {
    await scratch.addLink('wg0')
    const host = hostIn(scratch)
    await bring(host, full)
    const [first] = await rulesOf(scratch)
    const deeds: [string, string, number][] = [
      ['a rule removed', `delete rule inet podwire-wg0 ${first?.chain} handle ${first?.handle}`, 1],
      ['a rule added', 'insert rule inet podwire-wg0 forward accept', 1],
      ['a chain flushed', 'flush chain inet podwire-wg0 output', 1],
      ['the table removed', 'delete table inet podwire-wg0', 1],
      ['everything flushed', 'flush ruleset', 1],
      ['an element removed', 'delete element inet podwire-wg0 overlay4 { 10.99.0.0/16 }', 1],
      ['an element added', 'add element inet podwire-wg0 shares4 { 10.8.0.0/16 }', 1],
      ['a range added', 'add element inet podwire-wg0 shares4 { 10.8.0.1-10.8.0.6 }', 1],
    ]
    for (const [name, deed, count] of deeds) {
      await scratch.run('nft -f -', deed)
      assert.deepEqual(await bring(host, full), Array(count).fill('firewall'), name)
      assert.deepEqual(differenceOf(full, await observeHost(host)), [], name)
    }
    const before = await rulesOf(scratch)
    await assert.rejects(host.nftables.run('flush table inet podwire-wg0\nnonsense\n'), {
      code: 'ERR_PODWIRE_COMMAND_FAILED',
    })
    assert.deepEqual(await rulesOf(scratch), before, 'a transaction with an error changes nothing')
    await scratch.run('nft -f -', 'table inet other { chain c { }; }')
    await bring(host, { ...full, firewall: { ...full.firewall, device: 'wg1' } })
    assert.match(await scratch.run('nft list tables'), /table inet other/)
    host.links.close()
  }))

test('system: forwarding is prepared once, and only links that took router advertisements go on taking them', () =>
  withScratch(['host'], async ({ host }) => {
    for (const name of ['wg0', 'pw0', 'eth0', 'eth1']) await host.addLink(name)
    await host.run('sysctl -qw net.ipv6.conf.eth1.accept_ra=0 net.ipv4.conf.all.rp_filter=1')
    const url = new URL('../../src/system/sysctl.js', import.meta.url).href
    const script = `import { prepareForwarding } from '${url}'
      console.log(JSON.stringify([await prepareForwarding('wg0'), await prepareForwarding('wg0')]))`
    const [first, again] = JSON.parse(await host.run(`${process.execPath} --input-type=module -`, script))
    const ends = ['eth0', 'eth0-end', 'eth1-end', 'wg0-end'].map(name => `ipv6/conf/${name}/accept_ra=2`)
    const rest = ['ipv4/conf/wg0/rp_filter=2', 'ipv4/ip_forward=1', 'ipv6/conf/all/forwarding=1']
    assert.deepEqual(first.sort(), [...rest, ...ends].sort())
    assert.deepEqual(again, [])
    const values = await host.run(
      'sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv6.conf.pw0.accept_ra',
    )
    assert.equal(values, '1\n1\n1\n')
  }))
