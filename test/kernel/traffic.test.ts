// podwire's userspace device and the kernel's WireGuard, each in a namespace: traffic both ways, and through rekeys.
//
//   kernel: wgk 10.8.0.1, 192.0.2.1 ──veth── 192.0.2.2, wgu 10.8.0.2 :userspace
//
// The machine's clock runs ahead while nothing computes (scripts/test-kernel.mjs), so that WireGuard's two minutes are soon over.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { formatPublicKey, type PublicKey } from '../../src/base/key.ts'
import { Secret } from '../../src/base/secret.ts'
import type { Device, PeerChange, PeerState } from '../../src/model/device.ts'
import { openLinks } from '../../src/native/link.ts'
import { publicKeyBytesOf } from '../../src/native/x25519.ts'
import { listDevices, openDevice } from '../../src/wireguard/devices.ts'
import { openKernelDevice } from '../../src/wireguard/kernel-device.ts'
import { until } from '../lab/until.ts'
import { run } from './machine.ts'

interface End {
  readonly device: Device
  readonly key: Secret
  readonly publicKey: PublicKey
  /** What the other end says to reach this one. */
  readonly asPeer: PeerChange
}

const presharedKey = new Secret(randomBytes(32))
let kernel: End
let userspace: End
let daemon: ReturnType<typeof spawn>

function end(device: Device, address: string, number: number): End {
  const key = new Secret(randomBytes(32))
  const publicKey = formatPublicKey(publicKeyBytesOf(key.bytes))
  const asPeer = { publicKey, presharedKey, endpoint: `${address}:7`, allowedIps: [`10.8.0.${number}/32`] }
  return { device, key, publicKey, asPeer }
}

before(async () => {
  for (const [name, number] of [
    ['kernel', 1],
    ['userspace', 2],
  ] as const) {
    await run(`ip netns add ${name}`)
    if (number === 2) await run('ip link add eth0 netns kernel type veth peer name eth0 netns userspace')
    await run(`ip -n ${name} link set lo up`)
  }
  const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
  const command = ['netns', 'exec', 'userspace', process.execPath, main, 'device', '--foreground', 'wgu']
  daemon = spawn('ip', command, { stdio: ['ignore', 2, 2] })
  const namespacePath = '/run/netns/kernel'
  const links = openLinks(namespacePath)
  links.createWireguard('wgk')
  links.close()
  await until(
    'the userspace device is listed',
    async () => (await listDevices()).some(({ name }) => name === 'wgu'),
    120,
  )
  kernel = end(openKernelDevice('wgk', { namespacePath }), '192.0.2.1', 1)
  userspace = end(await openDevice('wgu'), '192.0.2.2', 2)
  for (const [name, number, link, own, other] of [
    ['kernel', 1, 'wgk', kernel, userspace],
    ['userspace', 2, 'wgu', userspace, kernel],
  ] as const) {
    await own.device.set({ privateKey: own.key, listenPort: 7, peers: [other.asPeer] })
    await run(`ip -n ${name} address add 192.0.2.${number}/24 dev eth0`)
    await run(`ip -n ${name} link set eth0 up`)
    await run(`ip -n ${name} address add 10.8.0.${number}/24 dev ${link}`)
    await run(`ip -n ${name} link set ${link} mtu 1420 up`)
  }
})

after(async () => {
  daemon?.kill()
  await run('ip netns delete kernel')
  await run('ip netns delete userspace')
})

/** Pings the other end; none may be lost. */
async function ping(from: 'kernel' | 'userspace', count = 3): Promise<void> {
  const to = from === 'kernel' ? '10.8.0.2' : '10.8.0.1'
  const output = await run(`ip netns exec ${from} ping -c ${count} -W 10 ${to}`)
  assert.match(output, new RegExp(`${count} packets transmitted, ${count} (packets )?received, 0% packet loss`))
}

async function peerOf({ device }: End): Promise<PeerState> {
  const [peer] = (await device.get()).peers
  assert.ok(peer)
  return peer
}

/** When each end last completed a handshake. */
const handshakes = async () => [
  (await peerOf(kernel)).lastHandshakeMs ?? 0,
  (await peerOf(userspace)).lastHandshakeMs ?? 0,
]

const names = ['kernel', 'userspace'] as const

for (const from of names) {
  test(`traffic: ${from} begins a session, and both send`, async () => {
    // A peer that is removed and added again has no session; its other end has one that nobody answers until the handshake.
    for (const [own, other] of [
      [kernel, userspace],
      [userspace, kernel],
    ] as const) {
      await own.device.set({ replacePeers: true, peers: [other.asPeer] })
    }
    assert.deepEqual(await handshakes(), [0, 0])
    await ping(from)
    for (const name of names) await ping(name)
    assert.ok((await handshakes()).every(ms => ms > 0))
    const [inKernel, inUserspace] = [await peerOf(kernel), await peerOf(userspace)]
    assert.ok(inKernel.rxBytes > 0n && inKernel.txBytes > 0n && inUserspace.rxBytes > 0n && inUserspace.txBytes > 0n)
  })
}

for (const from of names) {
  test(`traffic: TCP from ${from}, whole`, async () => {
    const [to, address] = from === 'kernel' ? ['userspace', '10.8.0.2'] : ['kernel', '10.8.0.1']
    writeFileSync('/tmp/sent', randomBytes(1_000_000))
    const server = spawn('ip', ['netns', 'exec', to, 'sh', '-c', 'nc -l -p 9000 >/tmp/received'])
    const ended = once(server, 'exit', { signal: AbortSignal.timeout(300_000) })
    await until(
      'the server listens',
      async () => (await run(`ip netns exec ${to} netstat -ltn`)).includes(':9000 '),
      60,
    )
    const client = spawn('ip', ['netns', 'exec', from, 'sh', '-c', `nc ${address} 9000 </tmp/sent`])
    await Promise.all([ended, once(client, 'exit', { signal: AbortSignal.timeout(300_000) })])
    await run('cmp /tmp/sent /tmp/received')
  })
}

test('traffic: a new private key ends the session, and the next packet makes another', async () => {
  const before = await handshakes()
  const key = new Secret(randomBytes(32))
  const publicKey = formatPublicKey(publicKeyBytesOf(key.bytes))
  await kernel.device.set({ privateKey: key })
  await userspace.device.set({ replacePeers: true, peers: [{ ...kernel.asPeer, publicKey }] })
  await ping('userspace')
  await ping('kernel')
  assert.ok((await handshakes()).every((ms, i) => ms > (before[i] ?? 0)))
})

for (const from of names) {
  test(`traffic: ${from} renews its session after 120 s, and no packet is lost`, async () => {
    for (const [own, other] of [
      [kernel, userspace],
      [userspace, kernel],
    ] as const) {
      const key = (await own.device.get()).privateKey?.bytes ?? new Uint8Array(32)
      const publicKey = formatPublicKey(publicKeyBytesOf(key))
      const { publicKey: _, ...peer } = own.asPeer
      await other.device.set({ replacePeers: true, peers: [{ ...peer, publicKey }] })
    }
    await ping(from, 1)
    const first = await handshakes()
    await ping(from, 130)
    const second = await handshakes()
    for (const [i, ms] of second.entries()) {
      const seconds = (ms - (first[i] ?? 0)) / 1000
      assert.ok(seconds >= 119, `a handshake ${seconds} s after the first`)
    }
  })
}
