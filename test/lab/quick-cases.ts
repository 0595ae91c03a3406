// Configurations that `podwire quick` and Debian's wg-quick bring up and down on the same host, one after the other: the same file
// leaves the same links, addresses, routes, rules, firewall, DNS calls and device, and the same nothing when it fails.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { generatePresharedKey, generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { type QuickHost, type Tool, takeDnsCalls } from './quick-host.ts'

const base64 = (secret: { bytes: Uint8Array }) => Buffer.from(secret.bytes).toString('base64')
export const key = base64(generatePrivateKey())
const psk = base64(generatePresharedKey())
export const peers = [1, 2].map(() => publicKeyOf(generatePrivateKey()))

/** A file: lines of the interface, then of each peer. */
export function conf(own: string[], ...ofPeers: string[][]): string {
  const sections = ofPeers.map((lines, i) => ['[Peer]', `PublicKey = ${peers[i]}`, ...lines])
  return [['[Interface]', `PrivateKey = ${key}`, 'ListenPort = 51999', ...own], ...sections]
    .map(lines => `${lines.join('\n')}\n`)
    .join('\n')
}

export const address = 'Address = 10.7.0.1/24, fd07::1/64'
export const everything = 'AllowedIPs = 0.0.0.0/0, ::/0'
export const endpoint = 'Endpoint = 192.0.2.77:51820'

export interface Case {
  readonly text: string
  /** Run on the host before `up` and after `down`. */
  readonly prepare?: string
  readonly tidy?: string
  /** Run while it is up. */
  readonly meanwhile?: string
  /** Neither brings it up. */
  readonly fails?: true
}

const cases: Record<string, Case> = {
  'only a key': { text: conf([]) },
  'one address of each family': { text: conf([address], [endpoint]) },
  'addresses over lines, without prefix lengths': {
    text: conf(['Address = 10.7.0.1', 'Address = fd07::1,10.8.0.1/16'], ['AllowedIPs = 10.7.0.0/24, fd07::/64']),
  },
  'two peers, nested prefixes': {
    text: conf(
      [address],
      ['AllowedIPs = 10.7.0.2/32, 10.9.0.0/16, fd07::2/128', endpoint, 'PersistentKeepalive = 25'],
      ['AllowedIPs = 10.9.1.0/24, fd09::/48, 10.7.0.0/16', `PresharedKey = ${psk}`],
    ),
  },
  'a prefix of two peers': { text: conf([], ['AllowedIPs = 10.9.0.0/16'], ['AllowedIPs = 10.9.0.0/16']) },
  'host bits in AllowedIPs': { text: conf([], ['AllowedIPs = 172.16.5.4/12, fd09::5/64']) },
  'its own addresses in AllowedIPs': {
    text: conf(['Address = 10.8.0.1/32, fd08::1/128'], ['AllowedIPs = 10.8.0.1/32, fd08::1/128']),
  },
  'IPv6 only': { text: conf(['Address = fd07::1/64'], ['AllowedIPs = fd00::/8', 'Endpoint = [2001:db8::77]:51820']) },
  'Table off': { text: conf([address, 'Table = off'], [everything]) },
  'Table auto, said': { text: conf([address, 'Table = auto'], ['AllowedIPs = 10.9.0.0/16']) },
  'Table of a number': {
    text: conf([address, 'Table = 1234'], ['AllowedIPs = 10.7.0.2/32, 10.9.0.0/16, fd07::2/128']),
  },
  'Table of a number, default routes': { text: conf([address, 'Table = 1234'], [everything]) },
  'Table main': { text: conf([address, 'Table = main'], ['AllowedIPs = 10.9.0.0/16']) },
  'all traffic': { text: conf([address], [everything, endpoint]) },
  'all IPv4': { text: conf(['Address = 10.7.0.1/24'], ['AllowedIPs = 0.0.0.0/0', endpoint]) },
  'all IPv6': { text: conf(['Address = fd07::1/64'], ['AllowedIPs = ::/0', 'Endpoint = [2001:db8::77]:51820']) },
  'all traffic without addresses': { text: conf([], [everything]) },
  'all traffic, and a peer of its own prefix': { text: conf([address], [everything], ['AllowedIPs = 10.9.0.0/16']) },
  'all traffic, FwMark': { text: conf([address, 'FwMark = 0x4242'], [everything]) },
  'all traffic, the first tables taken': {
    text: conf([address], [everything]),
    prepare: 'ip route add 10.1.0.0/16 dev net table 51820; ip -6 route add fd01::/64 dev net table 51821',
    tidy: 'ip route flush table 51820; ip -6 route flush table 51821',
  },
  'halves of all traffic': { text: conf([address], ['AllowedIPs = 0.0.0.0/1, 128.0.0.0/1, ::/1, 8000::/1']) },
  'FwMark without default routes': { text: conf([address, 'FwMark = 51'], ['AllowedIPs = 10.9.0.0/16']) },
  'MTU said': { text: conf([address, 'MTU = 1280'], [endpoint]) },
  'MTU of the way to the endpoint': { text: conf([address], ['Endpoint = 203.0.113.9:51820']) },
  'MTU of two ways': { text: conf([], ['Endpoint = 203.0.113.9:51820'], [endpoint]) },
  'MTU of this host itself': { text: conf([], ['Endpoint = 127.0.0.1:51820']) },
  'MTU of a default route': {
    text: conf([], []),
    prepare: 'ip route change $(ip -4 route show default) mtu 1333',
    tidy: 'ip route change $(ip -4 route show default | sed "s/mtu.*//") mtu 0',
  },
  'MTU without a way': {
    text: conf([], ['Endpoint = 198.51.100.9:51820']),
    prepare: 'ip route add blackhole 198.51.100.9',
    tidy: 'ip route delete blackhole 198.51.100.9',
  },
  DNS: { text: conf([address, 'DNS = 10.7.0.53, fd07::53', 'DNS = corp.internal', 'DNS = lan']) },
  'DNS: only search domains': { text: conf([address, 'DNS = corp.internal']) },
  hooks: {
    text: conf([
      address,
      'PreUp = echo pre-up %i >> log; ! ip link show dev %i 2> /dev/null',
      'PostUp = echo post-up %i >> log; ip link show dev %i > /dev/null',
      'PostUp = ip route add 10.55.0.0/16 dev %i; ip rule add iif %i table 77',
      'PreDown = echo pre-down %i >> log; ip link show dev %i > /dev/null',
      'PostDown = echo post-down %i >> log; ip rule delete iif %i table 77',
      'PostDown = ! ip link show dev %i 2> /dev/null; echo $LC_ALL $(umask) >> log',
    ]),
  },
  'SaveConfig: what was changed meanwhile': {
    text: conf(
      [address, 'SaveConfig = true', 'MTU = 1400', 'PostUp = true'],
      ['AllowedIPs = 10.9.0.0/16', `PresharedKey = ${psk}`, endpoint],
    ),
    meanwhile: `wg set wg0 peer ${peers[1]} allowed-ips 10.11.0.0/16 persistent-keepalive 9; ip address add 10.12.0.1/24 dev wg0; ip link set wg0 mtu 1390`,
  },
  'SaveConfig: a mark that was chosen': { text: conf([address, 'SaveConfig = true'], [everything]) },

  'fails: PreUp': { text: conf([address, 'PreUp = false; true']), fails: true },
  'fails: PostUp': {
    text: conf([address, 'DNS = 10.7.0.53', 'PostUp = true', 'PostUp = false | true'], [everything]),
    fails: true,
  },
  'fails: an address twice': { text: conf(['Address = 10.7.0.1/24, 10.7.0.1/24'], [everything]), fails: true },
  'fails: a route that is there': {
    text: conf([address, 'DNS = 10.7.0.53'], ['AllowedIPs = 203.0.113.0/24, 0.0.0.0/0']),
    fails: true,
  },
  'fails: a key that wg does not know': { text: conf([address, 'Adress = 10.0.0.1/24']), fails: true },
}

/** `up`, what is there then, `down`, and what is there then. */
async function outcomeOf(at: QuickHost, tool: Tool, { text, meanwhile, fails, prepare = 'true', tidy = 'true' }: Case) {
  const file = at.write('wg0.conf', text)
  await at.sh(`rm -f log; echo 0 > /proc/sys/net/ipv4/conf/all/src_valid_mark; ${prepare}`)
  const before = await at.state()
  const up = await at.quick(tool, ['up', file])
  assert.equal(up.status === 0, fails === undefined, `${tool} up: ${up.stderr}`)
  const { processes: _, ...during } = await (fails ? at.settled(before) : at.state())
  const device = (await at.sh('wg show wg0 dump')).split('\n').sort()
  const mark = await at.sh('cat /proc/sys/net/ipv4/conf/all/src_valid_mark')
  const upDns = takeDnsCalls(at)
  if (fails) assert.deepEqual(await at.settled(before), before, `${tool}: something is left`)
  if (meanwhile) await at.sh(meanwhile)
  const stripped = fails ? '' : (await at.quick(tool, ['strip', file])).stdout
  const down = await at.quick(tool, ['down', file])
  assert.equal(down.status === 0, fails === undefined, `${tool} down: ${down.stderr}`)
  assert.deepEqual(await at.settled(before), before, `${tool} down: something is left`)
  await at.sh(tidy)
  const saved = readFileSync(file, 'utf8')
  const log = await at.sh('cat log 2>/dev/null')
  return { during, device, mark: fails ? '' : mark, upDns, downDns: takeDnsCalls(at), stripped, saved, log }
}

/** Runs each configuration, or those of these names, as a test of its own; hosts share them. */
export async function assertLikeWgQuick(
  t: TestContext,
  hosts: readonly QuickHost[],
  names: readonly string[] = Object.keys(cases),
): Promise<void> {
  const left = [...names]
  await Promise.all(
    hosts.map(async at => {
      for (let name = left.shift(); name !== undefined; name = left.shift()) {
        const given = cases[name]
        await t.test(name, async () => {
          assert.ok(given)
          const theirs = await outcomeOf(at, 'wg-quick', given)
          const ours = await outcomeOf(at, 'podwire', given)
          if (given.fails) assert.deepEqual(ours.during, theirs.during)
          else assert.deepEqual(ours, theirs)
        })
      }
    }),
  )
}
