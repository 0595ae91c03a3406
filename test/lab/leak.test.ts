// Nothing of the network in clear, whatever happens to agent and device: one capture of all that passes the LAN between
// two hosts, while their containers send a canary without a break. Each host has the other as its default gateway, so
// that whatever is not held back does leave in clear; the last test shows that the capture would see it.

import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { judgeCapture, startCapture } from '../../src/lab/capture.ts'
import type { CaptureReport } from '../../src/lab/leaks.ts'
import { device, Mesh, overlay, until } from './mesh.ts'

const limit = { timeout: 120_000 }
const canary = 'podwire-canary-1'

let mesh: Mesh
before(async () => {
  mesh = await Mesh.start('leak', { hosts: ['a', 'b'], gateways: { a: 'b', b: 'a' } })
})
after(async () => {
  sending = false
  await mesh[Symbol.asyncDispose]()
})

/** Captures all that passes the LAN while `run` runs. */
async function captureDuring(name: string, run: () => Promise<void>): Promise<CaptureReport> {
  const file = join(mesh.folder, `${name}.pcap`)
  const capture = await startCapture(mesh.lab, 'a', 'wan', file)
  await run()
  const { dropped } = await capture.stop()
  assert.equal(dropped, 0, 'the capture saw everything')
  return await judgeCapture(file, { prefixes: overlay, canaries: [Buffer.from(canary)] })
}

const ping = (address: string, ...more: string[]): [string, ...string[]] => [
  'ping',
  ...['-q', '-p', Buffer.from(canary).toString('hex'), '-i', '0.01', ...more, address],
]

const senders = new Set<ChildProcess>()
let sending = true

/** A ping that begins again when it gives up, as it does on a host that has no route. */
function keepSending(from: string, address: string): void {
  const sender = mesh.lab.spawn(from, ping(address), { stdio: 'ignore' })
  senders.add(sender)
  sender.once('exit', () => {
    senders.delete(sender)
    if (sending) setTimeout(() => keepSending(from, address), 20)
  })
}

async function stopSending(): Promise<void> {
  sending = false
  const ends = [...senders].map(sender => once(sender, 'exit'))
  for (const sender of senders) sender.kill()
  await Promise.all(ends)
}

/** Containers and hosts send to each other's containers, both families, whether or not there is a way. */
function sendCanaries(): void {
  for (const [from, to] of [
    ['a/box', 'b'],
    ['b/box', 'a'],
    ['a', 'b'],
  ] as const) {
    for (const address of mesh.boxAddresses(to)) keepSending(from, address)
  }
}

/** Both ways and both families work, from now. */
async function connected(): Promise<void> {
  for (const [from, to] of [
    ['a/box', 'b'],
    ['b/box', 'a'],
  ] as const) {
    for (const address of mesh.boxAddresses(to)) await mesh.ping(from, address)
  }
}

/** Some packets are sent, and get nowhere. */
async function sendInVain(): Promise<void> {
  for (const address of mesh.boxAddresses('b')) {
    const { stdout } = await mesh.lab.exec('a/box', [
      'sh',
      '-c',
      `${ping(address, '-c', '30', '-W', '0.2').join(' ')}; true`,
    ])
    assert.match(stdout, / 0 received/)
  }
}

const steps: [name: string, run: () => Promise<void>][] = [
  [
    'start',
    async () => {
      for (const host of ['a', 'b']) {
        const agent = mesh.spawnAgent(host)
        // From the moment it is closed, which comes before the device, packets press against the door.
        await agent.said('in sync with the store')
        await mesh.lab.attachContainer(host, 'box', mesh.boxAddresses(host))
      }
      sendCanaries()
      await connected()
    },
  ],
  [
    'stop and start',
    async () => {
      for (const host of ['a', 'b']) await mesh.agent(host).end('SIGTERM')
      await connected()
      for (const host of ['a', 'b']) await mesh.startAgent(host)
    },
  ],
  [
    'crash of the agent',
    async () => {
      await mesh.agent('a').end('SIGKILL')
      await connected()
      await mesh.startAgent('a')
    },
  ],
  [
    'crash of the device',
    async () => {
      const pid = await mesh.devicePid('a')
      process.kill(pid, 'SIGKILL')
      await until('there is another', async () => (await mesh.devicePid('a').catch(() => pid)) !== pid || undefined)
      await connected()
    },
  ],
  [
    'crash of both',
    async () => {
      await mesh.agent('a').end('SIGKILL')
      process.kill(await mesh.devicePid('a'), 'SIGKILL')
      await sendInVain()
      await mesh.startAgent('a')
      await connected()
    },
  ],
  [
    'device removed by hand',
    async () => {
      await mesh.lab.exec('a', ['ip', 'link', 'delete', device])
      await connected()
      await mesh.agent('a').end('SIGKILL')
      await mesh.lab.exec('a', ['ip', 'link', 'delete', device])
      await sendInVain()
      await mesh.startAgent('a')
      await connected()
    },
  ],
  [
    'loss of the peer, and its return with another key',
    async () => {
      await mesh.agent('b').end('SIGKILL')
      process.kill(await mesh.devicePid('b'), 'SIGKILL')
      await sendInVain()
      rmSync(join(mesh.storeFolder, 'nodes', 'b.json'))
      await until('a has let it go', async () => (await mesh.peers('a')).size === 0 || undefined)
      await sendInVain()
      rmSync(join(mesh.folder, 'state-b'), { recursive: true })
      await mesh.startAgent('b')
      await connected()
    },
  ],
  [
    'loss of the store, and of the device meanwhile',
    async () => {
      const { lines } = mesh.agent('a')
      const from = lines.length
      renameSync(mesh.storeFolder, `${mesh.storeFolder}-away`)
      await until('a has lost it', () => lines.slice(from).find(({ msg }) => msg.startsWith('the store is lost')))
      await connected()
      await mesh.lab.exec('a', ['ip', 'link', 'delete', device])
      await connected()
      renameSync(`${mesh.storeFolder}-away`, mesh.storeFolder)
      await connected()
    },
  ],
  [
    'another key set by hand, and the rules flushed',
    async () => {
      const file = join(mesh.folder, 'other-key')
      writeFileSync(file, `${Buffer.alloc(32, 7).toString('base64')}\n`, { mode: 0o600 })
      await mesh.lab.exec('a', ['wg', 'set', device, 'private-key', file])
      await mesh.lab.exec('a', ['nft', 'flush', 'ruleset'])
      await until('a has its own key again', () =>
        mesh.agent('a').lines.find(({ msg }) => msg.startsWith('the device has another key')),
      )
      await connected()
    },
  ],
  [
    'routes deleted and the device taken down by hand',
    async () => {
      for (const prefix of mesh.prefixes('b'))
        await mesh.lab.exec('a', ['ip', 'route', 'delete', prefix, 'dev', device])
      for (const range of overlay) await mesh.lab.exec('a', ['ip', 'route', 'delete', 'unreachable', range])
      await connected()
      await mesh.lab.exec('a', ['ip', 'link', 'set', device, 'down'])
      await connected()
    },
  ],
  ['start of the machine, whose agent comes late', restart],
]

const unitFile = fileURLToPath(new URL('../../../deploy/systemd/podwire-close.service', import.meta.url))

/** A host that has lost all that only the kernel had, as its unit closes it before the network is there. */
async function restart(): Promise<void> {
  await mesh.agent('a').end('SIGKILL')
  await mesh.lab.exec('a', ['ip', 'link', 'set', 'wan', 'down'])
  await mesh.lab.exec('a', ['ip', 'link', 'delete', device])
  for (const family of ['-4', '-6']) await mesh.lab.exec('a', ['ip', family, 'route', 'flush', 'proto', '112'])
  await mesh.lab.exec('a', ['nft', 'flush', 'ruleset'])
  const [, line = ''] = /^ExecStart=\/bin\/sh -c '(.*)'$/m.exec(readFileSync(unitFile, 'utf8')) ?? []
  assert.ok(line.includes('/var/lib/podwire/'))
  await mesh.lab.exec('a', ['sh', '-c', line.replaceAll('/var/lib/podwire/', `${join(mesh.folder, 'state-a')}/`)])
  for (const words of [
    'link set wan up',
    'address replace 2001:db8::1/64 dev wan nodad',
    'route replace default via 192.0.2.2',
    'route replace default via 2001:db8::2',
  ]) {
    await mesh.lab.exec('a', ['ip', ...words.split(' ')])
  }
  await until('there is a way out', () =>
    mesh.lab.exec('a', ['ping', '-c', '1', '-W', '1', '2001:db8::2']).catch(() => undefined),
  )
  await sendInVain()
  await mesh.startAgent('a')
  await connected()
}

for (const [name, run] of steps) {
  test(`nothing in clear: ${name}`, limit, async () => {
    const { messages, violations } = await captureDuring(name.replaceAll(' ', '-'), run)
    assert.deepEqual(violations.slice(0, 5), [])
    assert.ok(messages.data > 0, JSON.stringify(messages))
    for (const { spawnargs, exitCode } of senders)
      assert.equal(exitCode, null, `it sends still: ${spawnargs.slice(-8)}`)
  })
}

test(
  'nothing in clear: a planted route leads nowhere, and without the rules the capture shows its packet',
  limit,
  async () => {
    const held = await captureDuring('held', async () => {
      for (const address of mesh.boxAddresses('b')) {
        const gateway = address.includes(':') ? '2001:db8::2' : '192.0.2.2'
        await mesh.lab.exec('a', ['ip', 'route', 'add', address, 'via', gateway, 'dev', 'wan'])
      }
      await sendInVain()
    })
    assert.deepEqual(held.violations, [])
    await stopSending() // what it sends would be seen as well
    await mesh.agent('a').end('SIGKILL') // it would put the rules back
    await mesh.lab.exec('a', ['nft', 'delete', 'table', 'inet', 'podwire-podwire0'])
    const { violations } = await captureDuring('leaked', async () => {
      for (const address of mesh.boxAddresses('b')) {
        await mesh.lab.exec('a/box', ['sh', '-c', `${ping(address, '-c', '1', '-W', '0.5').join(' ')}; true`])
      }
    })
    assert.equal(violations.length, 2, `one packet of each family: ${JSON.stringify(violations)}`)
  },
)
