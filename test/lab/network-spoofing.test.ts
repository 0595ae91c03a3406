// What is rendered for a node, against those who are not in the network or say that they are somebody else. Each forbidden packet
// is seen at the door of the node that must drop it, and behind the door there is none; without the rules there is.
//
//   mallory .66 ---- wan 192.0.2.0/24 ---- hub .1 ---- back 172.31.9.0/24 ---- vault
//                        |        |
//        box ---- spoke .2        shut .3 ---- lan 192.168.7.0/24, shared ---- printer

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Lab, startLab } from '../../src/lab/lab.ts'
import { generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { assertNothingLeft, machineLinks } from './leftovers.ts'
import { onHosts, type QuickHost } from './quick-host.ts'
import { cli } from './tunnel.ts'
import { until } from './until.ts'

const nodes = ['hub', 'spoke', 'shut'] as const
type Node = (typeof nodes)[number]

/** Of each place the last of its addresses in both families. */
const overlay = (i: number, host: number) => [`10.99.${i}.${host}`, `fd99:0:0:${i}::${host}`]
const wan = (host: number) => [`192.0.2.${host}`, `2001:db8::${host}`]
const lan = (host: number) => [`192.168.7.${host}`, `fd07:7::${host}`]
const back = (host: number) => [`172.31.9.${host}`, `fd31::${host}`]
const prefixes = (i: number) => [`10.99.${i}.0/24`, `fd99:0:0:${i}::/64`]

/** Both open to what an entry of the document lets in. */
const [open, closed] = [7100, 7200]

const network = {
  network: { name: 'n', range: ['10.99.0.0/16', 'fd99::/48'], topology: 'star', hub: 'hub' },
  nodes: {
    hub: { prefixes: overlay(1, 1), endpoint: '192.0.2.1:51820' },
    spoke: { prefixes: prefixes(2) },
    shut: { prefixes: prefixes(3), share: ['192.168.7.0/24', 'fd07:7::/64'] },
  },
  accept: [
    { to: { node: 'shut' }, from: [{ node: 'spoke' }], ports: [`udp/${open}`] },
    { to: { prefix: '192.168.7.0/24' }, from: [{ node: 'spoke' }] },
    { to: { prefix: 'fd07:7::/64' }, from: [{ node: 'spoke' }] },
  ],
}

interface Packet {
  readonly says: string
  readonly from: string
  /** Absent: the sender's own address. */
  readonly source?: readonly string[]
  /** The sender's next hop. Absent: the host knows the way. */
  readonly via?: readonly string[]
  readonly to: readonly string[]
  readonly port?: number
  /** The node whose door it comes to. */
  readonly at: Node
}

const hub = { at: 'hub', via: wan(1) } as const
const shut = { at: 'shut', via: wan(3) } as const
const spoke = { at: 'spoke', via: wan(2) } as const
const forbidden: Packet[] = [
  { says: 'a source of the network, by the hub', from: 'mallory', source: overlay(2, 1), to: overlay(3, 1), ...hub },
  { says: 'a source that nobody has', from: 'mallory', source: overlay(77, 7), to: overlay(3, 1), ...hub },
  { says: "a source of another's share", from: 'mallory', source: lan(10), to: overlay(2, 1), ...hub },
  { says: 'a source of the network, at its end', from: 'mallory', source: overlay(2, 1), to: overlay(3, 1), ...shut },
  { says: 'a source of the own share', from: 'mallory', source: lan(10), to: overlay(2, 1), ...shut },
  { says: 'a container as a source', from: 'mallory', source: overlay(2, 2), to: overlay(3, 1), ...spoke },
  { says: 'a container that is not there', from: 'mallory', source: overlay(2, 200), to: overlay(3, 1), ...spoke },
  { says: 'who is not in the network, to a node', from: 'mallory', to: overlay(3, 1), ...shut },
  { says: 'who is not in the network, to a container', from: 'mallory', to: overlay(2, 2), ...spoke },
  { says: "a closed node's address in its open share", from: 'spoke', to: lan(1), port: closed, at: 'shut' },
  { says: 'a closed port of a closed node', from: 'spoke', to: overlay(3, 1), port: closed, at: 'shut' },
  { says: 'a network that the hub does not share', from: 'spoke', to: back(5), at: 'hub' },
  { says: "the hub's address in such a network", from: 'spoke', to: back(1), at: 'hub' },
  { says: 'an address of the range that nobody has', from: 'spoke', to: overlay(77, 7), at: 'hub' },
]
const allowed: Packet[] = [
  { says: 'a node to a node', from: 'spoke', to: overlay(3, 1), at: 'shut' },
  { says: 'a container to a node', from: 'box', to: overlay(3, 1), at: 'shut' },
  { says: 'a container to its own node', from: 'box', to: overlay(2, 1), at: 'spoke' },
  { says: 'a node to its container', from: 'shut', to: overlay(2, 2), at: 'spoke' },
  { says: 'a share to a node', from: 'printer', to: overlay(2, 1), at: 'shut' },
  { says: 'a share to the closed node to which it belongs', from: 'printer', to: overlay(3, 1), at: 'shut' },
  { says: 'a node to a share', from: 'spoke', to: lan(10), port: closed, at: 'shut' },
  { says: 'a node to a node, at the hub', from: 'spoke', to: overlay(3, 1), at: 'hub' },
]

const hostOf = (from: string) => (from === 'box' ? 'spoke/box' : from)

/** Sends one packet in each family. */
const sender = `
  const [port, ...pairs] = process.argv.slice(1)
  for (const pair of pairs) {
    const [source, to] = pair.split(' ')
    const socket = require('node:dgram').createSocket(to.includes(':') ? 'udp6' : 'udp4').on('error', () => socket.close())
    socket.bind(0, source || undefined, () => socket.send('x', port, to, () => socket.close()))
  }`

/** How many came to the door of a node, and how many went on, by family; before and behind the rules. */
async function countPassing(lab: Lab, { at, port = open }: Packet, send: () => Promise<unknown>, enough: Enough) {
  const counters = ['door4', 'door6', 'behind4', 'behind6']
  const count = (name: string, family: number) =>
    `meta nfproto ipv${family} udp dport ${port} counter name ${name}${family}`
  const chain = (name: string, hook: string, word: string) =>
    `chain ${name} { type filter hook ${hook}; ${count(word, 4)}; ${count(word, 6)}; }`
  const table = [
    ...counters.map(name => `counter ${name} { }`),
    chain('first', 'prerouting priority -301', 'door'),
    chain('in', 'input priority 0', 'behind'),
    chain('through', 'forward priority 0', 'behind'),
  ]
  await lab.exec(at, ['nft', `table inet watch { ${table.join('; ')}; }`])
  try {
    const read = async () => {
      const { stdout } = await lab.exec(at, ['nft', '-j', 'list', 'counters', 'table', 'inet', 'watch'])
      const objects: { counter?: { name: string; packets: number } }[] = JSON.parse(stdout).nftables
      const found = objects.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets] as const] : []))
      const of = (name: string) => found.find(([other]) => other === name)?.[1] ?? 0
      return { door: [of('door4'), of('door6')], behind: [of('behind4'), of('behind6')] }
    }
    let seen = await read()
    await until(
      'enough packets',
      async () => {
        await send()
        seen = await read()
        return enough(seen)
      },
      30,
    )
    return seen
  } finally {
    await lab.exec(at, ['nft', 'delete table inet watch'])
  }
}

type Enough = (seen: { door: number[]; behind: number[] }) => boolean
/** Of those that come, the first two have gone on before the third came, or never will. */
const came: Enough = ({ door }) => door.every(count => count >= 3)
const passed: Enough = ({ behind }) => behind.every(count => count >= 1)

async function watch(lab: Lab, packet: Packet, enough: Enough) {
  const { from, source, via, to, port = open } = packet
  const host = hostOf(from)
  const pairs = to.map((address, i) => `${source?.[i] ?? ''} ${address}`)
  const send = () => lab.exec(host, [process.execPath, '-e', sender, String(port), ...pairs])
  const routes = via?.map((hop, i) => [to[i]?.includes(':') ? '-6' : '-4', `${to[i]} via ${hop}`] as const) ?? []
  for (const address of source ?? []) await lab.exec(host, ['ip', 'addr', 'add', address, 'dev', 'lo'])
  for (const [family, route] of routes) await lab.exec(host, ['ip', family, 'route', 'add', ...route.split(' ')])
  try {
    return await countPassing(lab, packet, send, enough)
  } finally {
    for (const [family, route] of routes) await lab.exec(host, ['ip', family, 'route', 'del', ...route.split(' ')])
    for (const address of source ?? []) {
      const whole = address.includes(':') ? `${address}/128` : `${address}/32`
      await lab.exec(host, ['ip', 'addr', 'del', whole, 'dev', 'lo'])
    }
  }
}

/** Each node up with `podwire quick`, by what is rendered for it. */
async function bringUp(lab: Lab, hosts: Record<Node, QuickHost>): Promise<void> {
  const keys = nodes.map(() => generatePrivateKey())
  const [, ...publicKeys] = [undefined, ...keys.map(publicKeyOf)]
  const keyed = nodes.map((node, i) => [node, { ...network.nodes[node], publicKey: publicKeys[i] }] as const)
  for (const [i, node] of nodes.entries()) {
    const host = hosts[node]
    const document = host.write('n.json', JSON.stringify({ ...network, nodes: Object.fromEntries(keyed) }))
    const key = host.write('key', `${Buffer.from(keys[i]?.bytes ?? []).toString('base64')}\n`)
    const args = ['config', 'render', document, '--node', node, '--private-key', key]
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    const { status: up, stderr: words } = await host.quick('podwire', ['up', host.write('wg0.json', stdout)])
    assert.equal(up, 0, words)
  }
  // The peer adds on its own side what nobody gave it, and its host would send it there.
  const more = [...back(0).map((prefix, i) => `${prefix}/${[24, 64][i]}`), '10.99.77.0/24', 'fd99:0:0:77::/64']
  const allowedIps = (await lab.exec('spoke', ['wg', 'show', 'wg0', 'allowed-ips'])).stdout.trim().split(/\s+/)
  const hubKey = allowedIps[0] ?? ''
  await lab.exec('spoke', ['wg', 'set', 'wg0', 'peer', hubKey, 'allowed-ips', [...allowedIps.slice(1), ...more].join()])
  for (const prefix of more) {
    await lab.exec('spoke', ['ip', prefix.includes(':') ? '-6' : '-4', 'route', 'add', prefix, 'dev', 'wg0'])
  }
}

test('network: nobody gets in from outside, or by a name that is not theirs; without the rules they would', async t => {
  const links = machineLinks()
  const at = (network: string, addresses: readonly string[]) => ({
    network,
    addresses: addresses.map(address => `${address}/${address.includes(':') ? 64 : 24}`),
  })
  const lab = await startLab({
    name: `spoofing-${process.pid}`,
    networks: { wan: {}, lan: {}, back: {} },
    hosts: {
      // Each has a default route, so that what belongs nowhere would go out there.
      hub: { networks: [at('wan', wan(1)), at('back', back(1))], gateways: wan(66) },
      spoke: { networks: [at('wan', wan(2))], gateways: wan(66), containers: { box: overlay(2, 2) } },
      shut: { networks: [at('wan', wan(3)), at('lan', lan(1))], gateways: wan(66) },
      mallory: { networks: [at('wan', wan(66))] },
      printer: { networks: [at('lan', lan(10))], gateways: lan(1) },
      vault: { networks: [at('back', back(5))], gateways: back(1) },
    },
  })
  try {
    for (const node of nodes) {
      await lab.exec(node, ['sh', '-c', 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done'])
    }
    await onHosts(lab, nodes, async hosts => {
      await bringUp(lab, hosts)
      const passes = async (packet: Packet) => {
        await watch(lab, packet, passed)
      }
      for (const packet of allowed) {
        await t.test(`passes: ${packet.says}`, () => passes(packet))
      }
      for (const packet of forbidden) {
        await t.test(`dropped: ${packet.says}`, async () => {
          assert.deepEqual((await watch(lab, packet, came)).behind, [0, 0])
        })
      }
      for (const node of nodes) {
        await lab.exec(node, ['nft', 'delete table inet podwire-accept-wg0'])
        for (const family of ['-4', '-6']) await lab.exec(node, ['ip', family, 'route', 'flush', 'type', 'unreachable'])
      }
      for (const packet of forbidden) {
        await t.test(`without the rules it passes: ${packet.says}`, () => passes(packet))
      }
      for (const node of nodes) await hosts[node].quick('podwire', ['down', join(hosts[node].folder, 'wg0.json')])
    })
  } finally {
    await lab.stop()
  }
  assertNothingLeft(lab.name, links)
})
