// Which devices there are, and which backend a name leads to. What the kernel's own devices do is tested by `npm run test:kernel`.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { formatPublicKey } from '../../../src/base/key.ts'
import type { DeviceChange } from '../../../src/model/device.ts'
import { hasWireguard } from '../../../src/native/wireguard-link.ts'
import { openDevice } from '../../../src/wireguard/devices.ts'
import { openKernelDevice } from '../../../src/wireguard/kernel-device.ts'

const publicKey = formatPublicKey(randomBytes(32))

test('kernel device: what is not there is said by its name, or that the kernel has none', async () => {
  const code = hasWireguard() ? 'ERR_PODWIRE_NO_DEVICE' : 'ERR_PODWIRE_NO_KERNEL_WIREGUARD'
  await assert.rejects(openKernelDevice('podwire-none').get(), { code })
  await assert.rejects(openKernelDevice('podwire-none').set({ listenPort: 1 }), { code })
  await assert.rejects(openKernelDevice('wg0', { namespacePath: '/run/netns/podwire-none' }).get(), {
    code: 'ERR_PODWIRE_SYSTEM',
    message: /namespace \/run\/netns\/podwire-none: No such file/,
  })
})

test('kernel device: what cannot be written is refused before anything is sent', async () => {
  const device = openKernelDevice('podwire-none')
  const cases: [object, string][] = [
    [{ endpoint: 'nonsense' }, 'ERR_PODWIRE_ENDPOINT'],
    [{ endpoint: '[fe80::1%podwire-none]:7' }, 'ERR_PODWIRE_ENDPOINT'],
    [{ allowedIps: ['10.0.0.0'] }, 'ERR_PODWIRE_SYSTEM'],
  ]
  for (const [peer, code] of cases) await assert.rejects(device.set({ peers: [{ publicKey, ...peer }] }), { code })
})

test('kernel device: a number that the kernel has no room for is refused, not cut', async () => {
  const device = openKernelDevice('podwire-none')
  const cases: [DeviceChange, RegExp][] = [
    [{ listenPort: 70_000 }, /^the listen port: "70000": expected a whole number from 0 to 65535$/],
    [{ listenPort: -1 }, /"-1"/],
    [{ listenPort: 1.5 }, /"1.5"/],
    [{ listenPort: Number.NaN }, /"NaN"/],
    [{ listenPort: Number.POSITIVE_INFINITY }, /"inf"/],
    [{ listenPort: 1e9 }, /"1000000000"/],
    [{ fwmark: 2 ** 32 }, /^the mark: "4294967296": .* 4294967295$/],
    [{ peers: [{ publicKey, persistentKeepaliveSeconds: 65_536 }] }, /^the persistent keepalive: "65536"/],
  ]
  for (const [change, message] of cases) {
    await assert.rejects(device.set(change), { code: 'ERR_PODWIRE_VALUE', message })
  }
})

test('devices: a name without a device is refused', async () => {
  // Where the kernel has WireGuard, it is the kernel that says so, when the device is asked.
  await assert.rejects(async () => (await openDevice('podwire-none')).get(), { code: 'ERR_PODWIRE_NO_DEVICE' })
})
