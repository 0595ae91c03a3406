// Hosts on which other programs drop what is forwarded: the rules of each as it writes them, in short, with all that a packet of a
// container meets. ufw's are those of its program in Debian 12, firewalld's and Docker's of versions 1.3 and 26.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { cli, Mesh } from './mesh.ts'
import { until } from './until.ts'

const limit = { timeout: 120_000 }
const probe = fileURLToPath(new URL('./probe.js', import.meta.url))

let mesh: Mesh
before(async () => {
  mesh = await Mesh.start('forward', { hosts: ['a', 'b'] })
  await mesh.join('a', 'b')
  for (const host of ['a', 'b']) {
    const server = mesh.lab.spawn(`${host}/box`, [process.execPath, probe, 'serve', 'tcp/7000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise(resolve => server.stdout?.once('data', resolve))
  }
})
after(() => mesh[Symbol.asyncDispose]())

const docker = `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
`
const ufw = (six: '' | '6') => `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:ufw${six}-before-forward - [0:0]
:ufw${six}-reject-forward - [0:0]
:ufw${six}-user-forward - [0:0]
-A FORWARD -j ufw${six}-before-forward
-A FORWARD -j ufw${six}-reject-forward
-A ufw${six}-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw${six}-before-forward -j ufw${six}-user-forward
COMMIT
`
const firewalld = `table inet firewalld {
  chain filter_FORWARD {
    type filter hook forward priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    ip6 daddr { ::/96, ::ffff:0.0.0.0/96, 2002::/24 } reject with icmpv6 type addr-unreachable
    jump filter_FORWARD_ZONES
    reject with icmpx type admin-prohibited
  }
  chain filter_FORWARD_ZONES {
    iifname "wan" goto filter_FWD_public
    goto filter_FWD_public
  }
  chain filter_FWD_public {
    oifname "eth9" accept
  }
}
`

const cases: [program: string, load: [command: string, text: string][], chains: string[], families: number][] = [
  ['Docker', [['iptables-restore', docker]], ['ip filter FORWARD (Docker)'], 1],
  [
    'ufw',
    [
      ['iptables-restore', ufw('')],
      ['ip6tables-restore', ufw('6')],
    ],
    ['ip filter FORWARD (ufw)', 'ip6 filter FORWARD (ufw)'],
    2,
  ],
  ['firewalld', [['nft -f -', firewalld]], ['inet firewalld filter_FORWARD (firewalld)'], 2],
]

/** How many of the containers' addresses of the other host answer, each way. */
async function answers(families: number): Promise<number> {
  const ways = [
    ['a/box', 'b'],
    ['b/box', 'a'],
  ] as const
  const found = await Promise.all(
    ways.map(async ([from, to]) => {
      const targets = mesh.boxAddresses(to).slice(0, families)
      const words = JSON.stringify(targets.map(address => `tcp/7000 ${address}`))
      const { stdout } = await mesh.lab.exec(from, [process.execPath, probe, 'try', words])
      return (JSON.parse(stdout) as string[]).length
    }),
  )
  return found.reduce((sum, count) => sum + count, 0)
}

async function restart(...more: string[]): Promise<void> {
  await mesh.agent('a').end('SIGTERM')
  await mesh.startAgent('a', ...more)
}

for (const [program, load, chains, families] of cases) {
  test(
    `forward: ${program} drops what containers send: it is said, let through when asked, and closed again`,
    limit,
    async () => {
      for (const [command, text] of load) {
        await mesh.lab.exec('a', ['sh', '-c', command], { input: text })
      }
      await restart()
      const dropped = await mesh.agent('a').said('rules of others drop what is forwarded, and so what containers send')
      assert.deepEqual([...(dropped.chains as string[])].sort(), chains)
      assert.equal(await answers(families), 0)
      const doctor = async () =>
        (await mesh.lab.exec('a', ['sh', '-c', `${process.execPath} ${cli} doctor || true`])).stdout
      const isFirst = program === 'Docker'
      if (isFirst) assert.match(await doctor(), /^note +forward .*\(Docker\)/m)

      await restart('--accept-forward')
      await mesh.agent('a').said('accepts inserted, so that what is forwarded for containers passes')
      await until('all answer', async () => (await answers(families)) === 2 * families)
      if (isFirst) assert.match(await doctor(), /^ok +forward /m)
      // Who knows only iptables reads them as well.
      if (program !== 'firewalld') {
        const { stdout } = await mesh.lab.exec('a', ['iptables', '-S', 'FORWARD'])
        assert.match(stdout, /-i pw\+ -o podwire0 -m comment --comment podwire-podwire0 -j ACCEPT/)
      }
      const rules = async () => (await mesh.lab.exec('a', ['nft', '-a', 'list', 'ruleset'])).stdout
      const accepts = (text: string) => text.match(/accept comment "podwire-podwire0" # handle \d+/g) ?? []
      const inserted = accepts(await rules())
      assert.equal(inserted.length, 3 * chains.length)
      if (isFirst) {
        await restart('--accept-forward')
        assert.deepEqual(accepts(await rules()), inserted)
      }

      await restart()
      await until('the accepts are gone', async () => accepts(await rules()).length === 0)
      for (const table of new Set(chains.map(name => name.split(' ').slice(0, 2).join(' ')))) {
        await mesh.lab.exec('a', ['nft', `delete table ${table}`])
      }
    },
  )
}
