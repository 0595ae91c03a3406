// Two networks on the same two hosts, each with a store, a device and an agent of its own: neither knows of the other, takes
// anything from it, or lets anything over to it.
//
//   a, b: podwire0 10.99.0.0/16, containers "box"      podwire1 10.98.0.0/16, containers "tea"

import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { addressAt, formatAddress, parsePrefix } from '../../src/base/cidr.ts'
import { judgeCapture, startCapture } from '../../src/lab/capture.ts'
import { formatNetworkConfig, type NetworkConfig } from '../../src/model/network-config.ts'
import { AgentProcess, cli, Mesh, overlay } from './mesh.ts'
import { until } from './until.ts'

const limit = { timeout: 120_000 }
const canary = 'podwire-canary-2'
const other: NetworkConfig = {
  name: 'other',
  range: ['10.98.0.0/16', 'fd98:5eed:cafe::/48'],
  nodePrefixLength: { ipv4: 24, ipv6: 64 },
}

let mesh: Mesh
before(async () => {
  mesh = await Mesh.start('networks', { hosts: ['a', 'b'], gateways: { a: 'b', b: 'a' } })
  mkdirSync(join(mesh.folder, 'other'))
  writeFileSync(join(mesh.folder, 'other', 'network.json'), formatNetworkConfig(other))
})
after(() => mesh[Symbol.asyncDispose]())

/** The command line of a host's agent of the other network. */
function otherCommand(host: string): [string, ...string[]] {
  const [address] = { a: ['192.0.2.1'], b: ['192.0.2.2'] }[host] ?? []
  const where = [
    cli,
    'agent',
    '--store',
    `file:${join(mesh.folder, 'other')}`,
    '--state',
    join(mesh.folder, `other-${host}`),
  ]
  const device = ['--device', 'podwire1', '--backend', 'userspace', '--listen-port', '51821']
  return [process.execPath, ...where, '--name', host, ...device, '--endpoint', `${address}:51821`]
}

/** Its agents, beside those that the mesh knows. */
const others = new Map<string, AgentProcess>()

async function startOther(host: string): Promise<AgentProcess> {
  const agent = new AgentProcess(mesh.lab.spawn(host, otherCommand(host), { stdio: ['ignore', 'pipe', 'pipe'] }))
  others.set(host, agent)
  await agent.said('in sync with the store')
  return agent
}

function otherAgent(host: string): AgentProcess {
  const agent = others.get(host)
  assert.ok(agent)
  return agent
}

function teaAddresses(host: string): string[] {
  const said = otherAgent(host).lines.find(({ prefixes }) => prefixes !== undefined)
  const prefixes = (said?.prefixes ?? []) as string[]
  return prefixes.map(text => formatAddress(addressAt(parsePrefix(text, host), 2n)))
}

/** Both networks carry, both ways. */
async function connected(): Promise<void> {
  for (const [from, to] of [
    ['a', 'b'],
    ['b', 'a'],
  ] as const) {
    for (const address of mesh.boxAddresses(to)) await mesh.ping(`${from}/box`, address)
    for (const address of teaAddresses(to)) await mesh.ping(`${from}/tea`, address)
  }
}

/** What one of the networks is on a host: rules, routes and peers; counters apart. */
async function stateOf(device: string, range: readonly string[]): Promise<string> {
  const read = async (...command: [string, ...string[]]) => (await mesh.lab.exec('a', command)).stdout
  const routes = `${await read('ip', 'route')}${await read('ip', '-6', 'route')}`
  const ours = routes
    .split('\n')
    .filter(line => line.includes(` ${device} `) || range.some(text => line.includes(text)))
  const rules = (await read('nft', '-a', 'list', 'table', 'inet', `podwire-${device}`)).replace(
    /packets \d+ bytes \d+/g,
    '',
  )
  return [...ours, await read('wg', 'show', device, 'allowed-ips'), rules].join('\n')
}

test('networks: two on the same hosts, and nothing of either in clear', limit, async () => {
  const file = join(mesh.folder, 'two.pcap')
  const capture = await startCapture(mesh.lab, 'a', 'wan', file)
  await mesh.join('a', 'b')
  for (const host of ['a', 'b']) {
    await startOther(host)
    await mesh.lab.attachContainer(host, 'tea', teaAddresses(host))
  }
  await connected()
  const pattern = Buffer.from(canary).toString('hex')
  // From each container to all of the other network, here and there; one that gets an answer has found a way over.
  const boxes = ['a', 'b'].flatMap(host => mesh.boxAddresses(host))
  const teas = ['a', 'b'].flatMap(teaAddresses)
  for (const [from, targets] of [
    ['a/box', teas],
    ['a/tea', boxes],
  ] as const) {
    await Promise.all(
      targets.map(async address => {
        const ping = ['ping', '-q', '-c', '3', '-i', '0.05', '-W', '0.3', '-p', pattern, address]
        const { stdout } = await mesh.lab.exec(from, ['sh', '-c', `${ping.join(' ')}; true`])
        assert.match(stdout, / 0 received/, `${from} reaches ${address}`)
      }),
    )
  }
  const { dropped } = await capture.stop()
  assert.equal(dropped, 0)
  const { violations, messages } = await judgeCapture(file, {
    prefixes: [...overlay, ...other.range],
    canaries: [Buffer.from(canary)],
  })
  assert.deepEqual(violations.slice(0, 5), [])
  assert.ok(messages.data > 0)
})

test('networks: a container gets over to the other network once the rules are gone', limit, async () => {
  const [tea = ''] = teaAddresses('a')
  await mesh.agent('a').end('SIGKILL')
  await mesh.lab.exec('a', ['nft', 'delete', 'table', 'inet', 'podwire-podwire0'])
  await otherAgent('a').end('SIGKILL')
  await mesh.lab.exec('a', ['nft', 'delete', 'table', 'inet', 'podwire-podwire1'])
  await mesh.ping('a/box', tea)
  await startOther('a')
  await mesh.startAgent('a')
  const { stdout } = await mesh.lab.exec('a/box', ['sh', '-c', `ping -q -c 3 -i 0.05 -W 0.3 ${tea}; true`])
  assert.match(stdout, / 0 received/)
  await connected()
})

test('networks: agents end and start in any order, and leave the other network as it is', limit, async () => {
  const [first, second] = [await stateOf('podwire0', overlay), await stateOf('podwire1', other.range)]
  for (const order of [
    ['first', 'second'],
    ['second', 'first'],
  ]) {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      for (const which of order) await (which === 'first' ? mesh.agent('a') : otherAgent('a')).end(signal)
      for (const which of order) {
        const agent = which === 'first' ? await mesh.startAgent('a') : await startOther('a')
        assert.deepEqual(
          agent.lines.filter(({ msg }) => msg === 'applied'),
          [],
        )
      }
      assert.equal(await stateOf('podwire0', overlay), first)
      assert.equal(await stateOf('podwire1', other.range), second)
    }
  }
  await connected()
})

test('networks: a node that leaves one stays in the other, and one agent heals what is its own', limit, async () => {
  const first = await stateOf('podwire0', overlay)
  await otherAgent('b').end('SIGTERM')
  rmSync(join(mesh.folder, 'other', 'nodes', 'b.json'))
  const peers = async () => (await mesh.lab.exec('a', ['wg', 'show', 'podwire1', 'peers'])).stdout
  await until('the other network lets b go', async () => (await peers()) === '')
  assert.equal(await stateOf('podwire0', overlay), first)
  await startOther('b')
  await mesh.lab.exec('a', ['nft', 'flush', 'ruleset'])
  for (const range of [...overlay, ...other.range]) {
    await mesh.lab.exec('a', ['ip', 'route', 'delete', 'unreachable', range])
  }
  const handles = (text: string) => text.replace(/ # handle \d+/g, '')
  await until('both are closed again', async () => {
    const [one, two] = await Promise.all([
      stateOf('podwire0', overlay).catch(() => ''),
      stateOf('podwire1', other.range).catch(() => ''),
    ])
    return handles(one) === handles(first) && other.range.every(range => two.includes(`unreachable ${range} `))
  })
  await connected()
})

test('networks: ranges that overlap, and a second agent for a device, are refused', limit, async () => {
  const folder = join(mesh.folder, 'overlap')
  mkdirSync(folder)
  writeFileSync(join(folder, 'network.json'), '{ "name": "overlap", "range": ["10.98.128.0/17"] }')
  const third = ['--store', `file:${folder}`, '--state', join(mesh.folder, 'third'), '--device', 'podwire2']
  const words = [...third, '--listen-port', '51822', '--endpoint', '192.0.2.1:51822']
  const said = /10\.98\.128\.0\/17 overlaps 10\.98\.0\.0\/16.*device podwire1.*ERR_PODWIRE_NETWORKS_OVERLAP/s
  assert.match(await mesh.refusal('a', mesh.command('a', ...words)), said)
  const again = /keeps the device podwire1 already.*ERR_PODWIRE_AGENT_RUNNING/s
  assert.match(await mesh.refusal('a', otherCommand('a')), again)
  const { stdout } = await mesh.lab.exec('a', ['nft', 'list', 'tables'])
  assert.deepEqual(stdout.trim().split('\n').sort(), ['table inet podwire-podwire0', 'table inet podwire-podwire1'])
})
