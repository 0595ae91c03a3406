// wg-quick of wireguard-tools drives podwire unchanged, on both ends: it calls `podwire-device wg0` where the kernel has no
// WireGuard, and ends it by deleting the link. After `down` a host is as it was.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { exec } from '../../src/base/exec.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { debianWgQuick } from './debian-wg-quick.ts'
import { cli, configOf, dump, type End, endpointOf, makeEnds, onlyPeer, pingInner, wg, withTwoHosts } from './tunnel.ts'
import { until } from './until.ts'

interface Quick {
  readonly lab: Lab
  /** The configuration file of a host. */
  file(host: string): string
  /** `wg-quick VERB` on a host; what it printed. */
  run(host: string, verb: 'up' | 'down' | 'save' | 'strip', env?: Record<string, string>): Promise<string>
}

/** Runs a test in two hosts, with a folder of configurations and `podwire-device` as npm installs it. */
async function withQuick(word: string, run: (quick: Quick) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-wg-quick-test-'))
  try {
    for (const host of ['a', 'b']) mkdirSync(join(folder, host), { mode: 0o700 })
    const device = join(folder, 'podwire-device')
    symlinkSync(cli, device)
    const wgQuick = debianWgQuick(join(folder, 'debian'))
    const file = (host: string) => join(folder, host, 'wg0.conf')
    await withTwoHosts(word, async lab => {
      await run({
        lab,
        file,
        async run(host, verb, env = {}) {
          const variables = { WG_QUICK_USERSPACE_IMPLEMENTATION: device, ...env }
          const words = Object.entries(variables).map(([name, value]) => `${name}=${value}`)
          const { stdout } = await lab.exec(host, ['env', ...words, ...wgQuick, verb, file(host)])
          // The kernel ends the detection of duplicates from a work queue, which a busy machine is slow to serve.
          const tentative = ['ip', '-6', 'address', 'show', 'tentative'] as const
          if (verb === 'up') await until('its addresses', async () => !(await lab.exec(host, tentative)).stdout)
          return stdout
        },
      })
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Writes the file of an end: what wg(8) reads, with lines for wg-quick in its section of the interface. */
function writeConfig(quick: Quick, end: End, other: End, lines: readonly string[], peerLines: readonly string[] = []) {
  const addresses = `Address = 10.7.0.${end.number}/24, fd07::${end.number}/64`
  const interfaceLines = ['[Interface]', addresses, ...lines].join('\n')
  const text = configOf(end, other, peerLines).replace('[Interface]', interfaceLines)
  writeFileSync(quick.file(end.host), text, { mode: 0o600 })
}

/** All of a host that a device or wg-quick may leave something in. */
async function stateOf(lab: Lab, host: string): Promise<Record<string, string>> {
  const words = (command: string) => lab.exec(host, ['sh', '-c', command]).then(({ stdout }) => stdout)
  return {
    links: await words("ip -o link | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/'"),
    routes: await words('ip -4 route show table all; ip -6 route show table all'),
    rules: await words('ip -4 rule; ip -6 rule'),
    firewall: await words('nft list ruleset'),
    sockets: await words('ls /var/run/wireguard 2>/dev/null || true'),
    processes: (await exec(['ip', 'netns', 'pids', basename(lab.namespacePath(host))])).stdout,
  }
}

/** `down`, after which the host is as it was. The device ends by itself, a moment after its link. */
async function down(quick: Quick, host: string, before: Record<string, string>): Promise<void> {
  await quick.run(host, 'down')
  await until('the device ended', async () => (await stateOf(quick.lab, host)).processes === before.processes)
  assert.deepEqual(await stateOf(quick.lab, host), before)
}

test('wg-quick: up, traffic both ways, save, strip, SaveConfig, and down on both ends', async () => {
  await withQuick('quick', async quick => {
    const { lab } = quick
    const [a, b] = makeEnds()
    const before = { a: await stateOf(lab, 'a'), b: await stateOf(lab, 'b') }
    writeConfig(quick, a, b, ['MTU = 1380'], [`Endpoint = ${endpointOf(b)}`])
    writeConfig(quick, b, a, ['SaveConfig = true', 'PostUp = touch %i.up', 'PostDown = rm %i.up'])

    await quick.run('a', 'up')
    await quick.run('b', 'up')
    await pingInner(lab, a, b)
    await pingInner(lab, b, a)
    const mtuOf = async (host: string) => /mtu (\d+)/.exec((await lab.exec(host, ['ip', 'link', 'show', 'wg0'])).stdout)
    assert.deepEqual([(await mtuOf('a'))?.[1], (await mtuOf('b'))?.[1]], ['1380', '1420'])

    // The way of the manual to apply an edited file without ending sessions.
    const own = await dump(lab, 'a')
    assert.doesNotMatch(await quick.run('a', 'strip'), /Address|MTU/)
    await lab.exec('a', ['bash', '-c', `wg syncconf wg0 <(wg-quick strip ${quick.file('a')})`])
    assert.deepEqual(await dump(lab, 'a'), own)

    const added = publicKeyOf(generatePrivateKey())
    await wg(lab, 'a', 'set', 'wg0', 'peer', added, 'allowed-ips', '10.8.0.0/24')
    await quick.run('a', 'save')
    const withAdded = readFileSync(quick.file('a'), 'utf8')
    assert.ok(withAdded.includes('MTU = 1380\n') && withAdded.includes(`PublicKey = ${added}\n`), withAdded)

    await down(quick, 'b', before.b)
    const saved = readFileSync(quick.file('b'), 'utf8')
    assert.ok(saved.includes(`Endpoint = ${endpointOf(a)}\n`), 'b was never told where a is')
    await quick.run('b', 'up')
    await pingInner(lab, b, a)
    await down(quick, 'a', before.a)
    await down(quick, 'b', before.b)
    assert.equal(readFileSync(quick.file('b'), 'utf8'), saved)
  })
})

test('wg-quick: all traffic through the tunnel, by fwmark, rules and a table of its own', async () => {
  await withQuick('full', async quick => {
    const { lab } = quick
    const [a, b] = makeEnds()
    // The world behind b, and b's endpoint in it: without the mark, a's datagrams would go into their own tunnel.
    const world = { 4: '198.51.100.1', 6: '2001:db8:f::1' }
    const endpoint = '203.0.113.2'
    for (const address of [...Object.values(world), endpoint]) {
      await lab.exec('b', ['ip', 'address', 'add', address, 'dev', 'lo'])
    }
    await lab.exec('a', ['ip', 'route', 'add', 'default', 'via', '192.0.2.2'])
    const before = { a: await stateOf(lab, 'a'), b: await stateOf(lab, 'b') }
    writeConfig(quick, a, b, [], ['AllowedIPs = 0.0.0.0/0, ::/0', `Endpoint = ${endpoint}:${51820 + b.number}`])
    writeConfig(quick, b, a, [])

    await quick.run('b', 'up')
    await quick.run('a', 'up')
    const wayTo = async (...words: string[]) => (await lab.exec('a', ['ip', 'route', 'get', ...words])).stdout
    assert.match(await wayTo(world[4]), / dev wg0 /)
    assert.match(await wayTo(world[6]), / dev wg0 /)
    assert.match(
      await wayTo(endpoint, 'mark', await wg(lab, 'a', 'show', 'wg0', 'fwmark').then(text => text.trim())),
      / dev net /,
    )
    const { rx } = await onlyPeer(lab, 'b')
    for (const address of Object.values(world))
      await lab.exec('a', ['ping', '-c', '3', '-i', '0.05', '-W', '3', address])
    assert.ok((await onlyPeer(lab, 'b')).rx > rx)
    await down(quick, 'a', before.a)
    await down(quick, 'b', before.b)
  })
})

test('wg-quick: PODWIRE_DEVICE_OPTIONS reaches the device, and wrong ones are told', async () => {
  await withQuick('options', async quick => {
    const { lab } = quick
    const [a, b] = makeEnds()
    const before = await stateOf(lab, 'a')
    writeConfig(quick, a, b, [])
    await assert.rejects(quick.run('a', 'up', { PODWIRE_DEVICE_OPTIONS: '--no-such' }), /unknown option '--no-such'/)
    assert.deepEqual(await stateOf(lab, 'a'), before)
    await quick.run('a', 'up', { PODWIRE_DEVICE_OPTIONS: '--no-gso --threads 1' })
    const status = await lab.exec('a', [process.execPath, cli, 'device', 'status', 'wg0', '--json'])
    const { offloads } = JSON.parse(status.stdout).devices[0]
    assert.deepEqual([offloads.gso.state, offloads.gro.state], ['off', 'on'])
    await down(quick, 'a', before)
  })
})

test('wg-quick: down and up at once, again and again', async () => {
  await withQuick('again', async quick => {
    const [a, b] = makeEnds()
    const before = await stateOf(quick.lab, 'a')
    writeConfig(quick, a, b, [])
    for (let i = 0; i < 5; i++) {
      await quick.run('a', 'up')
      await quick.run('a', 'down')
    }
    await quick.run('a', 'up')
    await down(quick, 'a', before)
  })
})
