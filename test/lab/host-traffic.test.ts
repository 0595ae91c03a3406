// A network that encrypts what its hosts send one another: a capture of the LAN between them while they send a canary to each
// other's own addresses, through all that could lock one of them out.

import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { judgeCapture, startCapture } from '../../src/lab/capture.ts'
import type { CaptureReport } from '../../src/lab/leaks.ts'
import { formatNetworkConfig } from '../../src/model/network-config.ts'
import { device, Mesh, overlay } from './mesh.ts'
import { until } from './until.ts'

const limit = { timeout: 120_000 }
const probe = fileURLToPath(new URL('./probe.js', import.meta.url))
const canary = 'podwire-canary-3'
const addresses = { a: ['192.0.2.1', '2001:db8::1'], b: ['192.0.2.2', '2001:db8::2'] }

let mesh: Mesh
before(async () => {
  mesh = await Mesh.start('host-traffic', { hosts: ['a', 'b', 'c'] })
  const nodePrefixLength = { ipv4: 24, ipv6: 64 }
  const network = { name: 'hosts', range: overlay, nodePrefixLength, hostTraffic: 'encrypted' } as const
  writeFileSync(join(mesh.storeFolder, 'network.json'), formatNetworkConfig(network))
  for (const host of ['a', 'b']) {
    await mesh.startAgent(host, ...sixth(host))
    await mesh.lab.attachContainer(host, 'box', mesh.boxAddresses(host))
    const server = mesh.lab.spawn(host, [process.execPath, probe, 'serve', 'tcp/7000', 'udp/7000', 'tcp/22'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise(resolve => server.stdout?.once('data', resolve))
  }
  // Before they know each other they are strangers, and speak in clear.
  for (const host of ['a', 'b']) await until(`${host} has its peer`, async () => (await mesh.peers(host)).size === 1)
})
after(() => mesh[Symbol.asyncDispose]())

/** Its IPv6 address as an endpoint, too. */
function sixth(host: string): string[] {
  return host === 'a' || host === 'b' ? ['--endpoint', `[${addresses[host][1]}]:51820`] : []
}

async function captureDuring(name: string, run: () => Promise<void>): Promise<CaptureReport> {
  const file = join(mesh.folder, `${name}.pcap`)
  const capture = await startCapture(mesh.lab, 'a', 'wan', file)
  await run()
  const { dropped } = await capture.stop()
  assert.equal(dropped, 0)
  return await judgeCapture(file, { prefixes: overlay, canaries: [Buffer.from(canary)] })
}

/** How many of some pings, with the canary in them, are answered. */
async function answered(from: string, to: string): Promise<number> {
  const ping = `ping -q -c 3 -i 0.05 -W 0.5 -p ${Buffer.from(canary).toString('hex')} ${to}; true`
  const { stdout } = await mesh.lab.exec(from, ['sh', '-c', ping])
  return Number(/ (\d+) received/.exec(stdout)?.[1])
}

async function connected(...hosts: ('a' | 'b')[]): Promise<void> {
  for (const from of hosts) {
    for (const to of addresses[from === 'a' ? 'b' : 'a']) {
      await until(`${from} reaches ${to}`, async () => (await answered(from, to)) === 3)
    }
  }
}

async function cutOff(): Promise<void> {
  for (const to of addresses.b) assert.equal(await answered('a', to), 0)
}

async function answers(from: string, targets: readonly string[]): Promise<string[]> {
  const { stdout } = await mesh.lab.exec(from, [process.execPath, probe, 'try', JSON.stringify(targets)])
  return JSON.parse(stdout)
}

async function reachable(from: string, to: string): Promise<void> {
  await until(`${from} reaches ${to} by SSH`, async () => (await answers(from, [`tcp/22 ${to}`])).length === 1)
}

test(
  'host traffic: hosts and containers reach the addresses of other hosts, and nothing of it is in clear',
  limit,
  async () => {
    const report = await captureDuring('works', async () => {
      await connected('a', 'b')
      for (const to of addresses.b)
        await until(`the container reaches ${to}`, async () => (await answered('a/box', to)) === 3)
      const targets = addresses.b.flatMap(to => [`tcp/7000 ${to}`, `udp/7000 ${to}`])
      await until('TCP and UDP reach it', async () => (await answers('a', targets)).length === targets.length, 20)
    })
    assert.deepEqual(report.violations.slice(0, 5), [])
    assert.ok(report.messages.data > 20)
  },
)

const lost: [name: string, run: () => Promise<void>][] = [
  [
    'the device gone, and no agent',
    async () => {
      await mesh.agent('a').end('SIGKILL')
      await mesh.lab.exec('a', ['ip', 'link', 'delete', device])
      await cutOff()
      await reachable('a', '192.0.2.2')
      await reachable('b', '192.0.2.1')
      await mesh.startAgent('a', ...sixth('a'))
      await connected('a', 'b')
    },
  ],
  [
    'a key lost, and the node removed and joined again',
    async () => {
      await mesh.agent('b').end('SIGKILL')
      await mesh.lab.exec('b', ['ip', 'link', 'delete', device])
      rmSync(join(mesh.folder, 'state-b'), { recursive: true })
      await cutOff()
      assert.match(await mesh.refusal('b', mesh.command('b', ...sixth('b'))), /ERR_PODWIRE_NODE_NAME_TAKEN/)
      await reachable('a', '192.0.2.2')
      // Under another name, as nobody took it out: the old record's address is the new one's, too, and so nobody's.
      rmSync(join(mesh.storeFolder, 'nodes', 'b.json'))
      await mesh.startAgent('b', ...sixth('b'))
      await until('a has read it', async () => (await mesh.peers('a')).size === 1)
      await connected('a', 'b')
    },
  ],
]
for (const [name, run] of lost) {
  test(`host traffic: ${name}: SSH stays, and all else is cut off until it is back`, limit, async () => {
    const { violations } = await captureDuring(name.slice(0, 5).trim().replaceAll(' ', '-'), run)
    // While b was no node, and neither were its addresses: what it and a said then was between strangers.
    assert.deepEqual(name.startsWith('a key') ? [] : violations.slice(0, 5), [])
  })
}

test('host traffic: rules flushed by hand come back; what comes in clear from a node is dropped', limit, async () => {
  await mesh.lab.exec('a', ['nft', 'flush', 'ruleset'])
  await until('they are back', async () => {
    const { stdout } = await mesh.lab.exec('a', ['nft', 'list', 'tables'])
    return stdout.includes('podwire-hosts-podwire0')
  })
  await connected('a', 'b')
  await mesh.agent('b').end('SIGTERM')
  await mesh.lab.exec('b', ['nft', 'delete', 'table', 'inet', 'podwire-hosts-podwire0'])
  assert.deepEqual(await answers('b', ['tcp/7000 192.0.2.1']), [])
  const { violations } = await captureDuring('clear', async () => {
    assert.equal(await answered('b', '192.0.2.1'), 0)
  })
  assert.equal(violations.length, 3, 'and the capture sees what is in clear')
  await mesh.startAgent('b', ...sixth('b'))
  await connected('b')
})

test('host traffic: a fresh node gets in; one whose peers are all gone reaches everybody', limit, async () => {
  await until('a stranger reaches a', async () => (await answered('c', '192.0.2.1')) === 3)
  await (await mesh.startAgent('c')).said('own record written')
  const { violations } = await captureDuring('fresh', async () => {
    await until('c reaches a', async () => (await answered('c', '192.0.2.1')) === 3)
  })
  assert.deepEqual(violations, [])
  for (const host of ['a', 'b']) {
    await mesh.agent(host).end('SIGTERM')
    await mesh.lab.exec(host, ['nft', 'flush', 'ruleset'])
    rmSync(join(mesh.storeFolder, 'nodes', `${host}.json`))
  }
  await until('c reaches a in clear', async () => (await answered('c', '192.0.2.1')) === 3)
})
