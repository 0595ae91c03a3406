// A device that is flooded with initiations whose mac1 is right, as anyone can make who knows its public key: its sessions lose
// nothing, `wg` is answered, handshakes of its own complete, its memory is bounded, and who has an address of its own connects.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { startFlood } from './podwire-traffic.ts'
import {
  configOf,
  dump,
  endpointOf,
  findWireguardGo,
  makeEnds,
  onlyPeer,
  pingInner,
  podwire,
  startTunnel,
  wg,
  wgConf,
  wireguardGoHint,
  withTwoHosts,
} from './tunnel.ts'
import { until } from './until.ts'

function residentKib(pid: number | undefined): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}

test('device: under 10,000 initiations a second its session loses nothing, and wg and its own handshakes are served', async () => {
  await withTwoHosts('flood', async lab => {
    const ends = makeEnds()
    const [, flooded] = await startTunnel(lab, ends, [{}, { peerLines: [`Endpoint = ${endpointOf(ends[0])}`] }])
    await pingInner(lab, ends[1], ends[0])
    const flood = await startFlood(lab, 'a', ends[1], 10_000)
    const before = residentKib(flooded.pid)

    const ping = lab.exec('a', ['ping', '-q', '-c', '800', '-i', '0.01', '-W', '2', '10.7.0.2'])
    let pinging = true
    void ping.finally(() => {
      pinging = false
    })
    while (pinging) await lab.exec('b', ['timeout', '10', 'wg', 'show', 'wg0'])
    assert.match((await ping).stdout, /800 received, 0% packet loss/)

    await wg(lab, 'b', 'set', 'wg0', 'peer', ends[0].publicKey, 'remove')
    const peer = ['peer', ends[0].publicKey, 'endpoint', endpointOf(ends[0]), 'persistent-keepalive', '1']
    await wg(lab, 'b', 'set', 'wg0', ...peer)
    // Under load a response needs mac2 too: it comes with the second initiation.
    await until('its own handshake', async () => (await onlyPeer(lab, 'b')).handshake > 0, 12)
    const grownKib = residentKib(flooded.pid) - before
    assert.ok(grownKib < 32 * 1024, `its memory grew by ${grownKib} KiB`)
    assert.equal(flood.exitCode, null, 'the flood went on')
    flood.kill()
    assert.equal((await dump(lab, 'b')).device[2], '51822')
  })
})

const wireguardGo = findWireguardGo()
for (const [name, program, skip] of [
  ['podwire', podwire, false],
  ['wireguard-go', wireguardGo ?? podwire, wireguardGo === undefined && wireguardGoHint],
] as const) {
  test(`paper 5.4.7: to a device under load ${name} connects with a cookie`, { skip }, async () => {
    await withTwoHosts(`cookie-${name.slice(0, 4)}`, async lab => {
      const ends = makeEnds()
      const [own, flooded] = ends
      await startTunnel(lab, ends, [{ program }, {}])
      // Cookie replies, and initiations with a mac2, of the port that is not the flood's.
      const filter = 'udp port 51821 and (udp[8] = 3 or (udp[8] = 1 and udp[140:4] != 0))'
      const watch = lab.spawn('a', ['tcpdump', '-tnl', '--immediate-mode', '-i', 'net', filter], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      assert.ok(watch.stdout)
      let seen = ''
      watch.stdout.setEncoding('utf8').on('data', (text: string) => {
        seen += text
      })
      // More than JavaScript could answer, so that it is a load on any machine.
      const flood = await startFlood(lab, 'a', flooded, 40_000)
      const cookieReply = /192\.0\.2\.2\.51822 > 192\.0\.2\.1\.51821: UDP, length 64/
      const withMac2 = /192\.0\.2\.1\.51821 > 192\.0\.2\.2\.51822: UDP, length 148/
      const usedCookie = () => cookieReply.test(seen) && withMac2.test(seen)
      const lines = [`Endpoint = ${endpointOf(flooded)}`, 'PersistentKeepalive = 1']
      const [, peer] = configOf(own, flooded, lines).split('[Peer]')
      await wg(lab, 'a', 'set', 'wg0', 'peer', flooded.publicKey, 'remove')
      await wgConf(lab, 'a', 'addconf', `[Peer]${peer}`)
      await until('the handshake', async () => (await onlyPeer(lab, 'a')).handshake > 0, 20)
      await until('what tcpdump has seen', usedCookie)
      await pingInner(lab, own, flooded)
      assert.equal(flood.exitCode, null, 'the flood went on')
      flood.kill()
      watch.kill()
    })
  })
}
