// The network of examples/network/star.json, of six nodes, as its users bring it up: `podwire config render` for each, and
// Debian's wg-quick. Every pair of places tries every port and ping, in both families: what is accepted passes, with its
// replies; all else is dropped, and passes when the rules are taken away.
//
//                       hub 192.0.2.1
//    web, ci, laptop ---- wan ---- db (container box), office ---- lan ---- printer

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseNetworkDocument } from '../../src/config/network-document.ts'
import { type Lab, startLab } from '../../src/lab/lab.ts'
import { planNode } from '../../src/plan/network.ts'
import { generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { debianWgQuick } from './debian-wg-quick.ts'
import { assertNothingLeft, machineLinks } from './leftovers.ts'
import { cli } from './tunnel.ts'
import { until } from './until.ts'

const example = fileURLToPath(new URL('../../../examples/network/star.json', import.meta.url))
const probe = fileURLToPath(new URL('./probe.js', import.meta.url))

const nodes = ['hub', 'web', 'db', 'ci', 'laptop', 'office']
const ports = ['tcp/443', 'tcp/5432', 'tcp/8005', 'udp/53']
const all = [...ports, 'icmp']
const name = `network-${process.pid}`
const links = machineLinks()
let folder: string
let lab: Lab
let wgQuick: readonly string[]
/** Addresses of each place, both families. */
let addresses: Record<string, readonly string[]>

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-network-test-'))
  symlinkSync(cli, join(folder, 'podwire-device'))
  wgQuick = debianWgQuick(join(folder, 'debian'))
  lab = await startLab({
    name,
    networks: { wan: {}, lan: {} },
    hosts: {
      ...Object.fromEntries(nodes.map((node, i) => [node, { networks: [wanAt(i + 1)] }])),
      db: { networks: [wanAt(3)], containers: { box: ['10.99.3.2', 'fd99:0:0:3::2'] } },
      office: { networks: [wanAt(6), { network: 'lan', addresses: ['192.168.7.1/24', 'fd07:7::1/64'] }] },
      printer: {
        networks: [{ network: 'lan', addresses: ['192.168.7.10/24', 'fd07:7::10/64'] }],
        gateways: ['192.168.7.1', 'fd07:7::1'],
      },
    },
  })
  await bringUp()
})
after(async () => {
  await lab.stop()
  rmSync(folder, { recursive: true })
  assertNothingLeft(name, links)
})

function wanAt(i: number) {
  return { network: 'wan', addresses: [`192.0.2.${i}/24`, `2001:db8::${i}/64`] }
}

/** The example with keys whose private halves we have, in files as its nodes would keep them. */
function writeNetwork(): string {
  const network = JSON.parse(readFileSync(example, 'utf8'))
  for (const node of nodes) {
    const key = generatePrivateKey()
    network.nodes[node].publicKey = publicKeyOf(key)
    mkdirSync(join(folder, node), { mode: 0o700 })
    writeFileSync(join(folder, node, 'key'), `${Buffer.from(key.bytes).toString('base64')}\n`, { mode: 0o600 })
  }
  const file = join(folder, 'network.json')
  writeFileSync(file, JSON.stringify(network))
  return file
}

function render(file: string, node: string, ...more: string[]): string {
  const args = [cli, 'config', 'render', file, '--node', node, ...more]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return stdout
}

async function quick(node: string, verb: 'up' | 'down'): Promise<void> {
  const device = `WG_QUICK_USERSPACE_IMPLEMENTATION=${join(folder, 'podwire-device')}`
  await lab.exec(node, ['env', device, ...wgQuick, verb, join(folder, node, 'wg0.conf')])
}

/** What a place lets in from others: by who opens. Both directions of a pair are two lines; what is not here is dropped. */
const accepted: Record<string, Record<string, readonly string[]>> = {
  hub: { '*': all },
  web: { '*': all },
  office: { '*': all },
  db: { web: ['tcp/5432'], laptop: all },
  'db/box': { web: ['tcp/5432'], laptop: all },
  ci: { printer: ['udp/53'] },
  laptop: {},
  printer: { ci: ['tcp/443', 'tcp/8005'] },
}
const places = Object.keys(accepted)
/** They are not one another's peers over the network. */
const sameSite = [
  ['db', 'db/box'],
  ['office', 'printer'],
]
const overNetwork = (from: string, to: string) =>
  from !== to && !sameSite.some(site => site.includes(from) && site.includes(to))

function targetsOf(from: string, allows: (to: string, what: string) => boolean): string[] {
  return places
    .filter(to => overNetwork(from, to))
    .flatMap(to =>
      all.filter(what => allows(to, what)).flatMap(what => addresses[to]?.map(at => `${what} ${at}`) ?? []),
    )
    .sort()
}

const [isDone, isNotDone] = [() => true, () => false]

/** Which of the targets answer. */
async function answering(from: string, targets: readonly string[]): Promise<string[]> {
  const { stdout } = await lab.exec(from, [process.execPath, probe, 'try', JSON.stringify(targets)])
  return JSON.parse(stdout) as string[]
}

/** Asserts that a place reaches these of everything that there is. Those that should answer may need a moment. */
async function assertReaches(from: string, expected: readonly string[]): Promise<void> {
  const reached = new Set(
    await answering(
      from,
      targetsOf(from, () => true),
    ),
  )
  const missing = () => expected.filter(target => !reached.has(target))
  await until(
    `${from} reaches what it may`,
    async () => {
      for (const target of missing().length > 0 ? await answering(from, missing()) : []) reached.add(target)
      return missing().length === 0
    },
    30,
  )
  assert.deepEqual([...reached].sort(), expected)
}

/** Brings every node up with wg-quick, by what `podwire config render` prints, and starts what answers at each place. */
async function bringUp(): Promise<void> {
  const file = writeNetwork()
  const document = parseNetworkDocument(readFileSync(file, 'utf8'), file)
  addresses = {
    ...Object.fromEntries(
      document.nodes.map(node => [node.name, planNode(document, node).addresses.map(at => at.replace(/\/.*/, ''))]),
    ),
    'db/box': ['10.99.3.2', 'fd99:0:0:3::2'],
    printer: ['192.168.7.10', 'fd07:7::10'],
  }
  for (const node of nodes) {
    const ini = render(file, node, '--format', 'ini', '--private-key', join(folder, node, 'key'))
    writeFileSync(join(folder, node, 'wg0.conf'), ini, { mode: 0o600 })
    await quick(node, 'up')
  }
  const reachesHub = (node: string) => lab.exec(node, ['ping', '-c', '1', '-W', '1', '10.99.1.1'])
  await Promise.all(
    nodes.slice(1).map(node => until(`${node} reaches the hub`, () => reachesHub(node).then(isDone, isNotDone), 30)),
  )
  for (const place of places) {
    const server = lab.spawn(place, [process.execPath, probe, 'serve', ...ports], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(server.stdout as Readable, 'data', { signal: AbortSignal.timeout(60_000) })
  }
}

for (const from of places) {
  test(`network: from ${from} passes what is accepted, and nothing else`, async () => {
    const expected = targetsOf(from, (to, what) => (accepted[to]?.[from] ?? accepted[to]?.['*'] ?? []).includes(what))
    await assertReaches(from, expected)
  })
}

test('network: what was dropped, nftables dropped, at the receiver', async () => {
  for (const node of ['db', 'ci', 'laptop', 'office']) {
    const { stdout } = await lab.exec(node, ['nft', 'list', 'table', 'inet', 'podwire-accept-wg0'])
    assert.match(stdout, /counter packets [1-9]\d* bytes \d+ drop/, node)
  }
})

test('network: a port that the node publishes by DNAT is as closed as the node', async () => {
  const rules =
    'table inet published { chain in { type nat hook prerouting priority dstnat; tcp dport 80 dnat ip to 10.99.3.2:443; }; }'
  await lab.exec('db', ['nft', rules])
  const published = ['tcp/80 10.99.3.1']
  await until('who may open everything does', async () => (await answering('laptop', published)).length > 0, 30)
  assert.deepEqual(await answering('ci', published), [])
  await lab.exec('db', ['nft', 'delete table inet published'])
})

test('network: without the rules everything passes, so it is they that hold', async () => {
  const file = join(folder, 'network.json')
  const network = JSON.parse(readFileSync(file, 'utf8'))
  const open = join(folder, 'open.json')
  writeFileSync(open, JSON.stringify({ ...network, accept: [] }))
  for (const node of nodes) await lab.exec(node, ['nft', '-f', '-'], { input: render(open, node, '--format', 'nft') })
  for (const from of ['hub', 'printer', 'db/box']) {
    const everything = targetsOf(from, () => true)
    await assertReaches(from, everything)
  }
  for (const node of nodes) await lab.exec(node, ['nft', '-f', '-'], { input: render(file, node, '--format', 'nft') })
  const closed = all.map(what => `${what} 10.99.3.1`)
  assert.deepEqual(await answering('hub', closed), [])
})

test('network: a node whose rules nftables refuses does not come up, and after down nothing is left', async () => {
  for (const node of nodes) {
    await quick(node, 'down')
    assert.equal((await lab.exec(node, ['nft', 'list', 'ruleset'])).stdout, '', node)
    assert.doesNotMatch((await lab.exec(node, ['ip', 'route'])).stdout, /unreachable/, node)
  }
  const file = join(folder, 'db', 'wg0.conf')
  writeFileSync(file, readFileSync(file, 'utf8').replace('ct state', 'ct sate'), { mode: 0o600 })
  // The rules are long: the error itself does not have all that was printed.
  await assert.rejects(quick('db', 'up'), error => /syntax error/.test(String((error as Error).cause)))
  assert.doesNotMatch((await lab.exec('db', ['ip', '-o', 'link'])).stdout, /wg0/)
})
