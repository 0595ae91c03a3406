import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentReport } from '../../../src/agent/agent-report.ts'
import { parseHealthAddress } from '../../../src/agent/health.ts'
import type { PeerState } from '../../../src/model/device.ts'
import { testNetwork, testRecord } from '../store/conformance.ts'

const nowMs = 1_700_000_000_000

function peer(letter: string, lastHandshakeMs?: number): PeerState {
  const { publicKey } = testRecord(letter)
  const counters = { txBytes: 0n, rxBytes: 0n, persistentKeepaliveSeconds: 0, allowedIps: [] }
  return { publicKey, ...counters, ...(lastHandshakeMs !== undefined && { lastHandshakeMs }) }
}

function reportOf(peers: () => Promise<readonly PeerState[]>): AgentReport {
  const links = { links: () => [{ index: 2, name: 'podwire0', mtuBytes: 1420, up: true }], close() {} }
  const device = { get: async () => ({ listenPort: 1, fwmark: 0, peers: await peers() }) }
  const record = { ...testRecord('a'), prefixes: ['10.99.1.0/24'] }
  const nodes = new Map(
    [record, testRecord('b'), { ...testRecord('c'), prefixes: ['10.0.0.0/24'] }].map(n => [n.name, n]),
  )
  const claims = new Map([['10.99.1.0/24', { prefix: '10.99.1.0/24', node: 'a', sinceMs: 1 }]])
  const view = { network: testNetwork, nodes, claims, removals: new Map() }
  const store = { address: 'file:/x', view, sync: { state: 'inSync', since: 'x' } as const, unreadable: [] }
  return new AgentReport({
    node: 'a',
    deviceName: 'podwire0',
    store,
    open: () => ({ device, links }),
    nowMs: () => nowMs,
  })
}

test('agent report: counts nodes that hold and peers that have a session, and says why others are left out', async () => {
  const peers = [peer('b', nowMs - 179_000), peer('d', nowMs - 181_000), peer('e')]
  const status = await reportOf(async () => peers).status()
  assert.deepEqual(status.peers, { nodes: 1, count: 3, withSession: 1 })
  assert.deepEqual(status.device, { name: 'podwire0', mtuBytes: 1420, up: true })
  assert.deepEqual(status.prefixes, ['10.99.1.0/24'])
  assert.deepEqual(
    status.problems.map(({ node }) => node),
    ['c'],
  )
  assert.deepEqual(status.round, {})
})

test('agent report: a device that does not answer is a part of the answer', async () => {
  const status = await reportOf(() => Promise.reject(new Error('no socket'))).status()
  assert.deepEqual(status.device, { name: 'podwire0', problem: 'no socket' })
})

test('agent report: ready after a round, not after one that failed; not healthy while one hangs', async () => {
  const report = reportOf(async () => [])
  assert.match(report.whyNotReady() ?? '', /nothing is applied yet/)
  await report.aroundRound(async () => {})
  assert.equal(report.whyNotReady(), undefined)
  await assert.rejects(report.aroundRound(() => Promise.reject(new Error('no route'))))
  assert.match(report.whyNotReady() ?? '', /no route/)
  assert.match((await report.status()).round.failure ?? '', /no route/)
  let end = () => {}
  const running = report.aroundRound(
    () =>
      new Promise<void>(resolve => {
        end = resolve
      }),
  )
  assert.equal(report.whyNotHealthy(performance.now() + 100_000), undefined)
  assert.match(report.whyNotHealthy(performance.now() + 130_000) ?? '', /not over after 1[23]\d s/)
  end()
  await running
  assert.equal(report.whyNotHealthy(performance.now() + 130_000), undefined)
})

for (const [text, host, port] of [
  ['9820', '127.0.0.1', 9820],
  ['10.0.0.1:80', '10.0.0.1', 80],
  ['[::]:80', '::', 80],
] as const) {
  test(`health: ${text} is ${host}, port ${port}`, () => {
    assert.deepEqual(parseHealthAddress(text), { host, port })
  })
}
for (const text of ['', 'localhost:80', ':80', '::1:80', '70000', '1.2.3.4', '[::1]']) {
  test(`health: "${text}" is refused`, () => {
    assert.throws(() => parseHealthAddress(text), { code: 'ERR_PODWIRE_VALUE' })
  })
}
