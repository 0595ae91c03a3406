// What `podwire quick` refuses on a host, beside what wg-quick does: names that are not found, ports and interfaces that are
// taken, a key said twice. Whatever was begun is taken back.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { type QuickHost, type Tool, withQuickHosts } from './quick-host.ts'
import { cli } from './tunnel.ts'

const nameServer = fileURLToPath(new URL('./name-server.js', import.meta.url))
const key = Buffer.from(generatePrivateKey().bytes).toString('base64')
const peer = publicKeyOf(generatePrivateKey())
const tools: readonly Tool[] = ['podwire', 'wg-quick']

function conf(endpoint: string, ...own: string[]): string {
  const lines = ['[Interface]', `PrivateKey = ${key}`, 'Address = 10.7.0.1/24', ...own]
  return `${[...lines, '[Peer]', `PublicKey = ${peer}`, 'AllowedIPs = 10.9.0.0/16', `Endpoint = ${endpoint}`].join('\n')}\n`
}

function writeResolver(at: QuickHost, seconds: number): void {
  at.write('resolv.conf', `nameserver 127.0.0.1\noptions timeout:${seconds} attempts:1\n`, 0o644)
}

/** A test on a host whose names are those of name-server.ts. */
async function withNames(word: string, run: (at: QuickHost) => Promise<void>): Promise<void> {
  await withQuickHosts(word, async at => {
    writeResolver(at, 20)
    await at.sh('mount --bind resolv.conf /etc/resolv.conf') // of this host alone
    const command = [process.execPath, nameServer, join(at.folder, 'answers')] as const
    const server = at.lab.spawn(at.host, command, { stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise(resolve => server.stdout?.once('data', resolve))
    await run(at)
  })
}

/** How often a line says that it will be tried again. */
const retriesIn = (stderr: string) => stderr.match(/trying again in [\d.]+ s/gi)?.length ?? 0

const names: [name: string, host: string, env: Record<string, string>, retries: number][] = [
  ['a name that does not exist is not tried again', 'nx.example.test', {}, 0],
  ['a server that fails, no retry', 'fails.example.test', { WG_ENDPOINT_RESOLUTION_RETRIES: '0' }, 0],
  ['a server that fails, two retries', 'fails.example.test', { WG_ENDPOINT_RESOLUTION_RETRIES: '2' }, 2],
  ['a server that does not answer', 'mute.example.test', { WG_ENDPOINT_RESOLUTION_RETRIES: '1' }, 1],
]

test('quick: an endpoint that is not found is tried as often as with wg-quick, and all is taken back', async t => {
  await withNames('names', async at => {
    const before = await at.state()
    for (const [name, host, env, retries] of names) {
      await t.test(name, async () => {
        writeResolver(at, host.startsWith('mute') ? 1 : 20) // a busy machine is slow to say that there is none
        for (const tool of tools) {
          const file = at.write('wg0.conf', conf(`${host}:51820`))
          const { status, stderr } = await at.quick(tool, ['up', file], env)
          assert.deepEqual([status, retriesIn(stderr)], [1, retries], `${tool}: ${stderr}`)
          if (tool === 'podwire') assert.match(stderr, new RegExp(`Endpoint: no address was found for "${host}"`))
          assert.deepEqual(await at.settled(before), before, `${tool}: something is left`)
        }
      })
    }
  })
})

test('quick: while a name is tried again, it may come to be found, or the run be ended', async () => {
  await withNames('names-later', async at => {
    const before = await at.state()
    at.write('wg0.conf', conf('late.example.test:51820'))
    const file = join(at.folder, 'wg0.conf')
    const whileItWaits = (command: string) =>
      at.sh(`rm -f answers said; WG_ENDPOINT_RESOLUTION_RETRIES=infinity ${process.execPath} ${cli} quick up ./wg0.conf 2> said &
        up=$!; until grep -qi "trying again" said || ! kill -0 $up; do sleep 0.1; done
        ${command}; wait $up; echo "status $?"; cat said`)
    assert.match(await whileItWaits('kill -TERM $up'), /^status 1\n[\s\S]*interrupted by SIGTERM/)
    assert.deepEqual(await at.settled(before), before, 'something is left')
    assert.match(await whileItWaits('touch answers'), /^status 0\n/)
    assert.equal(await at.sh('wg show wg0 endpoints'), `${peer}\t192.0.2.77:51820\n`)

    const { processes: _, ...up } = await at.state()
    at.write('wg0.conf', conf('nx.example.test:51820', 'MTU = 1300', 'Address = 10.8.0.1/24'))
    const { status, stderr } = await at.quick('podwire', ['reload', file])
    assert.ok(status === 1 && stderr.includes('no address was found for "nx.example.test"'), stderr)
    const { processes: __, ...still } = await at.state()
    assert.deepEqual(still, up, 'a reload that finds no address changes nothing')
    assert.equal((await at.quick('podwire', ['down', file])).status, 0)
    assert.deepEqual(await at.settled(before), before)
  })
})

const taken = 'ip link add wg0 type veth peer name other'
const free = 'ip link delete wg0 2>/dev/null; true'

/** What is in the way on the host before `up`, and what is said of it. */
const inTheWay: [name: string, own: string[], there: string, gone: string, said: RegExp][] = [
  [
    'a port that another program has',
    ['ListenPort = 51999'],
    `${process.execPath} -e 'require("dgram").createSocket("udp4").bind(51999)' > /dev/null 2>&1 & echo $! > pid
      until ss -Hlun sport = 51999 | grep -q .; do sleep 0.1; done`,
    'kill $(cat pid); until ! ss -Hlun sport = 51999 | grep -q .; do sleep 0.1; done',
    // The kernel's device takes its port when its link goes up.
    /UDP port 51999 is in use.*\n.*ss -ulpn sport = 51999|link set .* Address already in use/,
  ],
  ['an address twice', ['Address = 10.7.0.1/24'], 'true', 'true', /address add 10\.7\.0\.1\/24 dev wg0` ended with/],
  [
    'an interface that is something else',
    [],
    taken,
    free,
    /interface named "wg0" exists already[\s\S]*Choose another name/,
  ],
]

test('quick: what is in the way is named, by wg-quick as well, and stays as it was', async t => {
  await withQuickHosts('in-the-way', async at => {
    for (const [name, own, there, gone, said] of inTheWay) {
      await t.test(name, async () => {
        const file = at.write('wg0.conf', conf('192.0.2.77:51820', ...own))
        await at.sh(there)
        const before = await at.state()
        for (const tool of tools) {
          const { status, stderr } = await at.quick(tool, ['up', file])
          const isSaid = tool === 'wg-quick' ? status !== 0 : status === 1 && said.test(stderr)
          assert.ok(isSaid, `${tool}: ${stderr}`)
          assert.deepEqual(await at.settled(before), before, `${tool}: something has changed`)
        }
        await at.sh(gone)
      })
    }
  })
})

test('quick: an interface that is something else is not taken down, reloaded or saved', async () => {
  await withQuickHosts('foreign', async at => {
    const text = conf('192.0.2.77:51820')
    const file = at.write('wg0.conf', text)
    await at.sh(taken)
    const before = await at.state()
    for (const verb of ['down', 'reload', 'save']) {
      const { status, stderr } = await at.quick('podwire', [verb, file])
      assert.ok(status === 1 && /wg0 is not a WireGuard interface: there is a link/.test(stderr), `${verb}: ${stderr}`)
    }
    assert.deepEqual(await at.settled(before), before)
    assert.equal(readFileSync(file, 'utf8'), text)
    await at.sh(free)
  })
})

test('quick: an address that another interface has is no matter, and a key said twice is one in INI, an error in JSON', async () => {
  await withQuickHosts('twice', async at => {
    const before = await at.state()
    const file = at.write(
      'wg0.conf',
      conf('192.0.2.77:51820', 'Address = 192.0.2.1/32', 'ListenPort = 51998', 'ListenPort = 51999'),
    )
    for (const tool of tools) {
      const { status, stderr } = await at.quick(tool, ['up', file])
      assert.equal(status, 0, `${tool}: ${stderr}`)
      if (tool === 'podwire') assert.match(stderr, /line \d+, column 1: ListenPort is given again.*the last one counts/)
      assert.equal(
        await at.sh('wg show wg0 listen-port; ip -o -4 address show to 192.0.2.1 | wc -l'),
        '51999\n2\n',
        tool,
      )
      assert.equal((await at.quick(tool, ['down', file])).status, 0)
      assert.deepEqual(await at.settled(before), before)
    }
    const json = at.write('wg0.json', `{ "interface": { "listenPort": 51998, "listenPort": 51999 } }`)
    const { status, stderr } = await at.quick('podwire', ['up', json])
    assert.ok(status === 2 && /line 1, column \d+: the key "listenPort" is there twice/.test(stderr), stderr)
    assert.deepEqual(await at.settled(before), before)
  })
})
