// The configurations of examples/interface, brought up as the guides they stand for say: each guide in both forms with
// `podwire quick`, and in INI with Debian's wg-quick. What a guide promises is tried, and after `down` every host is as before.
//
//   two peers      a ---- b
//   a LAN          laptop ---- gateway ---- printer, which knows no way back
//   a star         b ---- hub ---- c
//   full tunnel    client ---- router ---- server, internet

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { judgeCapture, startCapture } from '../../src/lab/capture.ts'
import type { HostDescription } from '../../src/lab/description.ts'
import { type Lab, startLab } from '../../src/lab/lab.ts'
import { assertNothingLeft, machineLinks } from './leftovers.ts'
import { onHosts, type QuickHost, type Tool, takeDnsCalls } from './quick-host.ts'
import { cli, withTwoHosts } from './tunnel.ts'

const folder = fileURLToPath(new URL('../../../examples/interface/', import.meta.url))

const runs: readonly [form: 'conf' | 'json', tool: Tool][] = [
  ['conf', 'podwire'],
  ['json', 'podwire'],
  ['conf', 'wg-quick'],
]

type HostNamed = (name: string) => QuickHost

interface Guide {
  readonly hosts: Readonly<Record<string, HostDescription>>
  /** Host -> the file that it brings up, in this order. */
  readonly files: Readonly<Record<string, string>>
  /** What the guide promises, while all are up. */
  readonly promises: (lab: Lab, at: HostNamed) => Promise<void>
  /** What resolvconf is told by a host while it is up. */
  readonly dns?: Readonly<Record<string, string>>
  /** Hosts that forward nothing but what a rule lets pass, as one should. */
  readonly firewalls?: readonly string[]
}

function joins(...networks: [network: string, ...addresses: string[]][]): HostDescription {
  return { networks: networks.map(([network, ...addresses]) => ({ network, addresses })) }
}

const internet = ['198.51.100.80', '2001:db8:2::80']

const guides: Record<string, Guide> = {
  'two peers': {
    hosts: { a: joins(['wan', '192.0.2.1/24']), b: joins(['wan', '192.0.2.2/24']) },
    files: { a: 'two-peers-a', b: 'two-peers-b' },
    async promises(lab) {
      for (const address of ['10.8.0.2', 'fd00:8::2']) await pings(lab, 'a', address)
      for (const address of ['10.8.0.1', 'fd00:8::1']) await pings(lab, 'b', address)
    },
  },
  'a LAN behind a peer': {
    hosts: {
      gateway: joins(['wan', '198.51.100.7/24'], ['eth0', '192.168.7.1/24']),
      laptop: joins(['wan', '198.51.100.20/24']),
      printer: joins(['eth0', '192.168.7.10/24']),
    },
    files: { gateway: 'lan-gateway', laptop: 'lan-laptop' },
    firewalls: ['gateway'],
    dns: { laptop: 'nameserver 192.168.7.1\nsearch office.example.org\n' },
    async promises(lab) {
      await pings(lab, 'laptop', '10.8.0.1')
      assert.equal(await sourceSeen(lab, 'printer', 'laptop', '192.168.7.10'), '192.168.7.1')
    },
  },
  'a star': {
    hosts: { hub: joins(['wan', '198.51.100.7/24']), b: joins(['wan', '198.51.100.8/24']), c: joins(['wan', '198.51.100.9/24']) },
    files: { hub: 'star-hub', b: 'star-b', c: 'star-c' },
    firewalls: ['hub'],
    async promises(lab) {
      for (const host of ['b', 'c']) await pings(lab, host, '10.8.0.1') // the hub knows where both are
      assert.equal(await sourceSeen(lab, 'c', 'b', '10.8.0.3'), '10.8.0.2')
      assert.equal(await sourceSeen(lab, 'b', 'c', 'fd00:8::2'), 'fd00:8::3')
    },
  },
  'full tunnel': {
    hosts: {
      client: { ...joins(['access', '192.0.2.2/24', '2001:db8:1::2/64']), gateways: ['192.0.2.1', '2001:db8:1::1'] },
      router: {
        ...joins(['access', '192.0.2.1/24', '2001:db8:1::1/64'], ['eth0', '198.51.100.1/24', '2001:db8:2::1/64']),
        forward: true,
      },
      server: { ...joins(['eth0', '198.51.100.7/24', '2001:db8:2::7/64']), gateways: ['198.51.100.1', '2001:db8:2::1'] },
      internet: { ...joins(['eth0', '198.51.100.80/24', '2001:db8:2::80/64']), gateways: ['198.51.100.1', '2001:db8:2::1'] },
    }, // biome-ignore format: a table
    files: { server: 'full-tunnel-server', client: 'full-tunnel-client' },
    firewalls: ['server'],
    dns: { client: 'nameserver 9.9.9.9\nnameserver 2620:fe::fe\n' },
    async promises(lab, at) {
      const capture = await startCapture(lab, 'router', 'access', join(at('client').folder, 'wire.pcap'))
      assert.equal(await sourceSeen(lab, 'internet', 'client', '198.51.100.80'), '198.51.100.7')
      assert.equal(await sourceSeen(lab, 'internet', 'client', '2001:db8:2::80'), '2001:db8:2::7')
      await at('server').sh('ip link set wg0 down')
      for (const address of internet) assert.ok(!(await isReached(lab, 'client', address)), 'past the tunnel')
      await capture.stop()
      const secrets = { prefixes: ['10.8.0.0/24', 'fd00:8::/64', ...internet], canaries: [] }
      const { messages, violations } = await judgeCapture(capture.file, secrets)
      assert.deepEqual([messages.data > 0, violations], [true, []])
    },
  },
} // biome-ignore format: a table

async function pings(lab: Lab, from: string, address: string): Promise<void> {
  await lab.exec(from, ['ping', '-q', '-c', '3', '-i', '0.05', '-w', '30', address])
}

async function isReached(lab: Lab, from: string, address: string): Promise<boolean> {
  return lab.exec(from, ['ping', '-q', '-c', '1', '-W', '1', address]).then(
    () => true,
    () => false,
  )
}

const saysSource = `require('node:http')
  .createServer((request, response) => response.end(request.socket.remoteAddress.replace('::ffff:', '')))
  .listen(8080, '::', () => console.log('ready'))`

/** The address that a page request comes from, as its server sees it. */
async function sourceSeen(lab: Lab, server: string, from: string, address: string): Promise<string> {
  const child = lab.spawn(server, [process.execPath, '-e', saysSource], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise(resolve => child.once('exit', resolve))
  await new Promise(resolve => child.stdout?.once('data', resolve))
  try {
    const url = `http://${address.includes(':') ? `[${address}]` : address}:8080/`
    return (await lab.exec(from, ['curl', '-s', '-S', '--noproxy', '*', '-m', '30', url])).stdout
  } finally {
    child.kill('SIGKILL')
    await ended
  }
}

/** iptables keeps its tables once they are made, and forwarding stays on: neither is the file's to take back. */
const settle =
  'sysctl -q -w net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0; for tables in iptables ip6tables; do' +
  ' $tables -P FORWARD DROP; $tables -t nat -A POSTROUTING -j RETURN; $tables -t nat -D POSTROUTING -j RETURN; done'

async function follow(lab: Lab, guide: Guide, at: HostNamed, form: 'conf' | 'json', tool: Tool) {
  const { files, firewalls = [], dns = {}, promises } = guide
  const users = Object.keys(files)
  const quick = async (name: string, verb: 'up' | 'down') => {
    const { status, stderr } = await at(name).quick(tool, [verb, join(at(name).folder, `wg0.${form}`)])
    assert.equal(status, 0, `${verb} of ${name}: ${stderr}`)
  }
  for (const name of firewalls) await at(name).sh(settle)
  const before = new Map<string, Record<string, string>>()
  for (const name of users) {
    before.set(name, await at(name).state())
    at(name).write(`wg0.${form}`, readFileSync(join(folder, `${files[name]}.${form}`), 'utf8'))
    await quick(name, 'up')
    assert.equal(takeDnsCalls(at(name)).replace(/^-a \S*wg0 -m 0 -x\n/, ''), dns[name] ?? '', `DNS of ${name}`)
  }
  await promises(lab, at)
  for (const name of users) {
    await quick(name, 'down')
    assert.match(takeDnsCalls(at(name)), dns[name] ? /^-d \S*wg0 -f\n$/ : /^$/)
    if (firewalls.includes(name)) await at(name).sh(settle)
    const was = before.get(name) ?? assert.fail(name)
    assert.deepEqual(await at(name).settled(was), was, `${name} after down`)
  }
}

for (const [name, guide] of Object.entries(guides)) {
  test(`examples: ${name}, in both forms and with both tools`, async t => {
    const links = machineLinks()
    const labName = `examples-${Object.keys(guides).indexOf(name)}-${process.pid}`
    const networks = new Set(
      Object.values(guide.hosts).flatMap(host => host.networks?.map(({ network }) => network) ?? []),
    )
    const lab = await startLab({
      name: labName,
      networks: Object.fromEntries([...networks].map(network => [network, {}])),
      hosts: guide.hosts,
    })
    try {
      await onHosts(lab, Object.keys(guide.hosts), async hosts => {
        const at = (name: string) => hosts[name] ?? assert.fail(name)
        for (const [form, tool] of runs) await t.test(`.${form} with ${tool}`, () => follow(lab, guide, at, form, tool))
      })
    } finally {
      await lab.stop()
    }
    assertNothingLeft(labName, links)
  })
}

test('examples: the commands of their page work as they stand', async () => {
  await withTwoHosts('examples-page', async lab => {
    await onHosts(lab, ['a'], async ({ a }) => {
      const before = await a.state()
      const page = readFileSync(join(folder, 'README.md'), 'utf8')
      const commands = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block]) => block)
      const script = [
        'mount -t tmpfs none /etc/wireguard', // of this host alone
        `podwire() { "${process.execPath}" "${cli}" "$@"; }`,
        `cd "${folder}/../.."`,
        ...commands,
      ]
      await lab.exec('a', ['sh', '-e', '-c', script.join('\n')])
      assert.deepEqual(await a.settled(before), before)
    })
  })
})
