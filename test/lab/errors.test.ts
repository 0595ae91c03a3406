// What can go wrong below a device while packets pass: it survives, counts what was lost, says why at most once a second, and
// goes on when the trouble is over.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Lab } from '../../src/lab/lab.ts'
import { refusing } from './refusing.ts'
import { notOn, statusOf } from './status-of.ts'
import { addOutputRule, type Flow, innerOf, logged, logOf, startTraffic, type Traffic, withTunnel } from './traffic.ts'
import { type End, makeEnds, onlyPeer, pingInner, podwire, withTwoHosts } from './tunnel.ts'
import { until } from './until.ts'

const megabyte = 1 << 20
/** Long messages, that a device cuts and the kernel cuts once more. */
const bursts: Flow = { rate: 20_000, datagrams: 20_000, size: 1392, segments: 40 }

async function assertGoesOn(traffic: Traffic, ends: readonly [End, End]): Promise<void> {
  const [a, b] = ends
  await Promise.all([traffic.transfer(a, b, megabyte), traffic.transfer(b, a, megabyte)])
}

/** The warnings of a's device, and that there are no more than one for each second since `startMs`. */
async function warningsOf(lab: Lab, startMs: number): Promise<string[]> {
  const lines = (await logOf(lab, 'a')).split('\n').filter(Boolean)
  const seconds = Math.ceil((performance.now() - startMs) / 1000)
  assert.ok(lines.length <= seconds + 1, `${lines.length} warnings in ${seconds} s:\n${lines.join('\n')}`)
  return lines
}

interface Trouble {
  readonly lab: Lab
  readonly ends: [End, End]
  readonly traffic: Traffic
  readonly startMs: number
}

/** A tunnel that works, of which a's device writes down what it says. */
async function withLoggedSender(word: string, run: (trouble: Trouble) => Promise<void>): Promise<void> {
  await withTwoHosts(word, async lab => {
    const ends = makeEnds()
    const traffic = await startTraffic(lab, ends)
    await withTunnel(lab, ends, [logged(podwire), podwire], async () => {
      await pingInner(lab, ...ends, 1)
      await run({ lab, ends, traffic, startMs: performance.now() })
    })
  })
}

test('kernel: the link down and up under traffic: what comes meanwhile is lost in silence, then all passes', async () => {
  await withTwoHosts('error-down', async lab => {
    const ends = makeEnds()
    const [a, b] = ends
    const traffic = await startTraffic(lab, ends)
    await withTunnel(lab, ends, [podwire, logged(podwire)], async () => {
      await pingInner(lab, a, b, 1)
      const flow = traffic.flow(a, innerOf(b).v4, bursts)
      const { rx } = await onlyPeer(lab, 'b')
      await until('the flow has begun', async () => (await onlyPeer(lab, 'b')).rx > rx + 1_000_000)
      for (const state of ['down', 'up', 'down', 'up']) await lab.exec('b', ['ip', 'link', 'set', 'wg0', state])
      await lab.exec('b', ['ip', 'address', 'replace', 'fd07::2/64', 'dev', 'wg0', 'nodad']) // going down took it away
      const { sent, received, reordered } = await flow
      assert.ok(received < sent, 'it was down')
      assert.equal(reordered, 0)
      await assertGoesOn(traffic, ends)
      assert.equal(await logOf(lab, 'b'), '')
    })
  })
})

for (const { family, own, other } of [
  { family: 4, own: '192.0.2.1/24', other: '192.0.2.77/24' },
  { family: 6, own: '2001:db8::1/64', other: '2001:db8::77/64' },
] as const) {
  test(`kernel: the source address goes under traffic: packets leave from another: IPv${family}`, async () => {
    await withTwoHosts(`error-source-${family}`, async lab => {
      const ends = makeEnds()
      const [a, b] = ends
      const traffic = await startTraffic(lab, ends)
      const run = async () => {
        await pingInner(lab, a, b, 1)
        const flow = traffic.flow(a, innerOf(b).v6, { ...bursts, size: 1372 })
        const { rx } = await onlyPeer(lab, 'b')
        await until('the flow has begun', async () => (await onlyPeer(lab, 'b')).rx > rx + 1_000_000)
        const noDad = family === 6 ? ' nodad' : ''
        const move = `address delete ${own} dev net\naddress add ${other} dev net${noDad}\n`
        await lab.exec('a', ['ip', '-batch', '-'], { input: move })
        const { sent, received, reordered } = await flow
        assert.ok(received > sent / 2, `${received} of ${sent}`)
        assert.equal(reordered, 0)
        const { endpoint } = await onlyPeer(lab, 'b')
        assert.equal(endpoint?.replace(/[[\]]|:\d+$/g, ''), other.replace(/\/.*/, ''))
        await assertGoesOn(traffic, ends)
        assert.deepEqual(notOn(await statusOf(lab, 'a')), {})
      }
      await withTunnel(lab, ends, [podwire, podwire], run, family)
    })
  })
}

for (const { title, word, program, setup } of [
  // The device's own link keeps it: what is inside has IPv6.
  {
    title: 'switched off on the links',
    word: 'off',
    program: () => podwire,
    setup: 'echo 1 >all/disable_ipv6; echo 0 >default/disable_ipv6',
  },
  { title: 'not known to the kernel', word: 'none', program: (lab: Lab) => refusing(lab, 'ipv6'), setup: 'true' },
]) {
  test(`kernel: IPv6 ${title}: the device starts, and all passes over IPv4`, async () => {
    await withTwoHosts(`error-v6-${word}`, async lab => {
      const ends = makeEnds()
      const traffic = await startTraffic(lab, ends)
      await lab.exec('a', ['sh', '-c', `cd /proc/sys/net/ipv6/conf; ${setup}`])
      await withTunnel(lab, ends, [logged(program(lab)), podwire], async () => {
        await assertGoesOn(traffic, ends)
        const sockets = (await lab.exec('a', ['ss', '-Huln'])).stdout
        assert.ok(sockets.includes('0.0.0.0:51821'), sockets)
        assert.equal(sockets.includes('[::]:51821'), word !== 'none')
        assert.equal(await logOf(lab, 'a'), '')
      })
    })
  })
}

test('kernel: EPERM of a firewall, dropped and rejected: counted, said once a second, and over when the rule is', async () => {
  await withLoggedSender('error-eperm', async ({ lab, ends, traffic, startMs }) => {
    const [a, b] = ends
    for (const verdict of ['drop', 'reject']) {
      const before = (await statusOf(lab, 'a')).drops.send ?? 0
      await addOutputRule(lab, 'a', `udp dport 51822 ${verdict}`)
      const { sent, received } = await traffic.flow(a, innerOf(b).v4, { ...bursts, datagrams: 10_000 })
      assert.deepEqual([sent > 1000, received], [true, 0])
      const status = await statusOf(lab, 'a')
      assert.ok((status.drops.send ?? 0) - before >= sent, `${verdict}: ${status.drops.send}`)
      assert.deepEqual(notOn(status), {})
      await lab.exec('a', ['nft', 'delete', 'table', 'inet', 'lab'])
      await assertGoesOn(traffic, ends)
    }
    const warnings = await warningsOf(lab, startMs)
    assert.ok(warnings.length >= 2)
    for (const line of warnings) assert.match(line, /sending to 192\.0\.2\.2:51822: Operation not permitted/)
  })
})

test('kernel: EMSGSIZE: what is longer than a datagram is counted and said, and all else passes', async () => {
  await withLoggedSender('error-long', async ({ lab, ends, traffic, startMs }) => {
    const [, b] = ends
    await lab.exec('a', ['ip', 'link', 'set', 'wg0', 'mtu', '65535'])
    const ping = ['ping', '-q', '-c', '20', '-i', '0.01', '-W', '0.1', '-s', '65500', innerOf(b).v4] as const
    await assert.rejects(lab.exec('a', ping), /100% packet loss/)
    await lab.exec('a', ['ip', 'link', 'set', 'wg0', 'mtu', '1420'])
    await assertGoesOn(traffic, ends)
    const status = await statusOf(lab, 'a')
    assert.ok((status.drops.send ?? 0) >= 20, `${status.drops.send}`)
    assert.deepEqual(notOn(status), {})
    const warnings = await warningsOf(lab, startMs)
    assert.match(warnings[0] ?? '', /sending to 192\.0\.2\.2:51822: Message too long/)
  })
})

test('kernel: a full send buffer: wg and the status are answered, it is counted and said, and over when there is room', async () => {
  await withLoggedSender('error-full', async ({ lab, ends, traffic, startMs }) => {
    const [a, b] = ends
    // The queue holds more than the socket may send: it is the buffer that is full.
    const queue = ['tbf', 'rate', '1mbit', 'burst', '64kb', 'limit', '1g']
    await lab.exec('a', ['tc', 'qdisc', 'add', 'dev', 'net', 'root', ...queue])
    const flow = traffic.flow(a, innerOf(b).v4, { rate: 100_000, datagrams: 200_000, size: 1392, segments: 40 })
    await until('the buffer is full', async () => ((await statusOf(lab, 'a')).drops.send ?? 0) > 0)
    await lab.exec('a', ['timeout', '5', 'wg', 'show', 'wg0'])
    await lab.exec('a', ['tc', 'qdisc', 'delete', 'dev', 'net', 'root'])
    await flow
    await assertGoesOn(traffic, ends)
    const warnings = await warningsOf(lab, startMs)
    assert.match(warnings[0] ?? '', /sending to 192\.0\.2\.2:51822: Resource temporarily unavailable/)
    assert.deepEqual(notOn(await statusOf(lab, 'a')), {})
  })
})
