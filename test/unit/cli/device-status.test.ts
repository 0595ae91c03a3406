import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { statusText } from '../../../src/cli/device-status.ts'
import { offloadNames } from '../../../src/native/engine-status.ts'
import type { DeviceStatus } from '../../../src/wireguard/device-status.ts'

const file = new URL('../../../../schema/device-status.json', import.meta.url)
const isValid = new Ajv2020({ strict: true }).compile(JSON.parse(readFileSync(file, 'utf8')))

const on = { state: 'on' } as const
const status: DeviceStatus = {
  interface: 'wg0',
  version: '0.1.0',
  pid: 4711,
  uptimeSeconds: 3725,
  up: true,
  mtuBytes: 1420,
  listenPort: 51820,
  peers: { count: 3, withSession: 2 },
  aead: 'ring',
  threads: 2,
  memory: { residentBytes: 61_000_000, engineBytes: 4_200_000 },
  offloads: {
    tso: on,
    uso: { state: 'unsupported', reason: 'the kernel is older than 6.2' },
    gso: { state: 'off' },
    gro: on,
    coalesceTcp: on,
    coalesceUdp: { state: 'failed', reason: 'EINVAL' },
  },
  handshakes: { initiationsReceived: 12, initiationsAnswered: 11, cookiesReceived: 0 },
  drops: { noPeer: 120, replay: 1 },
}

test('device status: as text', () => {
  assert.equal(
    statusText(status),
    `wg0
  process     4711, podwire 0.1.0, for 1 h 2 min
  link        up, MTU 1420, UDP port 51820
  peers       3, 2 with a session
  handshakes  initiations received  12
              initiations answered  11
              cookies received      0
  packets     2 threads, sealed by ring
  memory      61.0 MB, of which the engine 4.2 MB
  offloads    tso          on
              uso          unsupported: the kernel is older than 6.2
              gso          off
              gro          on
              coalesceTcp  on
              coalesceUdp  failed: EINVAL
  dropped     noPeer  120
              replay  1`,
  )
})

for (const [seconds, says] of [
  [0, '0 s'],
  [61, '1 min 1 s'],
  [3600, '1 h 0 min'],
  [180_000, '2 d 2 h'],
] as const) {
  test(`device status: ${seconds} s are said as ${says}; nothing dropped, no port, down`, () => {
    const text = statusText({ ...status, uptimeSeconds: seconds, up: false, listenPort: 0, threads: 1, drops: {} })
    assert.match(text, new RegExp(`for ${says}\\n  link        down, MTU 1420, UDP port none yet\\n`))
    assert.match(text, /1 thread, [\s\S]*\n {2}dropped {5}nothing$/)
  })
}

test('device status: the schema has what a status has, and nothing else', () => {
  assert.ok(isValid({ devices: [status, status] }), JSON.stringify(isValid.errors))
  assert.ok(isValid({ devices: [] }))
  for (const key of Object.keys(status)) {
    assert.ok(!isValid({ devices: [{ ...status, [key]: undefined }] }), key)
  }
  for (const name of offloadNames) {
    const offloads = { ...status.offloads, [name]: { state: 'maybe' } }
    assert.ok(!isValid({ devices: [{ ...status, offloads }] }), name)
  }
  assert.ok(!isValid({ devices: [{ ...status, more: 1 }] }))
  assert.ok(!isValid([status]))
})
