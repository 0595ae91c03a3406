// `podwire device status` and the switches, on devices that run: podwire's and another program's.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Lab } from '../../src/lab/lab.ts'
import type { DeviceStatus } from '../../src/wireguard/device-status.ts'
import {
  cli,
  ended,
  endpointOf,
  findWireguardGo,
  makeEnds,
  pingInner,
  podwire,
  startDevice,
  startTunnel,
  withTwoHosts,
} from './tunnel.ts'

const schema = new URL('../../../schema/device-status.json', import.meta.url)
const isValid = new Ajv2020({ strict: true }).compile(JSON.parse(readFileSync(schema, 'utf8')))

async function statusOf(lab: Lab, host: string, ...args: string[]): Promise<string> {
  return (await lab.exec(host, [process.execPath, cli, 'device', 'status', ...args])).stdout
}

async function jsonOf(lab: Lab, host: string, ...args: string[]): Promise<DeviceStatus[]> {
  const document: { devices: DeviceStatus[] } = JSON.parse(await statusOf(lab, host, '--json', ...args))
  assert.ok(isValid(document), JSON.stringify(isValid.errors))
  return document.devices
}

test('device status: what a device does, as text and as JSON by its schema', async () => {
  await withTwoHosts('status', async lab => {
    assert.equal(await statusOf(lab, 'a'), 'No podwire device runs here.\n')
    const ends = makeEnds()
    await startTunnel(lab, ends, [{ peerLines: [`Endpoint = ${endpointOf(ends[1])}`] }, {}])
    await pingInner(lab, ends[0], ends[1])
    await lab.exec('a', ['ip', 'route', 'add', '10.9.0.0/24', 'dev', 'wg0'])
    await lab.exec('a', ['ping', '-c', '1', '-W', '0.2', '10.9.0.1']).catch(() => {}) // to nobody
    const [status, ...others] = await jsonOf(lab, 'a', 'wg0')
    assert.ok(status)
    assert.deepEqual(others, [])
    assert.deepEqual(
      { interface: status.interface, up: status.up, listenPort: status.listenPort, mtuBytes: status.mtuBytes },
      { interface: 'wg0', up: true, listenPort: 51821, mtuBytes: 1420 },
    )
    assert.deepEqual(status.peers, { count: 1, withSession: 1 })
    assert.ok((status.drops.noPeer ?? 0) >= 1)
    assert.ok(status.memory.residentBytes > 10e6 && status.threads >= 1)
    const [other] = await jsonOf(lab, 'b')
    assert.deepEqual(other?.handshakes, { initiationsReceived: 1, initiationsAnswered: 1, cookiesReceived: 0 })
    assert.match(
      await statusOf(lab, 'a'),
      /^wg0\n {2}process {5}\d+, podwire [\s\S]*\n {2}link {8}up, MTU 1420, UDP port 51821\n/,
    )
  })
})

test('device status: what was switched off is off, from options and from the variable, and packets pass', async () => {
  await withTwoHosts('switches', async lab => {
    const ends = makeEnds()
    const program = [...podwire, '--no-gso', '--no-gro', '--threads', '2'] as const
    const variable = ['env', 'PODWIRE_DEVICE_OPTIONS=--no-tso --no-uso --no-coalesce', ...podwire] as const
    await startTunnel(lab, ends, [{ program, peerLines: [`Endpoint = ${endpointOf(ends[1])}`] }, { program: variable }])
    await pingInner(lab, ends[0], ends[1])
    await lab.exec('a', [process.execPath, cli, 'device', '--no-uso', 'wg1']) // a daemon, which the lab ends
    for (const [host, name, expected] of [
      ['a', 'wg0', ['gso', 'gro']],
      ['a', 'wg1', ['uso']],
      ['b', 'wg0', ['tso', 'uso', 'coalesceTcp', 'coalesceUdp']],
    ] as const) {
      const [status] = await jsonOf(lab, host, name)
      const off = Object.entries(status?.offloads ?? {}).filter(([, { state }]) => state === 'off')
      assert.deepEqual(
        off.map(([name]) => name),
        expected,
      )
    }
  })
})

test("device status: a device of another program is told from podwire's", {
  skip: findWireguardGo() === undefined,
}, async () => {
  await withTwoHosts('other', async lab => {
    await startDevice(lab, 'a', findWireguardGo())
    await startDevice(lab, 'a', podwire, 'wg1')
    assert.deepEqual(
      (await jsonOf(lab, 'a')).map(status => status.interface),
      ['wg1'],
    )
    await assert.rejects(statusOf(lab, 'a', 'wg0'), /wg0 is not a podwire device[\s\S]*wg show wg0/)
    await assert.rejects(statusOf(lab, 'a', 'wg2'), /wg2.sock: .*ENOENT/)
  })
})

test('device status: a socket that may not be opened is said, behind what the others say; one left behind is no device', async () => {
  await withTwoHosts('denied', async lab => {
    await startDevice(lab, 'a')
    await startDevice(lab, 'a', podwire, 'wg1')
    const killed = await startDevice(lab, 'a', podwire, 'wg2')
    killed.kill('SIGKILL')
    await ended(killed)
    await lab.exec('a', ['chmod', 'a+rw', '/var/run/wireguard/wg1.sock', '/var/run/wireguard/wg2.sock'])
    const command = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, cli]
    const [tool, ...args] = lab.command('a', [...(command as [string]), 'device', 'status'])
    const { status, stdout, stderr } = spawnSync(tool, args, { encoding: 'utf8' })
    assert.equal(status, 3, stderr)
    assert.match(stdout, /^wg1\n {2}process/)
    assert.doesNotMatch(stdout, /wg[02]/)
    assert.match(stderr, /wg0\.sock needs root[\s\S]*ERR_PODWIRE_NEEDS_ROOT/)
  })
})
