import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connectInVain } from './connect.ts'
import { cli, describe, device, Mesh, overlay, until } from './mesh.ts'

/** Nothing here takes as long; a test that hangs must end. */
const limit = { timeout: 60_000 }

let mesh: Mesh
before(async () => {
  mesh = await Mesh.start('agent', { hosts: ['a', 'b', 'c'] })
})
after(() => mesh[Symbol.asyncDispose]())

const recordFile = (host: string) => join(mesh.storeFolder, 'nodes', `${host}.json`)
const claimFile = (prefix: string) => join(mesh.storeFolder, 'claims', `${prefix.replace('/', '_')}.json`)
const publicKey = (host: string): string => JSON.parse(readFileSync(recordFile(host), 'utf8')).publicKey

test(
  'agent: three hosts become a mesh in which every container reaches every other, IPv4 and IPv6',
  limit,
  async () => {
    await mesh.join('a', 'b', 'c')
    for (const host of ['a', 'b', 'c']) assert.equal((await mesh.peers(host)).size, 2)
  },
)

test('agent: hosts reach containers of others, with their overlay address as the source', limit, async () => {
  for (const address of mesh.boxAddresses('b')) await mesh.ping('a', address)
  const { stdout } = await mesh.lab.exec('a', ['ip', '-j', 'route', 'get', mesh.boxAddresses('b')[0] ?? ''])
  assert.equal(JSON.parse(stdout)[0].prefsrc, mesh.prefixes('a')[0]?.replace('.0/24', '.1'))
})

test('agent: its key is kept from others, and neither log nor store has it', limit, async () => {
  const state = join(mesh.folder, 'state-a')
  assert.equal(statSync(join(state, 'private.key')).mode & 0o777, 0o600)
  const key = readFileSync(join(state, 'private.key'), 'utf8').trim()
  const hex = Buffer.from(key, 'base64').toString('hex')
  const seen = [JSON.stringify(mesh.agent('a').lines), mesh.agent('a').errors, readFileSync(recordFile('a'), 'utf8')]
  for (const text of seen) assert.ok(!text.includes(key) && !text.includes(hex))
})

test('agent: a node that joins is one peer more on the others, and their sessions are not touched', limit, async () => {
  const peersBefore = await mesh.peers('a')
  await mesh.lab.addHost('d', describe('d'))
  await mesh.join('d')
  const peers = await mesh.peers('a')
  assert.deepEqual(
    [...peers.keys()].filter(key => !peersBefore.has(key)),
    [publicKey('d')],
  )
  for (const [key, state] of peersBefore) assert.equal(peers.get(key), state)
})

test(
  'agent: killed and started again under load, it loses no packet, changes nothing and writes nothing',
  limit,
  async () => {
    const [address = ''] = mesh.boxAddresses('b')
    mesh.lab.spawn('b/box', ['iperf3', '-s', '-1', '-p', '5201'], { stdio: 'ignore' })
    const sockets = async (flags: string) => (await mesh.lab.exec('b/box', ['ss', flags])).stdout
    await until('the server listens', async () => (await sockets('-Hltn')).includes(':5201') || undefined)
    const stream = ['-u', '-l', '125', '-b', '1M', '-t', '6', '-p', '5201', '-J']
    const loaded = mesh.lab.exec('a/box', ['iperf3', '-c', address, ...stream])
    await until('the stream runs', async () => (await sockets('-Hun')).includes(':5201') || undefined)
    const before = await mesh.snapshot('a')
    const written = storeStamps()
    for (let round = 0; round < 3; round++) {
      await mesh.agent('a').end('SIGKILL')
      await mesh.startAgent('a')
    }
    assert.deepEqual(await mesh.snapshot('a'), before)
    await mesh.agent('a').end('SIGTERM')
    assert.match(mesh.agent('a').lines.at(-1)?.msg ?? '', /^stopped; .* stay as they are/)
    const agent = await mesh.startAgent('a')
    const { sum } = JSON.parse((await loaded).stdout).end
    assert.ok(sum.packets > 5900, `${sum.packets} packets`)
    assert.equal(sum.lost_packets, 0)
    assert.deepEqual(await mesh.snapshot('a'), before)
    assert.deepEqual(storeStamps(), written)
    assert.ok(!agent.lines.some(({ msg }) => msg === 'applied' || msg === 'own record written'))
  },
)

/** When each file of the store was last written. */
function storeStamps(): string[] {
  return ['nodes', 'claims'].flatMap(folder =>
    readdirSync(join(mesh.storeFolder, folder)).map(name => {
      const { ino, mtimeMs } = statSync(join(mesh.storeFolder, folder, name))
      return `${name} ${ino} ${mtimeMs}`
    }),
  )
}

test('agent: a record that changes changes its one peer; one that goes takes its one peer along', limit, async () => {
  const others = async () => {
    const peers = await mesh.peers('a')
    peers.delete(publicKey('d'))
    return peers
  }
  const before = await others()
  await mesh.agent('d').end('SIGKILL')
  await mesh.lab.exec('d', ['ip', 'link', 'delete', device]) // ends its sessions: a working endpoint would stay
  await mesh.startAgent('d', '--endpoint', '[2001:db8::4]:51820')
  await until('a has read it', () =>
    mesh.agent('a').lines.find(line => line.msg === 'record changed' && line.node === 'd'),
  )
  // From d, which has no session any more; a would send into its old one for 15 s.
  await mesh.ping('d/box', mesh.boxAddresses('a')[0] ?? '')
  assert.deepEqual(await others(), before)

  const key = publicKey('d')
  await mesh.agent('d').end('SIGTERM')
  rmSync(recordFile('d'))
  await until('the peer is gone', async () => !(await mesh.peers('a')).has(key) || undefined)
  assert.deepEqual(await mesh.peers('a'), before)
  const { stdout } = await mesh.lab.exec('a', ['ip', 'route', 'show', mesh.prefixes('d')[0] ?? ''])
  assert.equal(stdout, '')
  await mesh.startAgent('d')
  await mesh.ping('a/box', mesh.boxAddresses('d')[0] ?? '')
})

test('agent: hostile and broken records are left out with their reasons, and all others work', limit, async () => {
  const before = await mesh.snapshot('a')
  const hostile = { name: 'evil', publicKey: Buffer.alloc(32, 'e').toString('base64'), endpoints: [] }
  const cases: [prefixes: string[], reason: RegExp][] = [
    [['0.0.0.0/0'], /overlaps this host/],
    [['10.99.0.0/16'], /overlaps/],
    [mesh.prefixes('b'), /which node b has claimed/],
    [['192.0.2.0/24'], /outside the network's range/],
  ]
  for (const [prefixes, reason] of cases) {
    writeFileSync(`${recordFile('evil')}.new`, JSON.stringify({ ...hostile, prefixes }))
    renameSync(`${recordFile('evil')}.new`, recordFile('evil'))
    await until(`a refuses ${prefixes}`, () => mesh.agent('a').lines.find(line => reason.test(String(line.reason))))
  }
  writeFileSync(recordFile('evil'), '{"name": "evil"')
  await until('a cannot read it', () => mesh.agent('a').lines.find(line => /not JSON/.test(String(line.reason))))
  rmSync(recordFile('evil'))
  assert.deepEqual(await mesh.snapshot('a'), before)
})

test('agent: a container that tries a node that nobody can reach yet hears of it at once', limit, async () => {
  const before = await mesh.snapshot('a')
  const quiet = { name: 'quiet', publicKey: Buffer.alloc(32, 'q').toString('base64'), endpoints: [] }
  const prefixes = ['10.99.200.0/24', 'fd99:5eed:cafe:200::/64']
  for (const prefix of prefixes) writeFileSync(claimFile(prefix), JSON.stringify({ prefix, node: 'quiet', sinceMs: 0 }))
  writeFileSync(`${recordFile('quiet')}.new`, JSON.stringify({ ...quiet, prefixes }))
  renameSync(`${recordFile('quiet')}.new`, recordFile('quiet'))
  for (const address of ['10.99.200.2', 'fd99:5eed:cafe:200::2']) {
    // Until then it is the kernel that answers, for its unreachable route.
    await until(`${address} is routed to the device`, async () => {
      const route = await mesh.lab.exec('a', ['ip', '-j', 'route', 'get', address]).catch(() => undefined)
      return (route && JSON.parse(route.stdout)[0].dev === device) || undefined
    })
    for (const from of ['a/box', 'a']) {
      const { code, afterMs } = await connectInVain(mesh.lab, from, address)
      assert.equal(code, 'EHOSTUNREACH', `${from} to ${address}`)
      assert.ok(afterMs < 1000, `after ${afterMs} ms`)
    }
  }
  for (const file of [recordFile('quiet'), ...prefixes.map(claimFile)]) rmSync(file)
  await until('the peer is gone', async () => !(await mesh.peers('a')).has(quiet.publicKey) || undefined)
  assert.deepEqual(await mesh.snapshot('a'), before)
})

test('agent: what is changed by hand is put right', limit, async () => {
  const before = await mesh.snapshot('a')
  const { rules: _, ...withoutHandles } = before
  const [prefix = ''] = mesh.prefixes('b')
  for (const command of [
    ['ip', 'route', 'delete', prefix],
    ['ip', 'route', 'delete', 'unreachable', '10.99.0.0/16'],
    ['ip', 'link', 'set', device, 'mtu', '1300'],
    ['ip', 'address', 'add', '10.99.200.1/32', 'dev', device],
  ] as [string, ...string[]][]) {
    await mesh.lab.exec('a', command)
    await until(`${command.join(' ')} is undone`, async () => {
      const { rules: _, ...now } = await mesh.snapshot('a')
      return JSON.stringify(sorted(now)) === JSON.stringify(sorted(withoutHandles)) || undefined
    })
  }
})

test(
  'agent: its table is put back when someone flushes it, and not only at the round of each minute',
  limit,
  async () => {
    await mesh.lab.exec('a', ['nft', 'flush', 'ruleset'])
    await until('the table is back', async () => {
      const { stdout } = await mesh.lab.exec('a', ['nft', 'list', 'ruleset'])
      return stdout.includes('chain leaving') || undefined
    })
  },
)

/** Routes in an order that does not depend on when each was made. */
function sorted(snapshot: Record<string, unknown>): unknown {
  return Object.values(snapshot).map(value =>
    Array.isArray(value) ? value.map(item => JSON.stringify(item)).sort() : value,
  )
}

test(
  'agent: with the store removed traffic goes on, and when it is back empty every node takes its place again',
  limit,
  async () => {
    const before = await mesh.snapshot('a')
    const prefixes = mesh.prefixes('a')
    rmSync(mesh.storeFolder, { recursive: true })
    for (const host of ['a', 'b', 'c', 'd']) {
      await until(`${host} says so`, () =>
        mesh.agent(host).lines.find(({ msg }) => msg.startsWith('the store is lost')),
      )
    }
    await mesh.lab.exec('a/box', ['ping', '-c', '20', '-i', '0.01', '-W', '1', mesh.boxAddresses('b')[0] ?? ''])
    assert.deepEqual(await mesh.snapshot('a'), before)
    // The device goes too: it comes back without the store.
    await mesh.lab.exec('a', ['ip', 'link', 'delete', device])
    for (const address of mesh.boxAddresses('b')) await mesh.ping('a/box', address)
    mesh.makeStore()
    for (const host of ['a', 'b', 'c', 'd'])
      await until(`${host} is back`, () => existsSync(recordFile(host)) || undefined)
    for (const address of mesh.boxAddresses('b')) await mesh.ping('a/box', address)
    assert.deepEqual(JSON.parse(readFileSync(recordFile('a'), 'utf8')).prefixes, prefixes)
  },
)

test(
  'agent: bad input and a machine that lacks something are said with a code, and nothing is changed',
  limit,
  async () => {
    const before = await mesh.snapshot('d')
    assert.match(await mesh.refusal('d', mesh.command('d')), /device podwire0 already.*ERR_PODWIRE_AGENT_RUNNING/s)
    await mesh.agent('d').end('SIGTERM')
    const otherState = ['--state', join(mesh.folder, 'state-other')]
    const broken = join(mesh.folder, 'broken')
    const full = join(mesh.folder, 'full')
    const own = join(mesh.folder, 'own')
    await mesh.lab.exec('d', ['mkdir', broken, full, own])
    writeFileSync(join(own, 'network.json'), '{ "name": "x", "range": ["2001:db8::/48"] }')
    writeFileSync(join(broken, 'network.json'), '{ "name": "x", "range": ["10.0.0.0/33"] }')
    writeFileSync(join(full, 'network.json'), '{ "name": "x", "range": ["10.1.0.0/24"] }')
    await mesh.lab.exec('d', ['ip', 'tuntap', 'add', 'foreign', 'mode', 'tun'])
    await mesh.lab.exec('d', ['mkdir', join(full, 'nodes'), join(full, 'claims')])
    writeFileSync(join(full, 'claims', '10.1.0.0_24.json'), '{ "prefix": "10.1.0.0/24", "node": "z", "sinceMs": 1 }')
    const command = (...more: string[]) => mesh.command('d', ...more)
    const cases: [name: string, args: string[], said: RegExp, wrap?: string[]][] = [
      ['no store', command('--store', 'file:/nowhere'), /\(ERR_PODWIRE_STORE\)/],
      ['bad address', command('--store', 'ftp://x'), /ERR_PODWIRE_STORE_ADDRESS/],
      ['bad network', command('--store', `file:${broken}`), /network\.json: range\[0\].*ERR_PODWIRE_CIDR/s],
      ['same name', command(...otherState, '--name', 'a'), /name "a" is in use: .*ERR_PODWIRE_NODE_NAME_TAKEN/s],
      ['bad name', command('--name', 'a b'), /--name.*ERR_PODWIRE_NAME/s],
      ['no endpoint', command('--endpoint', 'here:1'), /--endpoint.*ERR_PODWIRE_ENDPOINT/s],
      ['loopback', command('--endpoint', '127.0.0.1:1'), /--endpoint.*loopback.*ERR_PODWIRE_DOCUMENT/s],
      ['overlay', command('--endpoint', '10.99.3.1:1'), /--endpoint.*the network's own range.*ERR_PODWIRE_ENDPOINT/s],
      ['no port', command('--listen-port', '0'), /ERR_PODWIRE_USAGE/],
      ['own range', command('--store', `file:${own}`), /2001:db8::4\/64, .* on wan: .*ERR_PODWIRE_RANGE_IN_USE/s],
      ['device pw0', command('--device', 'pw0'), /--device.*ERR_PODWIRE_NAME/s],
      [
        'foreign link',
        command('--device', 'foreign', ...otherState, '--name', 'e'),
        /"foreign" exists.*ERR_PODWIRE_NAME_IN_USE/s,
      ],
      [
        'port in use',
        command('--device', 'other0', ...otherState, '--name', 'e'),
        /port 51820 is in use.*ERR_PODWIRE_PORT_IN_USE/s,
      ],
      [
        'full',
        command('--store', `file:${full}`, '--device', 'other0', '--listen-port', '51999', ...otherState),
        /ERR_PODWIRE_RANGE_EXHAUSTED/,
      ],
      ['no nft', command(), /"nft" was not found.*ERR_PODWIRE_TOOL_MISSING/s, ['env', 'PATH=/nowhere']],
      ['no root', command(), /ERR_PODWIRE_NEEDS_ROOT/, ['setpriv', '--reuid=65534', '--clear-groups']],
      [
        'no tun',
        command('--device', 'other0', ...otherState, '--name', 'e'),
        /ERR_PODWIRE_NO_TUN/,
        ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /dev/net && exec "$@"', 'sh'],
      ],
    ]
    for (const [name, args, said, wrap] of cases) {
      assert.match(await mesh.refusal('d', args, wrap), said, name)
      assert.deepEqual((await mesh.snapshot('d')).peers, before.peers, name)
    }
    const { stdout } = await mesh.lab.exec('d', ['ip', '-o', 'link'])
    assert.ok(!stdout.includes('other0'))
    await mesh.lab.exec('d', ['ip', 'link', 'delete', 'foreign'])
  },
)

test(
  'agent: one whose key is removed takes its peers and routes out, stays closed, claims nothing, and ends',
  limit,
  async () => {
    await mesh.lab.addHost('g', describe('g'))
    await mesh.startAgent('g')
    const key = await until('g is known', async () => {
      const { publicKey: found } = existsSync(recordFile('g')) ? JSON.parse(readFileSync(recordFile('g'), 'utf8')) : {}
      return found !== undefined && (await mesh.peers('a')).has(found) ? String(found) : undefined
    })
    const { child } = mesh.agent('g')
    const closed = once(child, 'close')
    const remove = [process.execPath, cli, 'node', 'remove', 'g', '--store', `file:${mesh.storeFolder}`]
    await mesh.lab.exec('a', remove as [string, ...string[]])
    await closed
    assert.match(mesh.agent('g').errors, /ERR_PODWIRE_NODE_REMOVED/)
    assert.equal((await mesh.peers('g')).size, 0)
    for (const family of ['-4', '-6']) {
      const { stdout } = await mesh.lab.exec('g', ['ip', family, 'route', 'show', 'proto', '112'])
      assert.match(stdout.trim(), /^unreachable \S+ [^\n]*$/, 'nothing but what closes it')
    }
    await until('a has no such peer', async () => !(await mesh.peers('a')).has(key) || undefined)
    // It is as final for one that starts again, and it claims nothing first.
    const claims = readdirSync(join(mesh.storeFolder, 'claims'))
    assert.match(await mesh.refusal('g', mesh.command('g')), /ERR_PODWIRE_NODE_REMOVED/)
    assert.deepEqual(readdirSync(join(mesh.storeFolder, 'claims')), claims)
  },
)

test('plan: a dry run says what the agent would do, and does nothing', limit, async () => {
  const plan = async (host: string, ...more: string[]) => {
    const [, , , ...flags] = mesh.command(host, ...more)
    return (await mesh.lab.exec(host, [process.execPath, cli, 'plan', '--dry-run', ...flags])).stdout
  }
  assert.equal(await plan('a'), 'Nothing: this host is as it should be.\n')
  await mesh.lab.addHost('e', describe('e'))
  const text = await plan('e')
  for (const line of [
    /^key: make one/m,
    /^claim: 10\.99\.\d\.0\/24$/m,
    /^device: start podwire0$/m,
    /^kernel setting: ipv6\/conf\/all\/forwarding=1$/m,
    /^record: write that of e$/m,
    /^peer: add /m,
  ]) {
    assert.match(text, line)
  }
  const json = JSON.parse(await plan('e', '--json'))
  assert.equal(json.desired.device.peers.length, 4)
  assert.ok(!existsSync(join(mesh.folder, 'state-e')) && !existsSync(recordFile('e')))
  assert.equal((await mesh.lab.exec('e', ['nft', 'list', 'ruleset'])).stdout, '')
  const settings = ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']
  assert.equal((await mesh.lab.exec('e', ['sysctl', '-n', ...settings])).stdout, '0\n0\n')
  await assert.rejects(plan('e', '--name', 'a'), /ERR_PODWIRE_NODE_NAME_TAKEN/)
  await assert.rejects(plan('a', '--device', 'other0'), /ERR_PODWIRE_PORT_IN_USE/)
})

/** Takes from a host what keeps it closed, and waits until the agent has put it back. */
async function assertClosedAgain(host: string): Promise<void> {
  await mesh.lab.exec(host, ['nft', 'flush', 'ruleset'])
  for (const range of overlay) await mesh.lab.exec(host, ['ip', 'route', 'delete', 'unreachable', range])
  await until(`${host} is closed again`, async () => {
    const routes = await Promise.all(
      ['-4', '-6'].map(async family => (await mesh.lab.exec(host, ['ip', family, 'route'])).stdout),
    )
    const closed = overlay.every(range => routes.join().includes(`unreachable ${range} `))
    const rules = await mesh.lab.exec(host, ['nft', 'list', 'table', 'inet', 'podwire-podwire0']).catch(() => undefined)
    return (closed && rules?.stdout.includes('10.99.0.0/16')) || undefined
  })
}

test('agent: a store that takes no claim does not keep it from closing the host', limit, async () => {
  const [prefix = ''] = mesh.prefixes('a')
  writeFileSync(claimFile('10.99.0.0/16'), JSON.stringify({ prefix: '10.99.0.0/16', node: 'z', sinceMs: Date.now() }))
  rmSync(claimFile(prefix))
  await until('a fails', () => mesh.agent('a').lines.find(line => line.code === 'ERR_PODWIRE_RANGE_EXHAUSTED'))
  await assertClosedAgain('a')
  rmSync(claimFile('10.99.0.0/16'))
  await until('a has its claim', () => existsSync(claimFile(prefix)) || undefined)
  for (const address of mesh.boxAddresses('b')) await mesh.ping('a/box', address)
})

test('agent: a device that cannot be started does not keep it from closing the host', limit, async () => {
  const agent = mesh.agent('a')
  agent.child.kill('SIGSTOP')
  const pid = await mesh.devicePid('a')
  process.kill(pid, 'SIGKILL')
  const hold = `require('dgram').createSocket('udp4').bind(51820, () => console.log('held'))`
  await until(
    'the port is free',
    async () => (await mesh.lab.exec('a', ['ss', '-Hlun', 'sport = :51820'])).stdout === '' || undefined,
  )
  const holder = mesh.lab.spawn('a', [process.execPath, '-e', hold], { stdio: ['ignore', 'pipe', 'inherit'] })
  assert.ok(holder.stdout)
  await once(holder.stdout, 'data')
  const from = agent.lines.length
  agent.child.kill('SIGCONT')
  await until('a fails', () => agent.lines.slice(from).find(line => line.code === 'ERR_PODWIRE_PORT_IN_USE'))
  await assertClosedAgain('a')
  holder.kill()
  for (const address of mesh.boxAddresses('b')) await mesh.ping('a/box', address)
})
