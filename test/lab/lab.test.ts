// What a lab is while it is up: its networks, its NATs, and what its hosts share.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startLab } from '../../src/lab/lab.ts'
import { example, ping, withLab } from './example-lab.ts'
import { until } from './until.ts'

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
