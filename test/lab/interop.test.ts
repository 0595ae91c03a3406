// podwire's device and wireguard-go, each as initiator and as responder.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import type { Lab } from '../../src/lab/lab.ts'
import { generatePresharedKey } from '../../src/wireguard/keys.ts'
import {
  type DeviceProgram,
  type End,
  endpointOf,
  findWireguardGo,
  makeEnds,
  onlyPeer,
  otherHost,
  pingInner,
  podwire,
  startTunnel,
  wg,
  wireguardGoHint,
  withTwoHosts,
} from './tunnel.ts'
import { until } from './until.ts'

const found = findWireguardGo()
const wireguardGo: DeviceProgram = found ?? ['wireguard']
const options = found === undefined ? { skip: wireguardGoHint } : {}
const psk = `PresharedKey = ${Buffer.from(generatePresharedKey().bytes).toString('base64')}`

/** Bytes of an empty data packet. */
const keepaliveBytes = 32

for (const role of ['initiator', 'responder'] as const) {
  for (const family of [4, 6] as const) {
    for (const withPsk of [false, true]) {
      const title = `podwire as ${role}, IPv${family} endpoint, ${withPsk ? 'with' : 'without'} preshared key`
      test(`interop: ${title}`, options, async () => {
        await withTwoHosts(`i${family}${role[0]}${withPsk ? 'p' : ''}`, async lab => {
          const [initiator, responder] = makeEnds()
          const pskLine = withPsk ? [psk] : []
          // Only the initiator knows where the other is.
          await startTunnel(
            lab,
            [initiator, responder],
            [
              {
                program: role === 'initiator' ? podwire : wireguardGo,
                peerLines: [...pskLine, `Endpoint = ${endpointOf(responder, family)}`],
              },
              { program: role === 'initiator' ? wireguardGo : podwire, peerLines: pskLine },
            ],
          )
          await pingInner(lab, initiator, responder)
          await pingInner(lab, responder, initiator)
          const [a, b] = [await onlyPeer(lab, 'a'), await onlyPeer(lab, 'b')]
          assert.equal(b.endpoint, endpointOf(initiator, family))
          assert.ok(a.handshake > 0 && b.handshake > 0)
          assert.deepEqual([a.rx, a.tx], [b.tx, b.rx])
        })
      })
    }
  }
}

/** podwire on a, wireguard-go on b, one of them knowing where the other is; the session is made. */
async function podwireAndGo(word: string, run: (lab: Lab, ends: [End, End]) => Promise<void>): Promise<void> {
  await withTwoHosts(word, async lab => {
    const ends = makeEnds()
    await startTunnel(lab, ends, [
      { program: podwire, peerLines: [`Endpoint = ${endpointOf(ends[1])}`] },
      { program: wireguardGo },
    ])
    await pingInner(lab, ends[0], ends[1], 1)
    await run(lab, ends)
  })
}

test('interop: either side moves to another address and port, and the other follows', options, async () => {
  await podwireAndGo('roam', async (lab, [a, b]) => {
    for (const [mover, other, address, port] of [
      [a, b, '192.0.2.71', 4441],
      [b, a, '192.0.2.72', 4442],
    ] as const) {
      const move = `address delete 192.0.2.${mover.number}/24 dev net\naddress add ${address}/24 dev net\n`
      await lab.exec(mover.host, ['ip', '-batch', '-'], { input: move })
      await wg(lab, mover.host, 'set', 'wg0', 'listen-port', String(port))
      await pingInner(lab, mover, other)
      assert.equal((await onlyPeer(lab, other.host)).endpoint, `${address}:${port}`)
      await pingInner(lab, other, mover)
    }
  })
})

const listenScript = `require('node:dgram').createSocket('udp4').bind(9, () => console.log('bound'))`
const sendScript = `
  const socket = require('node:dgram').createSocket('udp4')
  socket.send('hello', 9, process.argv[1], () => socket.close())`

test(
  'interop: data without answer gets an empty packet after 10 s, from either, and no handshake',
  options,
  async () => {
    await Promise.all([oneWayData('podwire', podwire, wireguardGo), oneWayData('go', wireguardGo, podwire)])
  },
)

/**
 * The sender, on a, sends one packet that the receiver has nothing to say to. The session is podwire's, by a keepalive:
 * wireguard-go arms its retry when its initiation is on its way, and an answer that is faster than that is retried for nothing.
 */
async function oneWayData(word: string, sender: DeviceProgram, receiver: DeviceProgram): Promise<void> {
  await withTwoHosts(`passive-${word}`, async lab => {
    const ends = makeEnds()
    await startTunnel(lab, ends, [{ program: sender }, { program: receiver }])
    const [opener, other] = sender === podwire ? ends : [ends[1], ends[0]]
    const keepalive = (seconds: string, ...more: string[]) =>
      wg(lab, opener.host, 'set', 'wg0', 'peer', other.publicKey, 'persistent-keepalive', seconds, ...more)
    const both = async () => [await onlyPeer(lab, 'a'), await onlyPeer(lab, 'b')] as const
    await keepalive('1', 'endpoint', endpointOf(other))
    await until('a session', async () => (await both()).every(peer => peer.handshake > 0))
    await keepalive('off')
    const listener = lab.spawn('b', [process.execPath, '-e', listenScript], { stdio: ['ignore', 'pipe', 'inherit'] })
    assert.ok(listener.stdout)
    await once(listener.stdout, 'data')
    const opened = await onlyPeer(lab, 'b')
    const startMs = performance.now()
    await lab.exec('a', [process.execPath, '-e', sendScript, '10.7.0.2'])
    await until('the data', async () => (await onlyPeer(lab, 'b')).rx > opened.rx)
    const before = await both()
    await until('an empty packet', async () => (await onlyPeer(lab, 'b')).tx > before[1].tx, 20)
    const tookMs = performance.now() - startMs
    assert.ok(tookMs >= 10_000, `after ${tookMs} ms`)
    await until('it arrived', async () => (await onlyPeer(lab, 'a')).rx > before[0].rx)
    const after = await both()
    assert.equal(after[1].tx - before[1].tx, keepaliveBytes)
    assert.equal(after[0].tx, before[0].tx, 'an empty packet has no answer')
    // Nor did it come late: after 15 s without an answer the sender asks for a new session.
    assert.deepEqual(
      after.map(peer => peer.handshake),
      before.map(peer => peer.handshake),
    )
  })
}

test('interop: a persistent keepalive starts the session by itself, and keeps coming', options, async () => {
  for (const program of [podwire, wireguardGo]) {
    await withTwoHosts('persistent', async lab => {
      const ends = makeEnds()
      await startTunnel(lab, ends, [
        { program: program === podwire ? wireguardGo : podwire },
        { program, peerLines: [`Endpoint = ${endpointOf(ends[0])}`, 'PersistentKeepalive = 1'] },
      ])
      await until('a session', async () => (await onlyPeer(lab, otherHost(ends[1]))).handshake > 0)
      const { rx, handshake } = await onlyPeer(lab, 'a')
      await until('three more', async () => (await onlyPeer(lab, 'a')).rx >= rx + 3 * keepaliveBytes)
      // wireguard-go may retry a handshake that was answered (see above).
      if (program === podwire) assert.equal((await onlyPeer(lab, 'a')).handshake, handshake)
    })
  }
})
