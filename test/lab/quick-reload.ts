// `podwire quick reload` while packets pass, on devices of whichever backend `up` takes.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { type QuickHost, succeeded } from './quick-host.ts'
import { configOf, makeEnds, pingInner } from './tunnel.ts'

/** Peers, addresses and DNS change and change back, and the MTU changes, under pings; none is lost, and nobody shakes hands. */
export async function assertReloadKeepsSessions(a: QuickHost, b: QuickHost): Promise<void> {
  const { lab } = a
  const [one, two] = makeEnds()
  const before = await Promise.all([a.state(), b.state()])
  const text = (at: QuickHost, own: string[], peer: string[]) => {
    const [end, other] = at === a ? [one, two] : [two, one]
    const lines = [`Address = 10.7.0.${end.number}/24, fd07::${end.number}/64`, ...own].join('\n')
    const far = `Endpoint = 192.0.2.${other.number}:${51820 + other.number}`
    return configOf(end, other, [far, ...peer]).replace('[Interface]', `[Interface]\n${lines}`)
  }
  for (const at of [a, b]) succeeded(await at.quick('podwire', ['up', at.write('wg0.conf', text(at, [], []))]), 'up')
  await pingInner(lab, one, two)
  const handshake = await a.sh('wg show wg0 latest-handshakes')
  const traffic = a.sh('echo $$ > ping.pid; exec ping -q -i 0.01 -w 60 10.7.0.2')
  const more = ['[Peer]', `PublicKey = ${publicKeyOf(generatePrivateKey())}`, 'AllowedIPs = 10.20.0.0/16, fd20::/64']
  const changes: [own: string[], peer: string[]][] = [
    [
      ['Address = 10.8.0.1/24', 'MTU = 1290', 'DNS = 10.7.0.2'],
      ['PersistentKeepalive = 7', 'AllowedIPs = 10.21.0.0/16', ...more],
    ],
    [[], more],
    [[], []],
  ]
  for (const [own, peer] of changes) {
    const file = a.write('wg0.conf', text(a, own, peer))
    succeeded(await a.quick('podwire', ['reload', file]), 'reload')
    const seen = `${await a.sh('wg show wg0 allowed-ips')}${await a.sh('ip route; ip -6 route; ip address show wg0')}`
    for (const word of ['10.20.0.0/16', '10.21.0.0/16', 'fd20::/64']) {
      assert.equal(seen.split(word).length - 1, peer.join().includes(word) ? 2 : 0, `${word} in ${seen}`)
    }
    assert.match(seen, /mtu 1290/) // one that the file no longer says stays
  }
  await a.sh('kill -INT $(cat ping.pid)')
  const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(await traffic) ?? []
  // The last one may be on its way.
  assert.ok(Number(sent) > 20 && Number(received) >= Number(sent) - 1, `${received} of ${sent}`)
  assert.equal(await a.sh('wg show wg0 latest-handshakes'), handshake)
  for (const [i, at] of [a, b].entries()) {
    succeeded(await at.quick('podwire', ['down', join(at.folder, 'wg0.conf')]), 'down')
    assert.deepEqual(await at.settled(before[i] ?? {}), before[i])
  }
}
