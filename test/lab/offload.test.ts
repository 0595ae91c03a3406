// Every switch of `podwire device` and what matters of their combinations, with the kernel's own TCP and UDP: all that is sent
// comes, unharmed and in order, whatever is joined and cut on the way. And what happens where the kernel cannot do its part.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Lab } from '../../src/lab/lab.ts'
import type { OffloadName } from '../../src/native/engine-status.ts'
import { refusing } from './refusing.ts'
import { dropsOf, notOn, statusOf } from './status-of.ts'
import { addOutputRule, innerOf, logged, logOf, startTraffic, type Traffic, withTunnel } from './traffic.ts'
import {
  type DeviceProgram,
  type End,
  findWireguardGo,
  makeEnds,
  podwire,
  wireguardGoHint,
  withTwoHosts,
} from './tunnel.ts'
import { until } from './until.ts'

const megabyte = 1 << 20

/** TCP both ways and both versions at once, then UDP flows both ways: all comes, and nothing is dropped on the way. */
async function assertAllPasses(traffic: Traffic, ends: readonly [End, End]): Promise<void> {
  const ways = [ends, [ends[1], ends[0]]] as const
  await Promise.all(ways.map(([from, to]) => traffic.transfer(from, to, 8 * megabyte)))
  for (const { version, rate, size, segments } of [
    { version: 'v6', rate: 10_000, size: 1372, segments: 1 },
    { version: 'v4', rate: 20_000, size: 1392, segments: 40 },
    { version: 'v6', rate: 20_000, size: 133, segments: 64 },
  ] as const) {
    const send = async ([from, to]: (typeof ways)[number]) => {
      const flow = { rate, size, segments, datagrams: rate / 5 }
      const { sent, ...counts } = await traffic.flow(from, innerOf(to)[version], flow)
      const all = { received: sent, distinct: sent, reordered: 0, bytes: sent * size }
      assert.deepEqual(counts, all, `${from.host}, ${segments} datagrams of ${size} bytes at once`)
    }
    await Promise.all(ways.map(send))
  }
}

const everything = '--no-tso --no-uso --no-gso --no-gro --no-coalesce'
const wireguardGo = findWireguardGo()

/** The options of the two sides; what they do to one another matters as much as what each does. */
const pairs: readonly (readonly [string, string])[] = [
  ['', ''],
  ['--no-tso', '--no-uso'],
  ['--no-gso', '--no-gro'],
  ['--no-coalesce', '--no-tso --no-uso --no-gso'],
  [everything, ''],
  ['--threads 2', '--threads 4 --no-gro --no-gso'],
  ['--threads 4', 'wireguard-go'],
]

function programOf(side: string): DeviceProgram | undefined {
  return side === 'wireguard-go' ? wireguardGo : [...podwire, ...side.split(' ').filter(Boolean)]
}

test('device: with each switch TCP is whole, UDP comes all and in order, and nothing is dropped', async t => {
  await withTwoHosts('switches', async lab => {
    const ends = makeEnds()
    const traffic = await startTraffic(lab, ends)
    for (const sides of pairs) {
      const [a, b] = [programOf(sides[0]), programOf(sides[1])]
      const title = sides.map(side => side || 'all on').join(' | ')
      await t.test(title, { skip: !(a && b) && wireguardGoHint }, async () => {
        await withTunnel(lab, ends, [a ?? podwire, b ?? podwire], async () => {
          await assertAllPasses(traffic, ends)
          for (const [i, { host }] of ends.entries()) {
            const options = sides[i] ?? ''
            if (options === 'wireguard-go') continue
            const status = await statusOf(lab, host)
            const off = Object.keys(status.offloads).filter(name => options.includes(switchOf(name)))
            assert.deepEqual(notOn(status), Object.fromEntries(off.map(name => [name, 'off'])))
            assert.deepEqual(dropsOf(status), {})
          }
        })
      })
    }
  })
})

function switchOf(offload: string): string {
  return `--no-${offload.replace(/Tcp|Udp/, '')}`
}

test('kernel: an MTU of the path below that of the device: datagrams leave in fragments, segmentation stays on', async () => {
  await withTwoHosts('fragments', async lab => {
    const ends = makeEnds()
    const traffic = await startTraffic(lab, ends)
    for (const { host } of ends) await lab.exec(host, ['ip', 'link', 'set', 'net', 'mtu', '1300'])
    for (const family of [4, 6] as const) {
      await withTunnel(
        lab,
        ends,
        [podwire, podwire],
        async () => {
          await assertAllPasses(traffic, ends)
          for (const { host } of ends) {
            const status = await statusOf(lab, host)
            assert.deepEqual([notOn(status), dropsOf(status)], [{}, {}])
          }
        },
        family,
      )
    }
    for (const name of ['IpFragCreates', 'Ip6FragCreates']) assert.ok((await counterOf(lab, 'a', name)) > 1000, name)
  })
})

/** A counter of a host's kernel since the lab began. */
async function counterOf(lab: Lab, host: string, name: string): Promise<number> {
  const { stdout } = await lab.exec(host, ['nstat', '-asz', name])
  return Number(new RegExp(`${name}\\s+(\\d+)`).exec(stdout)?.[1])
}

test('kernel: CE on the outer packets reaches TCP inside, and CWR and ECE pass in super-packets', async () => {
  await withTwoHosts('ecn', async lab => {
    const ends = makeEnds()
    const [from, to] = ends
    const traffic = await startTraffic(lab, ends)
    await withTunnel(lab, ends, [podwire, podwire], async () => {
      for (const { host } of ends) await lab.exec(host, ['sh', '-c', 'echo 1 >/proc/sys/net/ipv4/tcp_ecn'])
      // What of a goes out at once is one packet here: one in fifty is marked.
      const rule = 'udp dport 51822 ip ecn ect0 numgen inc mod 50 == 0 ip ecn set ce'
      await addOutputRule(lab, 'a', rule)
      const seen = { a: '', b: '' }
      for (const host of ['a', 'b'] as const) {
        // CWR, but no SYN, on its way to b, of both versions.
        const filter = `(dst ${innerOf(to).v4} and tcp[13] & 0x82 = 0x80) or (dst ${innerOf(to).v6} and ip6[53] & 0x82 = 0x80)`
        const watch = lab.spawn(host, ['tcpdump', '-tnl', '--immediate-mode', '-i', 'wg0', filter], {
          stdio: ['ignore', 'pipe', 'pipe'],
        })
        let ready = false
        watch.stderr?.on('data', () => {
          ready = true
        })
        watch.stdout?.setEncoding('utf8').on('data', (text: string) => {
          seen[host] += text
        })
        await until('the capture', () => ready)
      }
      await traffic.transfer(from, to, 32 * megabyte)
      const count = (text: string, version: string) => text.split('\n').filter(line => line.startsWith(version)).length
      const counts = (text: string) => [count(text, 'IP '), count(text, 'IP6 ')]
      const same = () => String(counts(seen.a)) === String(counts(seen.b))
      await until('the captures are through', async () => seen.a !== '' && same(), 2).catch(() => {})
      assert.deepEqual(counts(seen.b), counts(seen.a), 'every CWR came, and none was multiplied')
      assert.ok(Math.min(...counts(seen.a)) > 0, seen.a)
      assert.match(seen.a, /length \d{5}/, 'and some were super-packets')
      assert.ok((await counterOf(lab, 'b', 'IpExtInCEPkts')) > 0)
      assert.ok((await counterOf(lab, 'a', 'TcpExtTCPDeliveredCE')) > 0, 'ECE came')
      for (const { host } of ends) assert.deepEqual(dropsOf(await statusOf(lab, host)), {})
    })
  })
})

/** What a kernel refuses, what is not used then, and what the device prints. */
const refused: Record<'segments' | 'superPackets' | 'gro' | 'uso', readonly [Record<string, string>, RegExp]> = {
  segments: [{ gso: 'failed' }, /^ERROR: \(wg0\) gso is not used any more: Input\/output error.*\n$/],
  superPackets: [
    { coalesceTcp: 'failed', coalesceUdp: 'failed' },
    /^(ERROR: \(wg0\) coalesce(Tcp|Udp) is not used any more: Invalid argument.*\n){2}$/,
  ],
  gro: [{ gro: 'unsupported' }, /^$/],
  uso: [{ uso: 'unsupported', coalesceUdp: 'unsupported' }, /^$/],
}

test('device: what the kernel refuses is done without: all passes, the status and one warning say it', async t => {
  await withTwoHosts('refused', async lab => {
    const ends = makeEnds()
    const traffic = await startTraffic(lab, ends)
    for (const sides of [
      ['segments', 'superPackets'],
      ['gro', 'uso'],
    ] as const) {
      await t.test(sides.join(' | '), async () => {
        const [a, b] = [logged(refusing(lab, sides[0])), logged(refusing(lab, sides[1]))]
        await withTunnel(lab, ends, [a, b], async () => {
          await assertAllPasses(traffic, ends)
          for (const [i, { host }] of ends.entries()) {
            const [expected, says] = refused[sides[i as 0 | 1]]
            const status = await statusOf(lab, host)
            assert.deepEqual(notOn(status), expected)
            for (const name of Object.keys(expected)) assert.ok(status.offloads[name as OffloadName].reason)
            assert.deepEqual(dropsOf(status), {})
            assert.match(await logOf(lab, host), says)
          }
        })
      })
    }
  })
})

test('kernel: on a link that computes no checksums all passes', async () => {
  await withTwoHosts('checksum', async lab => {
    const ends = makeEnds()
    const traffic = await startTraffic(lab, ends)
    for (const { host } of ends) await lab.exec(host, ['ethtool', '-K', 'net', 'tx', 'off'])
    await withTunnel(lab, ends, [podwire, podwire], async () => {
      await assertAllPasses(traffic, ends)
      for (const { host } of ends) {
        const { gso, ...others } = notOn(await statusOf(lab, host))
        assert.deepEqual(others, {})
        assert.ok(gso === undefined || gso === 'failed', gso) // until Linux 6.11 it is EIO
      }
    })
  })
})

for (const { header, flag, expected } of [
  { header: 'no virtio header', flag: 0, expected: 'unsupported' },
  { header: 'a virtio header', flag: 0x4000, expected: 'on' },
]) {
  test(`device: takes an open TUN with ${header}: its offloads are ${expected}, and all passes`, async () => {
    await withTwoHosts(`fd-${expected}`, async lab => {
      const ends = makeEnds()
      const traffic = await startTraffic(lab, ends)
      await lab.exec('a', ['ip', 'tuntap', 'add', 'mode', 'tun', 'name', 'wg0', ...(flag ? ['vnet_hdr'] : [])])
      const script = `
import fcntl, os, struct, sys
tun = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack('16sH14x', b'wg0', 0x1001 | ${flag})) # TUNSETIFF: TUN, no packet information
os.set_inheritable(tun, True)
os.environ['WG_TUN_FD'] = str(tun)
os.execvp(sys.argv[1], sys.argv[1:])`
      await withTunnel(lab, ends, [['python3', '-c', script, ...podwire], podwire], async () => {
        await assertAllPasses(traffic, ends)
        const status = await statusOf(lab, 'a')
        const names = ['tso', 'uso', 'coalesceTcp', 'coalesceUdp'] as const
        assert.deepEqual(
          names.map(name => status.offloads[name].state),
          names.map(() => expected),
        )
        assert.deepEqual([status.offloads.gso.state, status.offloads.gro.state], ['on', 'on'])
        assert.deepEqual(dropsOf(status), {})
      })
    })
  })
}
