// Two nodes of examples/network/star.json by `podwire config render` and `podwire quick`, in either form: what is not accepted is
// dropped, and `reload` of what a changed document renders to changes the rules too, while the session lives on.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { type QuickHost, withQuickHosts } from './quick-host.ts'
import { cli } from './tunnel.ts'
import { until } from './until.ts'

const example = fileURLToPath(new URL('../../../examples/network/star.json', import.meta.url))
const probe = fileURLToPath(new URL('./probe.js', import.meta.url))

type Form = 'json' | 'ini'
const nodes = ['hub', 'db'] as const
const addresses = { hub: ['10.99.1.1', 'fd99:0:0:1::1'], db: ['10.99.3.1', 'fd99:0:0:3::1'] }
const ports = ['tcp/443', 'tcp/5432']
const everything = [...ports, 'icmp']

/** The example with keys whose private halves the nodes have. */
function writeKeys(at: Record<(typeof nodes)[number], QuickHost>) {
  const network = JSON.parse(readFileSync(example, 'utf8'))
  for (const node of nodes) {
    const key = generatePrivateKey()
    network.nodes[node].publicKey = publicKeyOf(key)
    at[node].write('key', `${Buffer.from(key.bytes).toString('base64')}\n`)
  }
  return network
}

/** One node's file, of the network with these accept rules. */
function render(at: QuickHost, node: string, form: Form, network: object): string {
  const document = at.write('network.json', JSON.stringify(network))
  const options = ['--node', node, '--format', form, '--private-key', join(at.folder, 'key')]
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'config', 'render', document, ...options], {
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
  return at.write(form === 'ini' ? 'wg0.conf' : 'wg0.json', stdout)
}

/** What it says that it does. */
async function quick(at: QuickHost, verb: string, file: string): Promise<string> {
  const { status, stderr } = await at.quick('podwire', [verb, file])
  assert.equal(status, 0, `${verb} of ${file}: ${stderr}`)
  return stderr
}

/** Which of all there is answers, in both families. What should may need a moment. */
async function assertReaches(from: QuickHost, to: keyof typeof addresses, what: readonly string[]): Promise<void> {
  const targets = (list: readonly string[]) => list.flatMap(one => addresses[to].map(address => `${one} ${address}`))
  const answering = async (list: readonly string[]): Promise<string[]> => {
    const { stdout } = await from.lab.exec(from.host, [process.execPath, probe, 'try', JSON.stringify(list)])
    return JSON.parse(stdout)
  }
  const reached = new Set(await answering(targets(everything)))
  const missing = () => targets(what).filter(target => !reached.has(target))
  await until(
    `${to} answers`,
    async () => {
      for (const target of missing().length > 0 ? await answering(missing()) : []) reached.add(target)
      return missing().length === 0
    },
    30,
  )
  assert.deepEqual([...reached].sort(), targets(what).sort())
}

const rulesOf = (at: QuickHost) => at.sh('nft -s list table inet podwire-accept-wg0 2>/dev/null || echo none')

for (const forms of [
  { hub: 'ini', db: 'json' },
  { hub: 'json', db: 'ini' },
] as const) {
  test(`rendered: ${forms.hub} at one node, ${forms.db} at the other; reload changes what is let in`, async () => {
    await withQuickHosts(`rendered-${forms.db}`, async (hub, db) => {
      const at = { hub, db }
      const before = { hub: await hub.state(), db: await db.state() }
      const network = writeKeys(at)
      const files = { hub: '', db: '' }
      // What fails leaves nothing, not even rules: podwire knows what takes back the hooks that it rendered.
      const broken = readFileSync(render(db, 'db', forms.db, network), 'utf8').replace('ip_forward=1', 'ip_forwards=1')
      const failed = await db.quick('podwire', ['up', db.write(forms.db === 'ini' ? 'wg0.conf' : 'wg0.json', broken)])
      assert.match(`${failed.status} ${failed.stderr}`, /^1 .*ip_forwards/s)
      assert.deepEqual(await db.settled(before.db), before.db)
      for (const node of nodes) {
        files[node] = render(at[node], node, forms[node], network)
        await quick(at[node], 'up', files[node])
      }
      const servers = nodes.map(node => {
        const command = [process.execPath, probe, 'serve', ...ports] as const
        const child = hub.lab.spawn(at[node].host, command, { stdio: ['ignore', 'pipe', 'inherit'] })
        return { child, ready: new Promise(resolve => child.stdout?.once('data', resolve)) }
      })
      await Promise.all(servers.map(({ ready }) => ready))
      await assertReaches(db, 'hub', everything)
      await assertReaches(hub, 'db', [])
      const prefixes = await db.sh('wg show wg0 allowed-ips')
      const reload = (accept: readonly object[]) =>
        quick(db, 'reload', render(db, 'db', forms.db, { ...network, accept }))
      const reloadRules = async (accept: readonly object[]) => {
        assert.doesNotMatch(await reload(accept), /wg set|ip link/, 'only rules have changed')
      }

      const more = { to: { node: 'db' }, from: [{ node: 'hub' }], ports: ['tcp/5432'] }
      await reloadRules([...network.accept, more])
      await assertReaches(hub, 'db', ['tcp/5432'])
      await reloadRules([])
      assert.doesNotMatch(await rulesOf(db), /none|ct state/, 'rules, and no connection to track')
      await assertReaches(hub, 'db', everything)
      await reloadRules(network.accept)
      await assertReaches(hub, 'db', [])

      // What fails leaves the rules that were there: at the rules themselves, and after them.
      const rules = await rulesOf(db)
      const open = () => readFileSync(render(db, 'db', forms.db, { ...network, accept: [more] }), 'utf8')
      const name = forms.db === 'ini' ? 'wg0.conf' : 'wg0.json'
      for (const [text, reason] of [
        [open().replace('ct state', 'ct sate'), /syntax error/],
        [open().replaceAll('192.168.7.0/24', '203.0.113.0/24'), /File exists/], // a route that the host has
      ] as const) {
        const { status, stderr } = await db.quick('podwire', ['reload', db.write(name, text)])
        assert.match(`${status} ${stderr}`, reason)
        assert.equal(status, 1)
        assert.equal(await rulesOf(db), rules)
      }
      await reload(network.accept)
      assert.equal(await db.sh('wg show wg0 allowed-ips'), prefixes)

      for (const { child } of servers) child.kill('SIGKILL')
      for (const node of nodes) {
        await quick(at[node], 'down', files[node])
        const settled = await at[node].settled(before[node])
        assert.deepEqual({ ...settled, routes: '' }, { ...before[node], routes: '' }) // a hub forwards, and goes on to
      }
    })
  })
}
