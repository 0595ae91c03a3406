// Which devices there are, and which backend a name leads to. What the kernel's own devices do is tested by `npm run test:kernel`.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { formatPublicKey } from '../../../src/base/key.ts'
import { openLinks } from '../../../src/native/link.ts'
import { hasWireguard } from '../../../src/native/wireguard-link.ts'
import { listDevices, openDevice } from '../../../src/wireguard/devices.ts'
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

test('devices: a name without a device is refused, and one without a socket is not listed', async () => {
  if (!hasWireguard()) await assert.rejects(openDevice('podwire-none'), { code: 'ERR_PODWIRE_NO_DEVICE' })
  assert.ok((await listDevices()).every(({ name }) => name !== 'podwire-none'))
})

test('links: a WireGuard device is created, or refused with the reason', () => {
  const links = openLinks()
  assert.throws(
    () => links.createWireguard('lo'),
    ({ code }) =>
      ['ERR_PODWIRE_NAME_IN_USE', 'ERR_PODWIRE_NO_KERNEL_WIREGUARD', 'ERR_PODWIRE_NEEDS_ROOT'].includes(code),
  )
  links.close()
})
