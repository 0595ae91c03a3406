// Control of the kernel's WireGuard: what podwire sets `wg` shows, and what `wg` sets podwire reads, whatever its size.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { exec } from '../../src/base/exec.ts'
import type { Secret } from '../../src/base/secret.ts'
import type { Device, DeviceChange, PeerChange } from '../../src/model/device.ts'
import { openLinks } from '../../src/native/link.ts'
import { hasWireguard } from '../../src/native/wireguard-link.ts'
import { listDevices, openDevice } from '../../src/wireguard/devices.ts'
import { openKernelDevice } from '../../src/wireguard/kernel-device.ts'
import { anyKey, anySecret, dumpOf, run, withDevice } from './machine.ts'

const hex = (secret?: Secret) => Buffer.from(secret?.bytes ?? []).toString('hex')

/** What podwire reads is what wg shows, of every field. */
async function assertSame(device: Device, name = 'wgc'): Promise<void> {
  assert.equal(await dumpOf(await device.get()), await run(`wg show ${name} dump`))
}

/** The AllowedIPs of each peer, as wg has them, sorted. */
async function allowedIps(): Promise<Record<string, string>> {
  const lines = (await run('wg show wgc allowed-ips')).trim().split('\n')
  return Object.fromEntries(
    lines.map(line => {
      const [key = '', prefixes = ''] = line.split('\t')
      return [key, prefixes.split(' ').sort().join(' ')]
    }),
  )
}

test('kernel device: every field that podwire sets is what wg shows, and what podwire reads', async () => {
  await run('ip link add zone type veth peer name zone-end')
  await withDevice('wgc', async device => {
    await assertSame(device)
    const peers: PeerChange[] = [
      { publicKey: anyKey() },
      {
        publicKey: anyKey(),
        presharedKey: anySecret(),
        endpoint: '192.0.2.7:51820',
        persistentKeepaliveSeconds: 25,
        allowedIps: ['0.0.0.0/0', '10.1.2.0/24', '::/0', 'fd00:1::/64', 'fd00::7/128'],
      },
      { publicKey: anyKey(), endpoint: '[2001:db8::7]:1', persistentKeepaliveSeconds: 65535 },
      { publicKey: anyKey(), endpoint: '[fe80::7%zone]:65535' },
    ]
    const change = { privateKey: anySecret(), listenPort: 51820, fwmark: 0xffffffff, peers }
    await device.set(change)
    await assertSame(device)
    const state = await device.get()
    const read = state.peers.find(({ publicKey }) => publicKey === peers[1]?.publicKey)
    assert.deepEqual(hex(read?.presharedKey), hex(peers[1]?.presharedKey ?? undefined))
    assert.deepEqual(new Set(read?.allowedIps), new Set(peers[1]?.allowedIps))
    assert.equal(hex(state.privateKey).slice(2, 62), hex(change.privateKey).slice(2, 62)) // its ends are clamped
    const endpoints = new Set(state.peers.map(({ endpoint }) => endpoint))
    assert.deepEqual(endpoints, new Set([undefined, '192.0.2.7:51820', '[2001:db8::7]:1', '[fe80::7%zone]:65535']))
  })
  await run('ip link delete zone')
})

test('kernel device: what wg sets is what podwire reads', async () => {
  await withDevice('wgc', async device => {
    const key = (await run('wg genkey')).trim()
    const [one, two] = [anyKey(), anyKey()]
    const file = `[Interface]\nPrivateKey = ${key}\nListenPort = 7\nFwMark = 0x10\n
[Peer]\nPublicKey = ${one}\nPresharedKey = ${key}\nEndpoint = 192.0.2.1:5\nAllowedIPs = 10.0.0.0/8, fd00::/8\n
[Peer]\nPublicKey = ${two}\nEndpoint = [2001:db8::1]:5\nPersistentKeepalive = 1\n`
    writeFileSync('/tmp/wgc.conf', file)
    await run('wg setconf wgc /tmp/wgc.conf')
    await assertSame(device)
    assert.equal(Buffer.from((await device.get()).privateKey?.bytes ?? []).toString('base64'), key)
  })
})

test('kernel device: each kind of change', async () => {
  await withDevice('wgc', async device => {
    const [a, b] = [anyKey(), anyKey()]
    const both = { [a]: '10.0.0.0/8 10.1.0.0/16 fd00::/8', [b]: '192.168.0.0/16' }
    const cases: [string, DeviceChange, Record<string, string>][] = [
      ['nothing', {}, both],
      ['update only', { peers: [{ publicKey: anyKey(), updateOnly: true, allowedIps: ['10.9.0.0/16'] }] }, both],
      ['remove', { peers: [{ publicKey: a, remove: true }] }, { [b]: both[b] ?? '' }],
      ['replace peers', { replacePeers: true, peers: [{ publicKey: b }] }, { [b]: '(none)' }],
      [
        'replace AllowedIPs',
        { peers: [{ publicKey: a, replaceAllowedIps: true, allowedIps: ['1.0.0.0/8'] }] },
        { ...both, [a]: '1.0.0.0/8' },
      ],
      [
        'an AllowedIP moves',
        { peers: [{ publicKey: b, allowedIps: ['10.0.0.0/8'] }] },
        { [a]: '10.1.0.0/16 fd00::/8', [b]: '10.0.0.0/8 192.168.0.0/16' },
      ],
      [
        'take AllowedIPs, but not those of another peer',
        { peers: [{ publicKey: a, removeAllowedIps: ['10.0.0.0/8', 'fd00::/8', '192.168.0.0/16', '7.0.0.0/8'] }] },
        { ...both, [a]: '10.1.0.0/16' },
      ],
      [
        'add some and take some',
        { peers: [{ publicKey: b, allowedIps: ['1.0.0.0/8'], removeAllowedIps: ['192.168.0.0/16'] }] },
        { ...both, [b]: '1.0.0.0/8' },
      ],
    ]
    for (const [what, change, expected] of cases) {
      const peers = [a, b].map(publicKey => ({ publicKey, allowedIps: (both[publicKey] ?? '').split(' ') }))
      await device.set({ replacePeers: true, peers })
      await device.set(change)
      assert.deepEqual(await allowedIps(), expected, what)
      await assertSame(device)
    }
    await device.set({ privateKey: anySecret(), fwmark: 5, peers: [{ publicKey: a, presharedKey: anySecret() }] })
    await device.set({ privateKey: null, fwmark: 0, peers: [{ publicKey: a, presharedKey: null }] })
    const { privateKey, fwmark, peers } = await device.get()
    assert.deepEqual([privateKey, fwmark, peers.some(peer => peer.presharedKey)], [undefined, 0, false])
    await assertSame(device)
  })
})

const prefixes = (peer: number, count: number) =>
  Array.from({ length: count }, (_, i) =>
    i % 2 ? `fd00:${peer.toString(16)}:${i}::/48` : `10.${peer >> 8}.${peer & 255}.${i}/32`,
  )

test('kernel device: 2,000 peers with 10 AllowedIPs each, and one with 10,000', async () => {
  await withDevice('wgc', async device => {
    const peers: PeerChange[] = Array.from({ length: 2000 }, (_, i) => ({
      publicKey: anyKey(),
      presharedKey: anySecret(),
      endpoint: `192.0.2.1:${i + 1}`,
      allowedIps: prefixes(i, 10),
    }))
    const large = Array.from({ length: 10_000 }, (_, i) => `fc00:${(i + 1).toString(16)}::/32`)
    peers.splice(1000, 0, { publicKey: anyKey(), allowedIps: large })
    await device.set({ privateKey: anySecret(), replacePeers: true, peers })
    const state = await device.get()
    assert.equal(await dumpOf(state), await run('wg show wgc dump'))
    const read = new Map(state.peers.map(peer => [peer.publicKey, peer]))
    assert.equal(state.peers.length, 2001)
    for (const { publicKey, allowedIps = [], endpoint } of peers) {
      const peer = read.get(publicKey)
      assert.deepEqual([[...(peer?.allowedIps ?? [])].sort(), peer?.endpoint], [[...allowedIps].sort(), endpoint])
    }
  })
})

test('kernel device: what cannot be done is said', async () => {
  const links = openLinks()
  await assert.rejects(openKernelDevice('none').get(), { code: 'ERR_PODWIRE_NO_DEVICE' })
  await assert.rejects(openKernelDevice('lo').get(), { code: 'ERR_PODWIRE_NO_DEVICE' })
  await withDevice('wgc', async device => {
    assert.throws(() => links.createWireguard('wgc'), { code: 'ERR_PODWIRE_NAME_IN_USE' })
    await withDevice('wgd', async other => {
      await device.set({ listenPort: 4000 })
      await run('ip link set wgc up')
      await run('ip link set wgd up')
      await assert.rejects(other.set({ listenPort: 4000 }), { code: 'ERR_PODWIRE_PORT_IN_USE', message: /4000/ })
    })
  })
  links.close()
})

test('devices: the kernel has WireGuard, its devices are listed and opened by name, and have their namespace', async () => {
  assert.equal(hasWireguard(), true)
  await run('ip netns add elsewhere')
  const namespacePath = '/run/netns/elsewhere'
  const links = openLinks(namespacePath)
  links.createWireguard('wge')
  await openKernelDevice('wge', { namespacePath }).set({ listenPort: 77 })
  assert.match(await run('ip netns exec elsewhere wg show wge dump'), /\t77\toff\n$/)
  assert.equal((await openKernelDevice('wge', { namespacePath }).get()).listenPort, 77)
  await withDevice('wgz', async () => {
    await withDevice('wga', async () => {
      assert.deepEqual(
        (await listDevices()).map(({ name, backend }) => `${name} ${backend}`),
        ['wgz kernel', 'wga kernel'],
      )
      await (await openDevice('wga')).set({ listenPort: 78 })
      assert.match((await exec(['wg', 'show', 'wga', 'dump'])).stdout, /\t78\t/)
    })
  })
  links.close()
  await run('ip netns delete elsewhere')
})
