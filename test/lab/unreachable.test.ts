// What nobody can get: the host's own programs hear of it at once, over both families, as with the kernel's device.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectInVain } from './connect.ts'
import { makeEnds, startTunnel, wg, withTwoHosts } from './tunnel.ts'

test('kernel: what no peer, or one without endpoint, can get is answered with ICMP unreachable', async () => {
  await withTwoHosts('unreachable', async lab => {
    const ends = makeEnds()
    await startTunnel(lab, ends, [{}, {}])
    const cases = [
      ['no peer', '10.7.0.99', /From 10\.7\.0\.99 icmp_seq=1 Destination Host Unreachable/],
      ['no endpoint', '10.7.0.2', /From 10\.7\.0\.2 icmp_seq=1 Destination Host Unreachable/],
      ['no peer', 'fd07::99', /From fd07::99 icmp_seq=1 Destination unreachable: Address unreachable/],
      ['no endpoint', 'fd07::2', /From fd07::2 icmp_seq=1 Destination unreachable: Address unreachable/],
    ] as const
    for (const [why, address, expected] of cases) {
      const ping = await lab.exec('a', ['sh', '-c', `ping -n -c 1 -W 5 ${address} || true`])
      assert.match(ping.stdout, expected, why)
      const { code, afterMs } = await connectInVain(lab, 'a', address)
      assert.equal(code, 'EHOSTUNREACH', `${why}: ${address}`)
      assert.ok(afterMs < 1000, `after ${afterMs} ms`)
    }
    // With an endpoint it is not answered: its packets wait for a session.
    await wg(lab, 'a', 'set', 'wg0', 'peer', ends[1].publicKey, 'endpoint', '192.0.2.99:9')
    const ping = await lab.exec('a', ['sh', '-c', 'ping -n -c 1 -W 1 10.7.0.2 || true'])
    assert.doesNotMatch(ping.stdout, /From/)
    assert.match(ping.stdout, /0 received/)
  })
})
