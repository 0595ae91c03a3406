// More than four minutes of traffic with wireguard-go on the other side: sessions are replaced at 120 and 240 s, by podwire in one
// lab and by wireguard-go in another at the same time, and not one packet is lost. The one slow test.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import {
  type DeviceProgram,
  endpointOf,
  findWireguardGo,
  makeEnds,
  onlyPeer,
  pingInner,
  podwire,
  startTunnel,
  wireguardGoHint,
  withTwoHosts,
} from './tunnel.ts'

const found = findWireguardGo()
const seconds = 260

/** Sends back what comes, IPv4 and IPv6. */
const echoScript = `
  const socket = require('node:dgram').createSocket('udp6')
  socket.on('message', (data, from) => socket.send(data, from.port, from.address))
  socket.bind(7, () => console.log('ready'))`

/**
 * Sends four numbered datagrams every 10 ms, two of each family; prints what went, what came back, the longest round trip,
 * and when the lost ones went. The complement of the number is in each, so that all have one checksum: wireguard-go sends an
 * IPv6 datagram whose UDP checksum comes out as zero, one in 65,536, with that zero, and the receiver's kernel drops it.
 */
const askScript = `
  const seconds = Number(process.argv[1])
  const sentMs = new Map()
  const count = { sent: 0, received: 0, longestMs: 0 }
  const sockets = ['udp4', 'udp6'].map(family => require('node:dgram').createSocket(family))
  for (const socket of sockets) {
    socket.on('message', data => {
      const number = data.readUInt32LE()
      if (!sentMs.has(number)) return
      count.longestMs = Math.max(count.longestMs, performance.now() - sentMs.get(number))
      sentMs.delete(number)
      count.received += 1
    })
  }
  const timer = setInterval(() => {
    if (performance.now() > seconds * 1000) {
      clearInterval(timer)
      setTimeout(() => {
        const lostAtSeconds = [...sentMs.values()].map(ms => Number((ms / 1000).toFixed(3)))
        console.log(JSON.stringify({ ...count, lostAtSeconds }))
        process.exit()
      }, 3000)
      return
    }
    for (const i of [0, 1, 0, 1]) {
      const data = Buffer.alloc(200)
      data.writeUInt32LE(count.sent)
      data.writeUInt32LE(~count.sent >>> 0, 4)
      sentMs.set(count.sent++, performance.now())
      sockets[i].send(data, 7, ['10.7.0.2', 'fd07::2'][i])
    }
  }, 10)`

test(
  `rekey: ${seconds} s of 400 packets a second each way, two rekeys, nothing lost`,
  found === undefined ? { skip: wireguardGoHint } : { timeout: (seconds + 60) * 1000 },
  async t => {
    const wireguardGo: DeviceProgram = found ?? ['wireguard']
    const say = (line: string) => t.diagnostic(line)
    await Promise.all([traffic('podwire', podwire, wireguardGo, say), traffic('go', wireguardGo, podwire, say)])
  },
)

/** Traffic through a tunnel whose initiator, and so the one who rekeys, is on host a. */
async function traffic(
  word: string,
  initiator: DeviceProgram,
  responder: DeviceProgram,
  say: (line: string) => void,
): Promise<void> {
  await withTwoHosts(`rekey-${word}`, async lab => {
    const ends = makeEnds()
    await startTunnel(lab, ends, [
      { program: initiator, peerLines: [`Endpoint = ${endpointOf(ends[1])}`] },
      { program: responder },
    ])
    await pingInner(lab, ends[0], ends[1])
    const echo = lab.spawn('b', [process.execPath, '-e', echoScript], { stdio: ['ignore', 'pipe', 'inherit'] })
    assert.ok(echo.stdout)
    await once(echo.stdout, 'data')
    const asking = lab.exec('a', [process.execPath, '-e', askScript, String(seconds)])
    const handshakes = new Set<number>()
    let done = false
    const watch = (async () => {
      while (!done) {
        handshakes.add((await onlyPeer(lab, 'a')).handshake)
        await new Promise(resolve => setTimeout(resolve, 1000))
      }
    })()
    const { stdout } = await asking.finally(() => {
      done = true
    })
    await watch
    handshakes.delete(0)
    const { sent, received, longestMs, lostAtSeconds } = JSON.parse(stdout)
    const times = [...handshakes].join(', ')
    say(`initiator ${word}: ${sent} sent, ${received} back, longest ${longestMs.toFixed(1)} ms; handshakes at ${times}`)
    assert.ok(sent >= seconds * 300, `only ${sent} packets were sent`)
    assert.equal(sent - received, 0, `lost ${sent - received} of ${sent}, sent at seconds ${lostAtSeconds.join(', ')}`)
    assert.ok(handshakes.size >= 3, `handshakes at ${times}`)
  })
}
