import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  formatSettings,
  nodePaths,
  parseDeviceName,
  parseSettings,
  type Settings,
} from '../../../src/agent/settings.ts'

const settings: Settings = {
  network: 'prod',
  store: 'server:https://192.0.2.1:7443',
  access: { pin: 'x', identityFile: '/var/lib/podwire/prod/identity.key' },
  name: 'a',
  device: 'podwire0',
  backend: 'auto',
  listenPort: 51820,
  endpoints: ['198.51.100.7:51820', '[2001:db8::7]:51820'],
}

test('settings: what is written is read again', () => {
  assert.deepEqual(parseSettings(formatSettings(settings), 'f'), settings)
})

const wrong: [change: Record<string, unknown>, says: RegExp][] = [
  [{ network: '../x' }, /f: network: "\.\.\/x" cannot be used/],
  [{ name: '' }, /f: name: "" cannot be used/],
  [{ store: 7 }, /f: store: expected a string/],
  [{ access: { password: 'x' } }, /f: access\.password: there is no such key/],
  [{ access: { user: 1 } }, /f: access\.user: expected a string/],
  [{ device: 'pw0' }, /f: device: "pw0" cannot be used/],
  [{ backend: 'any' }, /f: backend: expected one of auto, kernel, userspace/],
  [{ listenPort: 0 }, /f: listenPort: expected a whole number from 1 to 65535/],
  [{ endpoints: ['here:1'] }, /endpoints\[0\]/],
  [{ more: 1 }, /f: more: there is no such key/],
  [{ name: undefined }, /the key "name" is missing/],
]
for (const [change, says] of wrong) {
  test(`settings: ${JSON.stringify(change)} is refused with its place`, () => {
    const text = JSON.stringify({ ...settings, ...change })
    assert.throws(() => parseSettings(text, 'f'), says)
  })
}

test('settings: an interface has a name that the kernel takes, and none of a container', () => {
  for (const text of ['', 'pw0', 'pwa', 'sixteencharacter', 'a/b', 'a b']) {
    assert.throws(() => parseDeviceName(text, '--device'), /ERR_PODWIRE_NAME|cannot be used/)
  }
  assert.equal(parseDeviceName('podwire0', '--device'), 'podwire0')
})

test('settings: PODWIRE_ROOT puts everything below one folder', () => {
  const before = process.env.PODWIRE_ROOT
  try {
    process.env.PODWIRE_ROOT = '/tmp/x'
    assert.deepEqual(Object.values(nodePaths('prod')), [
      '/tmp/x/etc/podwire/prod.json',
      '/tmp/x/var/lib/podwire/prod',
      '/tmp/x/var/lib/podwire/prod/view.json',
      '/tmp/x/run/podwire/prod.sock',
    ])
    delete process.env.PODWIRE_ROOT
    assert.equal(nodePaths('prod').settingsFile, '/etc/podwire/prod.json')
  } finally {
    if (before !== undefined) process.env.PODWIRE_ROOT = before
  }
})
