// `podwire device` on two hosts, driven by wg(8) of wireguard-tools, and how it starts, ends and refuses.

import assert from 'node:assert/strict'
import { type ChildProcess, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import type { Lab } from '../../src/lab/lab.ts'
import { generatePresharedKey, generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import {
  bringUp,
  cli,
  configOf,
  dump,
  ended,
  endpointOf,
  hasLink,
  makeEnds,
  onlyPeer,
  pingInner,
  podwire,
  startDevice,
  startTunnel,
  wg,
  wgConf,
  withTwoHosts,
} from './tunnel.ts'
import { until } from './until.ts'

const socket = '/var/run/wireguard/wg0.sock'
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const psk = base64(generatePresharedKey().bytes)
const somePublicKey = () => publicKeyOf(generatePrivateKey())

async function present(lab: Lab, host: string, file: string): Promise<boolean> {
  return lab.exec(host, ['test', '-e', file]).then(
    () => true,
    () => false,
  )
}

test('device: wg set, setconf, addconf, syncconf and showconf, and show dump says the same', async () => {
  await withTwoHosts('conf', async lab => {
    await startDevice(lab, 'a')
    assert.deepEqual(await dump(lab, 'a'), { device: ['(none)', '(none)', '0', 'off'], peers: {} })

    const own = generatePrivateKey()
    const [one, two, three] = [somePublicKey(), somePublicKey(), somePublicKey()]
    const quiet = { handshake: 0, rx: 0, tx: 0 }
    await wgConf(
      lab,
      'a',
      'setconf',
      `[Interface]
PrivateKey = ${base64(own.bytes)}
ListenPort = 51820
FwMark = 0x42
[Peer]
PublicKey = ${one}
PresharedKey = ${psk}
Endpoint = 192.0.2.2:7
AllowedIPs = 10.1.2.3/16, fd01::/64
PersistentKeepalive = 25
[Peer]
PublicKey = ${two}
Endpoint = [2001:db8::2]:8
`,
    )
    const device = [base64(own.bytes), publicKeyOf(own), '51820', '0x42']
    const peerOne = {
      presharedKey: psk,
      endpoint: '192.0.2.2:7',
      allowedIps: ['10.1.0.0/16', 'fd01::/64'],
      ...quiet,
      keepalive: '25',
    }
    const peerTwo = {
      presharedKey: '(none)',
      endpoint: '[2001:db8::2]:8',
      allowedIps: ['(none)'],
      ...quiet,
      keepalive: 'off',
    }
    assert.deepEqual(await dump(lab, 'a'), { device, peers: { [one]: peerOne, [two]: peerTwo } })

    await wgConf(lab, 'a', 'addconf', `[Peer]\nPublicKey = ${three}\nAllowedIPs = 10.1.0.0/16, 10.3.0.0/24\n`)
    const peerThree = {
      presharedKey: '(none)',
      endpoint: '(none)',
      allowedIps: ['10.1.0.0/16', '10.3.0.0/24'],
      ...quiet,
      keepalive: 'off',
    }
    assert.deepEqual((await dump(lab, 'a')).peers, {
      [one]: { ...peerOne, allowedIps: ['fd01::/64'] },
      [two]: peerTwo,
      [three]: peerThree,
    })

    await wg(lab, 'a', 'set', 'wg0', 'peer', three, 'allowed-ips', '10.4.0.0/24', 'persistent-keepalive', '7')
    await wg(lab, 'a', 'set', 'wg0', 'peer', two, 'remove', 'peer', somePublicKey(), 'remove')
    await wg(lab, 'a', 'set', 'wg0', 'peer', one, 'preshared-key', '/dev/null', 'persistent-keepalive', 'off')
    assert.deepEqual((await dump(lab, 'a')).peers, {
      [one]: { ...peerOne, presharedKey: '(none)', allowedIps: ['fd01::/64'], keepalive: 'off' },
      [three]: { ...peerThree, allowedIps: ['10.4.0.0/24'], keepalive: '7' },
    })

    const shown = await wg(lab, 'a', 'showconf', 'wg0')
    const before = await dump(lab, 'a')
    await wgConf(lab, 'a', 'syncconf', shown)
    assert.deepEqual(await dump(lab, 'a'), before)
    await wgConf(lab, 'a', 'setconf', shown)
    assert.deepEqual(await dump(lab, 'a'), before)
    await wgConf(lab, 'a', 'syncconf', shown.replace('10.4.0.0/24', '10.5.0.0/24'))
    assert.deepEqual((await dump(lab, 'a')).peers[three]?.allowedIps, ['10.5.0.0/24'])

    await wg(lab, 'a', 'set', 'wg0', 'fwmark', 'off', 'private-key', '/dev/null')
    assert.deepEqual((await dump(lab, 'a')).device, ['(none)', '(none)', '51820', 'off'])
  })
})

for (const { title, word, psk: withPsk, family } of [
  { title: 'IPv4 endpoint', word: 'v4', psk: false, family: 4 },
  { title: 'IPv6 endpoint, preshared key', word: 'v6', psk: true, family: 6 },
] as const) {
  test(`device: two of them carry IPv4 and IPv6: ${title}`, async () => {
    await withTwoHosts(word, async lab => {
      const ends = makeEnds()
      const pskLine = withPsk ? [`PresharedKey = ${psk}`] : []
      await startTunnel(lab, ends, [
        { peerLines: [...pskLine, `Endpoint = ${endpointOf(ends[1], family)}`] },
        { peerLines: pskLine },
      ])
      await pingInner(lab, ends[0], ends[1])
      await pingInner(lab, ends[1], ends[0])
      const [a, b] = [await onlyPeer(lab, 'a'), await onlyPeer(lab, 'b')]
      assert.equal(b.endpoint, endpointOf(ends[0], family))
      assert.ok(a.handshake > 0 && b.handshake > 0)
      assert.deepEqual([a.rx, a.tx], [b.tx, b.rx], 'each counts what the other does')
    })
  })
}

test('device: a peer whose address changes under traffic is followed, on what is sent next', async () => {
  await withTwoHosts('roam', async lab => {
    const ends = makeEnds()
    await startTunnel(lab, ends, [{ peerLines: [`Endpoint = ${endpointOf(ends[1])}`] }, {}])
    await pingInner(lab, ends[0], ends[1])
    const ping = lab.spawn('a', ['ping', '-c', '60', '-i', '0.02', '-W', '2', '10.7.0.2'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    ping.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    await until('the first replies', () => output.includes('icmp_seq=10 '))
    const move = 'address delete 192.0.2.1/24 dev net\naddress add 192.0.2.77/24 dev net\n'
    await lab.exec('a', ['ip', '-batch', '-'], { input: move })
    await once(ping, 'exit')
    assert.equal((await onlyPeer(lab, 'b')).endpoint, '192.0.2.77:51821')
    const received = Number(/(\d+) received/.exec(output)?.[1])
    assert.ok(received >= 55, `${received} of 60 pings came back`)
    await wg(lab, 'a', 'set', 'wg0', 'listen-port', '4444')
    await pingInner(lab, ends[0], ends[1])
    assert.equal((await onlyPeer(lab, 'b')).endpoint, '192.0.2.77:4444')
  })
})

test('device: down and up again, and a new private key: traffic goes on', async () => {
  await withTwoHosts('updown', async lab => {
    const ends = makeEnds()
    await startTunnel(lab, ends, [
      { peerLines: [`Endpoint = ${endpointOf(ends[1])}`] },
      { peerLines: [`Endpoint = ${endpointOf(ends[0])}`] },
    ])
    await pingInner(lab, ends[0], ends[1])
    await lab.exec('b', ['ip', 'link', 'set', 'wg0', 'down'])
    await until('no socket', async () => !(await lab.exec('b', ['ss', '-uln'])).stdout.includes(':51822'))
    assert.equal((await dump(lab, 'b')).device[2], '51822')
    await lab.exec('b', ['ip', 'link', 'set', 'wg0', 'up'])
    await lab.exec('b', ['ip', 'address', 'replace', 'fd07::2/64', 'dev', 'wg0', 'nodad']) // going down took it away
    await pingInner(lab, ends[1], ends[0])

    const next = generatePrivateKey()
    await wg(lab, 'a', 'set', 'wg0', 'peer', ends[1].publicKey, 'remove')
    await wg(lab, 'a', 'set', 'wg0', 'peer', publicKeyOf(next), 'allowed-ips', '10.7.0.2/32,fd07::2/128')
    await lab.exec('b', ['sh', '-c', 'cat | wg set wg0 private-key /dev/stdin'], { input: base64(next.bytes) })
    await pingInner(lab, ends[1], ends[0])
  })
})

test('device: a port in use is refused to wg, whether the link is up or down, and the device stays as it was', async () => {
  await withTwoHosts('port', async lab => {
    const [end, other] = makeEnds()
    await startDevice(lab, 'a')
    await wgConf(lab, 'a', 'setconf', configOf(end, other))
    const script = `require('node:dgram').createSocket('udp4').bind(5555, () => console.log('bound'))`
    const holder = lab.spawn('a', [process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    assert.ok(holder.stdout)
    await once(holder.stdout, 'data')
    for (const state of ['down', 'up']) {
      if (state === 'up') await bringUp(lab, end)
      const before = await dump(lab, 'a')
      await assert.rejects(wg(lab, 'a', 'set', 'wg0', 'listen-port', '5555'), /Address already in use/, state)
      assert.deepEqual(await dump(lab, 'a'), before)
    }
  })
})

/** Runs `podwire device …` to its end in a host. */
async function podwireDevice(lab: Lab, args: string[], wrapper: string[] = [], env: NodeJS.ProcessEnv = {}) {
  const [tool, ...rest] = lab.command('a', [...wrapper, process.execPath, cli, 'device', ...args])
  // Returns when all pipes are closed, the fourth too: a daemon must not hold what its parent happened to have open.
  const stdio: ('ignore' | 'pipe')[] = ['ignore', 'pipe', 'pipe', 'pipe']
  const options = { encoding: 'utf8' as const, timeout: 20_000, env: { ...process.env, ...env }, stdio }
  const { status, stdout, stderr } = spawnSync(tool, rest, options)
  return { status, stdout, stderr }
}

test('device: whoever started it may be gone before it is ready', async () => {
  await withTwoHosts('orphan', async lab => {
    const child = lab.spawn('a', [...podwire, 'wg0'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    child.disconnect()
    await until('it serves', () => present(lab, 'a', socket))
    await dump(lab, 'a')
    child.kill('SIGTERM')
    assert.equal(await ended(child), 0)
  })
})

test('device: a name in use, by another device or an interface, is refused, and the other goes on', async () => {
  await withTwoHosts('name', async lab => {
    await startDevice(lab, 'a')
    await lab.exec('a', ['ip', 'tuntap', 'add', 'wg1', 'mode', 'tun'])
    for (const name of ['wg0', 'wg1']) {
      for (const args of [[name], ['-f', name]]) {
        const { status, stderr } = await podwireDevice(lab, args)
        assert.equal(status, 1, stderr)
        assert.match(stderr, new RegExp(`"${name}" exists already[\\s\\S]*ERR_PODWIRE_NAME_IN_USE`))
      }
    }
    assert.equal((await dump(lab, 'a')).device[2], '0')
    assert.ok(await hasLink(lab, 'a', 'wg1'))
    assert.ok(!(await present(lab, 'a', '/var/run/wireguard/wg1.sock')))
  })
})

test('device: what it refuses to start with, as a coded error with what to do', async () => {
  await withTwoHosts('refuse', async lab => {
    const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
    const withoutTun = ['sh', '-c', 'mount -t tmpfs none /dev/net && exec "$@"', 'sh']
    const privateMounts = ['unshare', '-m', ...withoutTun]
    const cases: [args: string[], status: number, code: string, wrapper?: string[], env?: NodeJS.ProcessEnv][] = [
      [[], 2, ''],
      [['a', 'b'], 2, ''],
      [['--fast', 'wg0'], 2, ''],
      [['sixteen-letters-'], 2, 'ERR_PODWIRE_NAME'],
      [['a/b'], 2, 'ERR_PODWIRE_NAME'],
      [['-f', '..'], 2, 'ERR_PODWIRE_NAME'],
      [['wg 0'], 2, 'ERR_PODWIRE_NAME'],
      [['wg0'], 2, 'ERR_PODWIRE_USAGE', [], { WG_TUN_FD: 'x' }],
      [['wg0'], 2, 'ERR_PODWIRE_USAGE', [], { WG_TUN_FD: '77' }],
      [['-f', 'wg0'], 2, 'ERR_PODWIRE_USAGE', [], { WG_UAPI_FD: '77' }],
      [['wg0'], 2, 'ERR_PODWIRE_USAGE', [], { PODWIRE_DEVICE_OPTIONS: '--no-such' }],
      [['-f', 'status'], 2, 'ERR_PODWIRE_NAME'],
      [['wg0'], 3, 'ERR_PODWIRE_NEEDS_ROOT', asNobody],
      [['-f', 'wg0'], 3, 'ERR_PODWIRE_NEEDS_ROOT', asNobody],
      [['wg0'], 3, 'ERR_PODWIRE_NO_TUN', privateMounts],
      [['-f', 'wg0'], 3, 'ERR_PODWIRE_NO_TUN', privateMounts],
    ]
    for (const [args, status, code, wrapper = [], env = {}] of cases) {
      const outcome = await podwireDevice(lab, args, wrapper, env)
      const what = `podwire device ${args.join(' ')}: ${outcome.stderr}`
      assert.equal(outcome.status, status, what)
      assert.ok(outcome.stderr.includes(code), what)
      assert.ok(!outcome.stderr.includes('defect'), what)
      assert.ok(!(await present(lab, 'a', socket)), what)
      assert.ok(!(await hasLink(lab, 'a')), what)
    }
  })
})

/** Writes raw requests to the socket of wg0 and gives what came back until it was closed. */
async function raw(lab: Lab, text: string): Promise<string> {
  const script = `
    const socket = require('node:net').connect('${socket}')
    socket.on('data', data => process.stdout.write(data)).on('error', error => console.log(error.code))
    socket.setTimeout(1500, () => { console.log('not closed'); socket.destroy() })
    process.stdin.on('data', data => socket.write(data)).on('end', () => ${text.endsWith('\n\n') ? 'socket.end()' : '{}'})`
  return (await lab.exec('a', [process.execPath, '-e', script], { input: text })).stdout
}

test('device: raw requests: several on a connection, and malformed ones leave the state as it was before their line', async () => {
  await withTwoHosts('raw', async lab => {
    const [end, other] = makeEnds()
    await startDevice(lab, 'a')
    await wgConf(lab, 'a', 'setconf', configOf(end, other))
    const before = await dump(lab, 'a')
    const hex = Buffer.from(other.publicKey, 'base64').toString('hex')
    const cases: [request: string, answer: RegExp][] = [
      ['get=1\n\nget=1\n\n', /^(private_key=[0-9a-f]{64}\nlisten_port=51821\npublic_key=[\s\S]*?\nerrno=0\n\n){2}$/],
      ['set=1\n\n', /^errno=0\n\n$/],
      ['set=1\nlisten_port=x\n\nset=1\nfwmark=-1\n\n', /^errno=-22\n\nerrno=-22\n\n$/],
      ['set=1\nnonsense\nfwmark=9\n\n', /^errno=-71\n\n$/],
      [`set=1\npublic_key=${hex}\nendpoint=nowhere:1\n\n`, /^errno=-22\n\n$/],
      [`set=1\npublic_key=${hex}\nupdate_only=true\nallowed_ip=10.0.0.0/99\n\n`, /^errno=-22\n\n$/],
      ['set=1\nprivate_key=123\n\nget=1\nx\n\n', /^errno=-22\n\nerrno=-22\n\n$/],
      ['what=1\n', /^$/],
      ['\n\n', /^$/],
      ['set=2\nfwmark=3\n\n', /^$/],
      ['set=1\nfwmark=3\n', /^not closed\n$/],
      [`set=1\nfwmark=${'3'.repeat(5000)}\n\n`, /^errno=-22\n\n$/],
      ['x'.repeat(100_000), /^(ECONNRESET\n|EPIPE\n)?$/],
    ]
    for (const [request, answer] of cases) {
      assert.match(await raw(lab, request), answer, JSON.stringify(request.slice(0, 80)))
      assert.deepEqual(await dump(lab, 'a'), before, JSON.stringify(request.slice(0, 80)))
    }
    assert.match(await raw(lab, 'set=1\nfwmark=5\nlisten_port=70000\nfwmark=6\n\n'), /^errno=-22\n\n$/)
    assert.equal((await dump(lab, 'a')).device[3], '0x5', 'what came before the bad line stays')
  })
})

test('device: its socket is only for its owner, and it ends as it should: signal, socket removed, link deleted', async () => {
  await withTwoHosts('ends', async lab => {
    const ways: [title: string, end: (device: ChildProcess) => unknown][] = [
      ['SIGTERM', device => device.kill('SIGTERM')],
      ['SIGINT', device => device.kill('SIGINT')],
      ['socket removed', () => lab.exec('a', ['rm', socket])],
      ['link deleted', () => lab.exec('a', ['ip', 'link', 'delete', 'wg0'])],
    ]
    for (const [title, end] of ways) {
      const device = await startDevice(lab, 'a')
      assert.equal((await lab.exec('a', ['stat', '-c', '%a', socket])).stdout, '600\n')
      await lab.exec('a', ['ip', 'link', 'set', 'wg0', 'up'])
      await end(device)
      assert.equal(await ended(device), 0, title)
      assert.ok(!(await present(lab, 'a', socket)), title)
      assert.ok(!(await hasLink(lab, 'a')), title)
    }
  })
})

test('device: after SIGKILL it starts again, over the socket that was left', async () => {
  await withTwoHosts('kill', async lab => {
    const device = await startDevice(lab, 'a')
    device.kill('SIGKILL')
    await ended(device)
    assert.ok(await present(lab, 'a', socket))
    const next = await startDevice(lab, 'a')
    next.kill()
    assert.equal(await ended(next), 0)
  })
})

test('device: without -f it returns when the device serves, which goes on without it', async () => {
  await withTwoHosts('daemon', async lab => {
    const { status, stdout, stderr } = await podwireDevice(lab, ['wg0'], [], { WG_TUN_NAME_FILE: '/run/name' })
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' })
    assert.equal((await dump(lab, 'a')).device[2], '0')
    assert.equal((await lab.exec('a', ['cat', '/run/name'])).stdout, 'wg0\n')
    await lab.exec('a', ['rm', socket])
    await until('the link is gone', async () => !(await hasLink(lab, 'a')))
  })
})

test('device: takes a TUN device and a listening socket that were opened for it', async () => {
  await withTwoHosts('fds', async lab => {
    // What a supervisor does that opens the TUN device and the socket itself, and hands both down.
    const script = `
import fcntl, os, socket, struct, sys
tun = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack('16sH14x', b'wg0', 0x0001 | 0x1000))
os.makedirs('/var/run/wireguard', exist_ok=True)
server = socket.socket(socket.AF_UNIX)
server.bind('${socket}')
server.listen()
for fd in (tun, server.fileno()): os.set_inheritable(fd, True)
os.environ.update(WG_TUN_FD=str(tun), WG_UAPI_FD=str(server.fileno()))
os.execvp(sys.argv[1], sys.argv[1:])`
    const program = ['python3', '-c', script, ...podwire] as const
    const ends = makeEnds()
    await startTunnel(lab, ends, [{ program, peerLines: [`Endpoint = ${endpointOf(ends[1])}`] }, {}])
    await pingInner(lab, ends[0], ends[1])
    await lab.exec('a', ['rm', socket])
    await until('the link is gone', async () => !(await hasLink(lab, 'a')))
  })
})
