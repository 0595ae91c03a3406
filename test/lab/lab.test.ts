import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { judgeCapture, startCapture } from '../../src/lab/capture.ts'
import { type LabDescription, parseLab } from '../../src/lab/description.ts'
import { type Lab, startLab } from '../../src/lab/lab.ts'
import { startStream } from '../../src/lab/stream.ts'
import { assertNothingLeft, machineLinks } from './leftovers.ts'
import { until } from './until.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const cli = join(root, 'build/src/cli/main.js')
const folder = mkdtempSync(join(tmpdir(), 'podwire-lab-test-'))
const links = machineLinks()
after(() => rmSync(folder, { recursive: true }))

/** An example of examples/lab, under a name of this test's own. */
function example(file: string, suffix: string): LabDescription {
  const path = join(root, 'examples/lab', file)
  const lab = parseLab(readFileSync(path, 'utf8'), path)
  return { ...lab, name: `${lab.name}-${suffix}-${process.pid}` }
}

function writeExample(file: string, suffix: string): { file: string; name: string } {
  const lab = example(file, suffix)
  const path = join(folder, `${lab.name}.json`)
  writeFileSync(path, JSON.stringify({ ...lab, $schema: join(root, 'schema/lab.json') }))
  return { file: path, name: lab.name }
}

async function withLab(description: LabDescription, run: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await startLab(description)
  try {
    await run(lab)
  } finally {
    await lab.stop()
  }
  assertNothingLeft(lab.name, links)
}

const ping = (lab: Lab, from: string, to: string, ...more: string[]) =>
  lab.exec(from, ['ping', '-c', '1', '-W', '2', ...more, to])

function podwire(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'lab', ...args], { encoding: 'utf8' })
  return { status, stdout, stderr }
}

test('lab: hosts, routers and containers reach each other, IPv4 and IPv6, with the MTU of the link', async () => {
  await withLab(example('two-sites.json', 'reach'), async lab => {
    const places = [
      ['a', '10.1.0.2', 'fd01::2'],
      ['a2', '10.1.0.3', 'fd01::3'],
      ['b', '10.2.0.2', 'fd02::2'],
      ['b/web', '10.99.1.2', 'fd99:0:1::2'],
      ['b/db', '10.99.1.3', 'fd99:0:1::3'],
    ] as const
    for (const [from] of places) {
      for (const [, ...addresses] of places) for (const to of addresses) await ping(lab, from, to)
    }
    await ping(lab, 'a', '10.2.0.2', '-M', 'do', '-s', String(1492 - 28))
    await assert.rejects(
      ping(lab, 'a', '10.2.0.2', '-M', 'do', '-s', String(1493 - 28)),
      /message too long|Frag needed/,
    )
  })
})

test('lab: a rate holds both ways', async () => {
  await withLab(example('two-sites.json', 'rate'), async lab => {
    const server = lab.spawn('b', ['iperf3', '-s', '--forceflush'], { stdio: ['ignore', 'pipe', 'inherit'] })
    assert.ok(server.stdout)
    await once(server.stdout, 'data')
    for (const direction of [[], ['-R']]) {
      const { stdout } = await lab.exec('a', ['iperf3', '-c', '10.2.0.2', '-t', '2', '-O', '1', '-J', ...direction])
      const megabits = JSON.parse(stdout).end.sum_received.bits_per_second / 1e6
      assert.ok(megabits > 60 && megabits < 105, `${megabits} Mbit/s over a link of 100`)
    }
  })
})

/** Answers each datagram with the port that it came from. */
const portServer = `
  const socket = require('node:dgram').createSocket(process.argv[1].includes(':') ? 'udp6' : 'udp4')
  socket.on('message', (_, from) => socket.send(String(from.port), from.port, from.address))
  socket.bind(7000, process.argv[1], () => console.log('ready'))`
/** Asks each server from one socket, and prints the answers. */
const portClient = `
  const [local, ...servers] = process.argv.slice(1)
  const socket = require('node:dgram').createSocket(servers[0].includes(':') ? 'udp6' : 'udp4')
  const answers = {}
  socket.on('message', (text, from) => {
    answers[from.address] = Number(text)
    if (Object.keys(answers).length < servers.length) return
    console.log(JSON.stringify(servers.map(server => answers[server])))
    socket.close()
  })
  socket.bind(Number(local), () => servers.forEach(server => socket.send('?', 7000, server)))`

test('lab: an endpoint-independent NAT keeps one port for two destinations, a symmetric one does not', async () => {
  await withLab(example('behind-nats.json', 'nat'), async lab => {
    const servers = { 4: ['203.0.113.1', '203.0.113.2'], 6: ['2001:db8::1', '2001:db8::2'] }
    for (const [i, host] of ['one', 'two'].entries()) {
      for (const family of [4, 6] as const) {
        const command = [process.execPath, '-e', portServer, servers[family][i] ?? ''] as const
        const server = lab.spawn(host, command, { stdio: ['ignore', 'pipe', 'inherit'] })
        assert.ok(server.stdout)
        await once(server.stdout, 'data')
      }
    }
    for (const family of [4, 6] as const) {
      const ask = async (host: string, port: number): Promise<[number, number]> => {
        const command = [process.execPath, '-e', portClient, String(port), ...servers[family]] as const
        return JSON.parse((await lab.exec(host, command, { timeout: 10_000 })).stdout)
      }
      const [one, two] = await ask('laptop', 51820)
      assert.equal(one, two, `endpoint-independent, IPv${family}`)
      assert.notEqual(one, 51820, "the outer port is the NAT's")
      assert.deepEqual(await ask('laptop', 51820), [one, two], 'and stays')
      assert.notEqual((await ask('laptop', 51821))[0], one, 'another socket, another port')
      const [three, four] = await ask('desk', 51820)
      assert.notEqual(three, four, `symmetric, IPv${family}`)
    }
    // Nobody outside starts anything, even with a route.
    await lab.exec('one', ['ip', 'route', 'add', '192.168.1.0/24', 'via', '203.0.113.7'])
    await ping(lab, 'laptop', '203.0.113.1')
    await assert.rejects(ping(lab, 'one', '192.168.1.2', '-W', '1'), { code: 'ERR_PODWIRE_COMMAND_FAILED' })
  })
})

test('lab: each host has its own /run, /sys and /proc/sys/net; the rest is shared', async () => {
  await withLab(example('two-sites.json', 'view'), async lab => {
    await lab.exec('a', ['sh', '-c', 'mkdir /var/run/wireguard && echo a >/run/wireguard/mine'])
    const seen = await lab.exec('a2', ['sh', '-c', 'ls /run; ls /sys/class/net; cat /proc/sys/net/ipv4/ip_forward'])
    assert.deepEqual(seen.stdout.trim().split('\n').sort(), ['0', 'berlin', 'lo', 'podwire-lab'])
    assert.equal((await lab.exec('a', ['cat', '/var/run/wireguard/mine'])).stdout, 'a\n')
    writeFileSync(join(lab.sharedFolder, 'note'), 'to all')
    for (const host of ['a', 'b/web']) {
      assert.equal((await lab.exec(host, ['cat', join(lab.sharedFolder, 'note')])).stdout, 'to all')
    }
    assert.equal((await lab.exec('b', ['cat', '/proc/sys/net/ipv4/ip_forward'])).stdout, '1\n')
    assert.equal(existsSync('/run/wireguard/mine'), false)
    assert.equal((await lab.exec('a', ['pwd'])).stdout.trim(), process.cwd())
    assert.equal(existsSync(lab.namespacePath('b/web')), true)
  })
})

test('lab: exec and spawn pass input, output, exit status and signals on', async () => {
  await withLab(example('two-sites.json', 'exec'), async lab => {
    assert.deepEqual(await lab.exec('a', ['cat'], { input: 'in' }), { stdout: 'in', stderr: '' })
    await assert.rejects(lab.exec('a', ['sh', '-c', 'echo no >&2; exit 3']), {
      code: 'ERR_PODWIRE_COMMAND_FAILED',
      message: /^`\[a\] sh -c .* ended with status 3: no$/,
    })
    await assert.rejects(lab.exec('a', ['no-such-program']), { code: 'ERR_PODWIRE_TOOL_MISSING' })
    await assert.rejects(lab.exec('z', ['true']), { code: 'ERR_PODWIRE_USAGE', message: /its hosts are a, a2, / })
    const child = lab.spawn('a', ['sleep', '1000'])
    await until('the program itself has the pid', () => readFileSync(`/proc/${child.pid}/comm`, 'utf8') === 'sleep\n')
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [null, 'SIGTERM'])
  })
})

test('lab: a host and a container are added while it runs', async () => {
  await withLab(example('two-sites.json', 'add'), async lab => {
    const networks = [{ network: 'berlin', addresses: ['10.1.0.4/24', 'fd01::4/64'] }]
    await lab.addHost('c', { networks, gateways: ['10.1.0.1', 'fd01::1'] })
    await ping(lab, 'c', '10.2.0.2')
    await ping(lab, 'b', 'fd01::4')
    await lab.attachContainer('c', 'c1', ['10.99.2.2', 'fd99:0:2::2'])
    await ping(lab, 'c', '10.99.2.2')
    await ping(lab, 'c/c1', 'fd01::4')
    const refused = { code: 'ERR_PODWIRE_DOCUMENT' }
    await assert.rejects(lab.addHost('c', { networks: [] }), refused)
    await assert.rejects(lab.addHost('d', { networks: [{ network: 'wan', addresses: [] }] }), refused)
    await assert.rejects(lab.attachContainer('c', 'c1', []), refused)
    await assert.rejects(lab.attachContainer('c', 'a name', []), refused)
    await assert.rejects(lab.attachContainer('nobody', 'c1', []), { code: 'ERR_PODWIRE_USAGE' })
  })
})

test('lab: two of different names run side by side, a second of one name is refused', async () => {
  await withLab(example('two-sites.json', 'one'), async one => {
    await withLab(example('two-sites.json', 'two'), async two => {
      await Promise.all([ping(one, 'a', '10.2.0.2'), ping(two, 'a', '10.2.0.2')])
      const refused = { code: 'ERR_PODWIRE_LAB_IN_USE', message: new RegExp(`held by process ${process.pid}`) }
      await assert.rejects(startLab(one.description), refused)
    })
    await ping(one, 'a', '10.2.0.2')
  })
})

test('lab: what fails on the way up leaves nothing', async () => {
  const lab = example('two-sites.json', 'fails')
  // The kernel refuses an IPv6 address on a link with an MTU below 1,280.
  await assert.rejects(startLab({ ...lab, networks: { ...lab.networks, berlin: { mtu: 600 } } }), {
    code: 'ERR_PODWIRE_COMMAND_FAILED',
    message: /^`ip -n \S+ address add fd01::\S+ dev berlin nodad` ended with status \d+: /,
  })
  assertNothingLeft(lab.name, links)
})

/** A process that brings a lab up with the library, starts a program in it, says "up", and waits. */
function holder(name: string): ChildProcess {
  const program = `
    import { startLab } from '${join(root, 'build/src/lab/lab.js')}'
    const lab = await startLab(${JSON.stringify({ ...example('two-sites.json', 'x'), name })})
    lab.spawn('a', ['sleep', '1000'], { detached: true, stdio: 'ignore' })
    console.log('up')
    if (process.argv[1] === 'throw') throw new Error('thrown')
    setInterval(() => {}, 1000)`
  return spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`lab: ${signal} to the process that holds it removes it, and the process dies of the signal`, async () => {
    const name = `signal-${signal.toLowerCase()}-${process.pid}`
    const child = holder(name)
    assert.ok(child.stdout)
    await once(child.stdout, 'data')
    child.kill(signal)
    assert.deepEqual(await once(child, 'exit'), [null, signal])
    assertNothingLeft(name, links)
  })
}

test('lab: SIGKILL leaves it, and the next start removes what is left, with what runs in it', async () => {
  const name = `killed-${process.pid}`
  const child = holder(name)
  assert.ok(child.stdout)
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.throws(() => assertNothingLeft(name, links), /namespaces/)
  const sleeper = spawnSync('ip', ['netns', 'pids', `pwlab-${name}.a`], { encoding: 'utf8' }).stdout.trim()
  assert.ok(existsSync(`/proc/${sleeper}`))
  await withLab({ ...example('two-sites.json', 'x'), name }, async lab => {
    await until('the old program is gone', () => !existsSync(`/proc/${sleeper}`))
    await ping(lab, 'a', '10.2.0.2')
  })
})

test('podwire lab: up, status, exec and down, and again', async () => {
  const { file, name } = writeExample('two-sites.json', 'cli')
  try {
    const up = podwire('up', file)
    assert.equal(up.status, 0, up.stderr)
    assert.match(up.stdout, new RegExp(`^The lab "${name}" is up: a, a2, berlin-gw, paris-gw, b\\.\n`))

    const again = podwire('up', file)
    assert.equal(again.status, 1)
    assert.match(again.stderr, /ERR_PODWIRE_LAB_IN_USE/)
    assert.ok(again.stderr.includes(`\`podwire lab down ${file}\``), again.stderr)

    const status = podwire('status', file)
    assert.equal(status.status, 0)
    assert.match(status.stdout, /^host +b +paris +up +1500 +0 +10\.2\.0\.2\/24 fd02::2\/64$/m)
    assert.match(status.stdout, /^container +b\/web +eth0 +up +1500 +0 +10\.99\.1\.2\/32 fd99:0:1::2\/128$/m)
    const json = JSON.parse(podwire('status', '--json', file).stdout)
    assert.equal(json.owner, null)
    assert.deepEqual(
      json.places.map((place: { kind: string; name: string }) => `${place.kind} ${place.name}`),
      [
        'lan berlin',
        'host a',
        'host a2',
        'host b',
        'container b/db',
        'container b/web',
        'host berlin-gw',
        'host paris-gw',
      ],
    )

    const run = podwire('exec', file, 'a', '--', 'ping', '-c', '1', '10.99.1.2')
    assert.equal(run.status, 0, run.stderr)
    assert.match(run.stdout, /1 received/)
    assert.equal(podwire('exec', file, 'b/web', '--', 'sh', '-c', 'exit 7').status, 7)
    assert.equal(podwire('exec', file, 'a', '--', 'sh', '-c', 'kill -9 $$').status, 137)
    assert.equal(podwire('exec', file, 'z', '--', 'true').status, 2)
  } finally {
    assert.equal(podwire('down', file).status, 0)
  }
  assertNothingLeft(name, links)
  assert.match(podwire('down', file).stdout, /was not up/)
  const gone = podwire('exec', file, 'a', '--', 'true')
  assert.equal(gone.status, 1)
  assert.match(gone.stderr, /ERR_PODWIRE_LAB_NOT_UP/)
})

test('podwire lab: Ctrl-C at any moment of `up` leaves nothing', async () => {
  const { file, name } = writeExample('two-sites.json', 'ctrl-c')
  const moments = {
    'the folder is there': () => existsSync(`/run/podwire-lab/${name}`),
    'the first namespace is there': () => existsSync(`/run/netns/pwlab-${name}.a`),
    'the LAN is there': () => existsSync(`/run/netns/pwlab-${name}._berlin`),
    'a container is there': () => existsSync(`/run/netns/pwlab-${name}.b.web`),
  }
  for (const [moment, come] of Object.entries(moments)) {
    // A process group of its own, all of which gets the signal: as from a terminal.
    const child = spawn(process.execPath, [cli, 'lab', 'up', file], { detached: true, stdio: 'ignore' })
    await until(moment, come)
    assert.ok(child.pid)
    process.kill(-child.pid, 'SIGINT')
    const [status, signal] = await once(child, 'exit')
    assert.equal(signal, 'SIGINT', `${moment}: status ${status}`)
    assertNothingLeft(name, links)
  }
})

test('podwire lab: without root, and without a tool, it says so and changes nothing', async () => {
  const { file, name } = writeExample('two-sites.json', 'poor')
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, cli, 'lab', 'up']
  // Nobody may not read this test's folder.
  const readable = join(root, 'examples/lab/two-sites.json')
  const unprivileged = spawnSync('setpriv', [...nobody, readable], { encoding: 'utf8' })
  assert.equal(unprivileged.status, 3, unprivileged.stderr)
  assert.match(unprivileged.stderr, /a lab needs root[\s\S]*sudo[\s\S]*ERR_PODWIRE_NEEDS_ROOT/)

  assert.equal(podwire('up', file).status, 0)
  for (const verb of ['status', 'exec', 'down'] as const) {
    const args = [cli, 'lab', verb, readable, ...(verb === 'exec' ? ['a', '--', 'true'] : [])]
    const refused = spawnSync('setpriv', [...nobody.slice(0, 4), ...args], { encoding: 'utf8' })
    assert.match(refused.stderr, /ERR_PODWIRE_NEEDS_ROOT/, verb)
    const env = { ...process.env, PATH: '/nonexistent' }
    const without = spawnSync(
      process.execPath,
      args.map(arg => (arg === readable ? file : arg)),
      { encoding: 'utf8', env },
    )
    assert.match(without.stderr, /the program "(ip|nsenter|umount)" was not found/, verb)
    assert.equal(without.status, 3)
  }
  assert.equal(podwire('down', file).status, 0)
  assertNothingLeft(name, links)

  const path = mkdtempSync(join(folder, 'path-'))
  for (const tool of ['sh', 'ip', 'nsenter', 'unshare', 'mount', 'umount', 'touch']) {
    const found = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim()
    symlinkSync(found, join(path, tool))
  }
  const env = { ...process.env, PATH: path }
  const poor = spawnSync(process.execPath, [cli, 'lab', 'up', file], { encoding: 'utf8', env })
  assert.equal(poor.status, 3, poor.stderr)
  assert.match(
    poor.stderr,
    /the program "tc" was not found[\s\S]*apt-get install iproute2[\s\S]*ERR_PODWIRE_TOOL_MISSING/,
  )
  assertNothingLeft(name, links)

  const missing = podwire('up', join(folder, 'missing.json'))
  assert.equal(missing.status, 2)
  assert.match(missing.stderr, /missing\.json: .*cannot be read/)
})

test('stream: counts what is lost, exactly', async () => {
  await withLab(example('two-sites.json', 'stream'), async lab => {
    for (const address of ['10.99.1.2', 'fd99:0:1::2']) {
      const options = { from: 'a', to: 'b/web', address, port: 7000, packetsPerSecond: 1000, filling: 'canary' }
      const clean = await startStream(lab, options)
      await ping(lab, 'a2', '10.2.0.2', '-c', '50', '-i', '0.01')
      const { sent, lost, duplicates } = await clean.stop()
      assert.deepEqual([lost, duplicates], [0, 0])
      assert.ok(sent > 400, `${sent} packets`)

      // One packet in ten is dropped on the way, by count.
      const rules = `table inet drops {
        chain forward {
          type filter hook forward priority 0
          udp dport 7000 numgen inc mod 10 == 0 counter drop
        }
      }\n`
      const lossy = await startStream(lab, options)
      await lab.exec('berlin-gw', ['nft', '-f', '-'], { input: rules })
      await ping(lab, 'a2', '10.2.0.2', '-c', '50', '-i', '0.01')
      const result = await lossy.stop()
      const { stdout } = await lab.exec('berlin-gw', ['nft', 'list', 'table', 'inet', 'drops'])
      assert.equal(result.lost, Number(/packets (\d+)/.exec(stdout)?.[1]))
      assert.ok(result.lost > 0)
      await lab.exec('berlin-gw', ['nft', 'delete', 'table', 'inet', 'drops'])
    }
  })
})

test('capture: records every frame, and finds what is in clear', async () => {
  await withLab(example('two-sites.json', 'capture'), async lab => {
    const file = join(folder, 'wan.pcap')
    const capture = await startCapture(lab, 'berlin-gw', 'wan', file)
    await lab.exec('a', ['ping', '-q', '-c', '200', '-i', '0.002', '-p', '5a17c0de', '10.99.1.2'])
    await ping(lab, 'a', 'fd02::2')
    const counts = await capture.stop()
    assert.deepEqual(await capture.stop(), counts)
    assert.equal(counts.dropped, 0)
    assert.ok(counts.captured >= 402, `${counts.captured} frames`)

    const clean = await judgeCapture(file, {
      prefixes: ['10.98.0.0/16', 'fd98::/48'],
      canaries: [Buffer.from('nowhere')],
    })
    assert.deepEqual([clean.frames, clean.violations], [counts.captured, []])
    const canary = await judgeCapture(file, { prefixes: [], canaries: [Buffer.from('5a17c0de', 'hex')] })
    assert.equal(canary.violations.length, 400)
    const addresses = await judgeCapture(file, { prefixes: ['10.99.0.0/16', 'fd02::/48'], canaries: [] })
    assert.equal(addresses.violations.length, 402)
  })
})

test('capture: of an interface that is not there fails with the words of tcpdump', async () => {
  await withLab(example('two-sites.json', 'nocapture'), async lab => {
    await assert.rejects(startCapture(lab, 'a', 'nope', join(folder, 'no.pcap')), {
      code: 'ERR_PODWIRE_COMMAND_FAILED',
      message: /nope: No such device/,
    })
  })
})
