// What the outer packets of a device look like to the network between: DSCP, ECN and the mark that routing rules see.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endpointOf, makeEnds, pingInner, startTunnel, wg, withTwoHosts } from './tunnel.ts'
import { until } from './until.ts'

test('kernel: the outer DSCP is 0, the ECN bits are those of the packet inside', async () => {
  for (const family of [4, 6] as const) {
    await withTwoHosts(`ecn-${family}`, async lab => {
      const ends = makeEnds()
      await startTunnel(lab, ends, [{ peerLines: [`Endpoint = ${endpointOf(ends[1], family)}`] }, {}])
      await pingInner(lab, ends[0], ends[1], 1)
      const [outer, inner] = ['net', 'wg0'].map(link => {
        const filter =
          link === 'wg0'
            ? 'icmp[icmptype] = icmp-echo'
            : `src ${endpointOf(ends[0], family).replace(/\[|\]|:\d+$/g, '')}`
        const watch = lab.spawn('b', ['tcpdump', '-tnlv', '-i', link, filter], { stdio: ['ignore', 'pipe', 'pipe'] })
        const seen = { watch, text: '', ready: false }
        watch.stderr?.on('data', () => {
          seen.ready = true
        })
        watch.stdout?.setEncoding('utf8').on('data', (text: string) => {
          seen.text += text
        })
        return seen
      })
      assert.ok(outer && inner)
      await until('both captures', () => outer.ready && inner.ready)
      // DSCP EF and ECT(1).
      await lab.exec('a', ['ping', '-c', '3', '-i', '0.05', '-W', '3', '-Q', '0xb9', '10.7.0.2'])
      await until('all are seen', () => (inner.text.match(/tos 0xb9/g)?.length ?? 0) >= 3)
      const marked = family === 4 ? /tos 0x1,ECT\(1\)/g : /class 0x01/g
      await until('all are seen outside', () => (outer.text.match(marked)?.length ?? 0) >= 3)
      assert.doesNotMatch(outer.text, /(tos|class) 0xb/, 'no DSCP')
      outer.watch.kill()
      inner.watch.kill()
    })
  }
})

test('kernel: outer packets have the fwmark, from when it is set to when it is cleared', async () => {
  await withTwoHosts('mark', async lab => {
    const ends = makeEnds()
    await startTunnel(lab, ends, [{ peerLines: [`Endpoint = ${endpointOf(ends[1])}`] }, {}])
    for (const family of ['-4', '-6']) await lab.exec('a', ['ip', family, 'rule', 'add', 'fwmark', '66', 'blackhole'])
    await pingInner(lab, ends[0], ends[1], 1)
    await wg(lab, 'a', 'set', 'wg0', 'fwmark', '66')
    await assert.rejects(lab.exec('a', ['ping', '-c', '1', '-W', '1', '10.7.0.2']))
    await wg(lab, 'a', 'set', 'wg0', 'fwmark', 'off')
    await pingInner(lab, ends[0], ends[1], 1)
  })
})
