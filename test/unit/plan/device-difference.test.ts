// Every way from one device of a list to another, carried out on a device that is a map: at once, in two halves, and back again.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPublicKey } from '../../../src/base/key.ts'
import { Secret } from '../../../src/base/secret.ts'
import type { DeviceChange } from '../../../src/model/device.ts'
import {
  type DeviceSettings,
  deviceDifference,
  mergePeers,
  type PeerSettings,
  wholeDifference,
  widenedDevice,
} from '../../../src/plan/device-difference.ts'

const key = (n: number) => formatPublicKey(new Uint8Array(32).fill(n))
const secret = (n: number) => new Secret(new Uint8Array(32).fill(n))
const peer = (n: number, allowedIps: string[], more: Partial<PeerSettings> = {}): PeerSettings => ({
  publicKey: key(n),
  endpoint: '192.0.2.1:1', // one that is not said stays
  allowedIps,
  ...more,
})

const devices: Record<string, DeviceSettings> = {
  'nothing in it': { privateKey: null, listenPort: 1, fwmark: 0, peers: [] },
  'two peers': {
    privateKey: secret(1),
    listenPort: 1,
    fwmark: 0,
    peers: [peer(1, ['10.1.0.0/16', '10.2.0.0/16']), peer(2, ['10.3.0.0/16'])],
  },
  'a prefix at the other, and one less': {
    privateKey: secret(2),
    listenPort: 2,
    fwmark: 7,
    peers: [peer(2, ['10.3.0.0/16', '10.1.0.0/16']), peer(1, [])],
  },
  'one peer has all': {
    privateKey: secret(1),
    listenPort: 1,
    fwmark: 7,
    peers: [peer(3, ['10.1.0.0/16', '10.2.0.0/16', '10.3.0.0/16', 'fd01::/64'])],
  },
  'other settings of a peer': {
    privateKey: secret(1),
    listenPort: 1,
    fwmark: 0,
    peers: [
      peer(1, ['10.1.0.0/16'], { presharedKey: secret(5), endpoint: '192.0.2.2:2', persistentKeepaliveSeconds: 25 }),
      peer(2, ['10.2.0.0/16'], { presharedKey: secret(0) }),
    ],
  },
}

/** As a device does it: peers in the order told, a prefix with one peer. */
function carriedOut(device: DeviceSettings, ...changes: (DeviceChange | undefined)[]): DeviceSettings {
  let { peers, ...own } = device
  for (const { peers: told = [], ...change } of changes.map(change => change ?? {})) {
    own = { ...own, ...change }
    for (const one of told) {
      const old = peers.find(({ publicKey }) => publicKey === one.publicKey)
      const others = peers.filter(other => other !== old)
      if (one.remove || (one.updateOnly && old === undefined)) {
        peers = others
        continue
      }
      const { publicKey, presharedKey, endpoint, persistentKeepaliveSeconds, allowedIps = [] } = one
      const kept = one.replaceAllowedIps ? [] : (old?.allowedIps ?? [])
      const gone = new Set([...(one.removeAllowedIps ?? []), ...allowedIps])
      peers = others.map(other => ({ ...other, allowedIps: other.allowedIps.filter(ip => !allowedIps.includes(ip)) }))
      const { presharedKey: had, ...rest } = old ?? { publicKey, allowedIps: [] }
      const psk = presharedKey === undefined ? had : (presharedKey ?? undefined)
      const now = {
        ...rest,
        ...(psk !== undefined && { presharedKey: psk }),
        ...(endpoint !== undefined && { endpoint }),
        ...(persistentKeepaliveSeconds !== undefined && { persistentKeepaliveSeconds }),
        allowedIps: [...kept.filter(ip => !gone.has(ip)), ...allowedIps],
      }
      peers = [...peers, now]
    }
  }
  return { ...own, peers }
}

/** In one order, and with bytes for secrets; none is zeroes. */
function plain({ privateKey, peers, ...own }: DeviceSettings): object {
  const bytes = (one: Secret | null | undefined) => Buffer.from(one?.bytes ?? new Uint8Array(32)).toString('hex')
  const sorted = [...peers].sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1))
  return {
    ...own,
    privateKey: bytes(privateKey),
    peers: sorted.map(({ presharedKey, persistentKeepaliveSeconds = 0, allowedIps, ...rest }) => ({
      ...rest,
      presharedKey: bytes(presharedKey),
      persistentKeepaliveSeconds,
      allowedIps: [...allowedIps].sort(),
    })),
  }
}

for (const [fromName, from] of Object.entries(devices)) {
  for (const [toName, to] of Object.entries(devices)) {
    test(`device difference: from ${fromName} to ${toName}, and back`, () => {
      const { add, remove } = deviceDifference(from, to)
      const widened = widenedDevice(from, to)
      const same = (device: DeviceSettings, wanted: DeviceSettings, what: string) =>
        assert.deepEqual(plain(device), plain(wanted), what)
      same(carriedOut(from, wholeDifference(from, to)), to, 'at once')
      const between = carriedOut(from, add)
      same(between, widened, 'add')
      same(carriedOut(between, remove), to, 'remove')
      same(carriedOut(between, wholeDifference(widened, from)), from, 'add, and back')
      const back = [wholeDifference(to, widened), wholeDifference(widened, from)]
      same(carriedOut(from, add, remove, ...back), from, 'add and remove, and back')
      if (from === to) assert.deepEqual([add, remove], [undefined, undefined])
    })
  }
}

test('device difference: a preshared key of zeroes is none', () => {
  const [said, has] = [peer(1, [], { presharedKey: secret(0) }), peer(1, [])].map(one => ({ peers: [one] }))
  assert.ok(said !== undefined && has !== undefined)
  assert.deepEqual(deviceDifference(has, said), { add: undefined, remove: undefined })
  assert.deepEqual(wholeDifference(has, said), { peers: [] })
})

test('device difference: sections of one peer are one, and the last one that says a prefix has it', () => {
  const sections = [peer(1, ['10.1.0.0/16']), peer(2, ['10.1.0.0/16', '10.2.0.0/16']), peer(1, ['10.1.0.0/16'])]
  assert.deepEqual(
    mergePeers(sections).map(({ publicKey, allowedIps }) => [publicKey, allowedIps]),
    [
      [key(2), ['10.2.0.0/16']],
      [key(1), ['10.1.0.0/16']],
    ],
  )
})
