// What a node answers beside the tunnel, and what it does not: questions that others make up, change or copy; and a node behind a
// NAT, which asks and is asked back.

import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { formatSecretKey } from '../../src/base/key.ts'
import { type Lab, startLab } from '../../src/lab/lab.ts'
import { generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { assertNothingLeft, machineLinks } from './leftovers.ts'
import { until } from './until.ts'

const limit = { timeout: 180_000 }
const program = fileURLToPath(new URL('./path-probe-host.js', import.meta.url))
const asker = fileURLToPath(new URL('./path-asker.js', import.meta.url))

interface Probe {
  readonly child: ChildProcess
  readonly mtus: number[]
}

async function startProbe(lab: Lab, host: string, options: Record<string, unknown>): Promise<Probe> {
  const stdio = ['pipe', 'pipe', 'inherit'] as const
  const child = lab.spawn(host, [process.execPath, program, JSON.stringify(options)], { stdio: [...stdio] })
  const probe = { child, mtus: [] as number[], ready: false }
  assert.ok(child.stdout)
  createInterface(child.stdout).on('line', line => {
    if (line === 'ready') probe.ready = true
    else probe.mtus.push(JSON.parse(line).mtuBytes)
  })
  await until('the probe runs', () => probe.ready)
  return probe
}

async function withHosts(name: string, nat: boolean, run: (lab: Lab) => Promise<void>): Promise<void> {
  const linksBefore = machineLinks()
  const lab = await startLab({
    name: `${name}-${process.pid}`,
    networks: { left: {}, right: {} },
    hosts: {
      a: { networks: [{ network: 'left', addresses: ['10.1.0.1/24'] }], gateways: ['10.1.0.9'] },
      r: {
        networks: [
          { network: 'left', addresses: ['10.1.0.9/24'] },
          { network: 'right', addresses: ['203.0.113.9/24'] },
        ],
        forward: true,
        ...(nat && { nat: { kind: 'symmetric', towards: 'right' } as const }),
      },
      b: { networks: [{ network: 'right', addresses: ['203.0.113.1/24'] }], gateways: ['203.0.113.9'] },
    },
  })
  try {
    await run(lab)
  } finally {
    await lab.stop()
    assertNothingLeft(lab.name, linksBefore)
  }
}

test('path probe: through a NAT both ways are found, and no way is longer than it is', limit, async () => {
  await withHosts('probenat', true, async lab => {
    await lab.exec('r', ['ip', 'link', 'set', 'left', 'mtu', '1400'])
    const [a, b] = [generatePrivateKey(), generatePrivateKey()]
    // The NAT gave the tunnel a port that says nothing of the probe's.
    const inside = { key: formatSecretKey(a), peer: publicKeyOf(b), endpoint: '203.0.113.1:51820', listenPort: 51820 }
    const outside = { key: formatSecretKey(b), peer: publicKeyOf(a), endpoint: '203.0.113.9:40000', listenPort: 51820 }
    const probes = [await startProbe(lab, 'b', outside), await startProbe(lab, 'a', inside)]
    // From a, 1500 leave and the router takes 1500; to a, its link takes 1400.
    await until('b has found it', () => probes[0]?.mtus.at(-1) === 1328, 40)
    await until('a has found it', () => probes[1]?.mtus.at(-1) === 1420, 40)
  })
})

test('path probe: what was made up, changed, cut or copied is not answered', limit, async () => {
  await withHosts('probelie', false, async lab => {
    const [a, b] = [generatePrivateKey(), generatePrivateKey()]
    const answerer = { key: formatSecretKey(b), peer: publicKeyOf(a), endpoint: '10.1.0.1:51820', listenPort: 51820 }
    await startProbe(lab, 'b', answerer)
    const keys = { key: formatSecretKey(a), peer: publicKeyOf(b) }
    const ask = async (kind: string, patienceMs = 20_000) => {
      const options = JSON.stringify({ ...keys, kind, patienceMs })
      return JSON.parse((await lab.exec('a', [process.execPath, asker, options])).stdout)
    }
    assert.deepEqual(await ask('true'), [28])
    for (const kind of ['stranger', 'changed', 'cut', 'old', 'answer', 'noise'])
      assert.deepEqual(await ask(kind), [], kind)
    assert.deepEqual(await ask('true'), [28])
    // The same from an address that no peer has.
    await lab.exec('a', ['ip', 'address', 'add', '10.1.0.7/24', 'dev', 'left'])
    await lab.exec('a', ['ip', 'route', 'replace', 'default', 'via', '10.1.0.9', 'src', '10.1.0.7'])
    assert.deepEqual(await ask('true', 1000), [])
  })
})
