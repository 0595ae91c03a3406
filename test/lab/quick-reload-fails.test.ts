// `podwire quick reload` that fails at its last step: the device, addresses, routes, rules and firewall are as they were, and
// whatever cannot be taken back is said.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { generatePresharedKey, generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { type QuickHost, withQuickHosts } from './quick-host.ts'

const base64 = (secret: { bytes: Uint8Array }) => Buffer.from(secret.bytes).toString('base64')
const keys = [1, 2].map(() => base64(generatePrivateKey()))
const psk = base64(generatePresharedKey())
const peers = [1, 2, 3].map(() => publicKeyOf(generatePrivateKey()))

function conf(key: string | undefined, own: string[], ofPeers: Record<number, string[]>): string {
  const sections = Object.entries(ofPeers).map(([i, lines]) => ['[Peer]', `PublicKey = ${peers[Number(i)]}`, ...lines])
  return `${[['[Interface]', `PrivateKey = ${key}`, ...own], ...sections].map(lines => lines.join('\n')).join('\n')}\n`
}

const before = conf(keys[0], ['ListenPort = 51999', 'Address = 10.7.0.1/24, fd07::1/64'], {
  0: ['AllowedIPs = 10.9.0.0/16, 10.10.0.0/16, 0.0.0.0/0', `PresharedKey = ${psk}`],
  1: ['AllowedIPs = 10.11.0.0/16', 'Endpoint = 192.0.2.77:51820', 'PersistentKeepalive = 25'],
})
const after = conf(keys[1], ['ListenPort = 51998', 'Address = 10.7.0.2/24', 'MTU = 1300', 'DNS = 10.7.0.53'], {
  1: ['AllowedIPs = 10.10.0.0/16, 10.12.0.0/16', 'Endpoint = 192.0.2.78:51820'],
  2: ['AllowedIPs = 10.13.0.0/16, fd09::/64', `PresharedKey = ${psk}`],
})

async function everythingOf(at: QuickHost): Promise<object> {
  const { processes: _, ...state } = await at.state()
  // Addresses in any order: one that was taken back stands behind the others.
  const addresses = state.addresses?.replaceAll(' tentative', '').split('\n').sort()
  const device = await at.sh('wg show wg0 dump | cut -f 1-4,8 | sort') // without what it counts
  return { ...state, addresses, device }
}

/** Makes resolvconf fail, which comes last; `more` is done by it first. */
async function breakDns(at: QuickHost, more = 'true'): Promise<void> {
  at.write('resolvconf', `#!/bin/sh\n${more}\necho broken >&2\nexit 9\n`, 0o755)
}

test('quick reload: one that fails leaves all as it was, and then works', async () => {
  await withQuickHosts('reload-fails', async at => {
    const nothing = await at.state()
    const file = at.write('wg0.conf', before)
    const real = readFileSync(join(at.folder, 'resolvconf'), 'utf8')
    assert.equal((await at.quick('podwire', ['up', file])).status, 0)
    const up = await everythingOf(at)

    at.write('wg0.conf', after)
    await breakDns(at)
    const { status, stderr } = await at.quick('podwire', ['reload', file])
    assert.ok(status === 1 && /resolvconf -a wg0 .* ended with status 9: broken/.test(stderr), stderr)
    assert.doesNotMatch(stderr, /not taken back/)
    assert.deepEqual(await everythingOf(at), up)

    await breakDns(at, 'ip route delete 10.13.0.0/16 dev wg0')
    const left = await at.quick('podwire', ['reload', file])
    assert.equal(left.status, 1)
    assert.match(left.stderr, /^not taken back: .*10\.13\.0\.0\/16/m)
    assert.match(left.stderr, /^wg0: what could not be taken back stays/m)

    at.write('resolvconf', real, 0o755)
    const again = await at.quick('podwire', ['reload', file])
    assert.equal(again.status, 0, again.stderr)
    assert.match(await at.sh('wg show wg0 allowed-ips'), /10\.13\.0\.0\/16/)
    assert.equal((await at.quick('podwire', ['down', file])).status, 0)
    assert.deepEqual(await at.settled(nothing), nothing)
  })
})
