import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressAt, claimsOf, places, prefixesAt, simulatedNode } from '../../../bench/control/nodes.ts'
import { drawControl } from '../../../bench/control/pictures.ts'
import { formatControl } from '../../../bench/control/report.ts'
import { addSample, type Conditions, resultOf, type Samples } from '../../../bench/control/result.ts'
import { parsePrefix } from '../../../src/base/cidr.ts'
import { formatNodeRecord, parseNodeRecord } from '../../../src/model/node-record.ts'

const conditions: Conditions = {
  date: '2026-01-02',
  kernel: '6.1',
  cpu: 'a processor',
  cores: 2,
  node: 'v20',
  store: 'etcd 3.4',
  backend: 'userspace',
  mtu: 1500,
  rounds: { coldStarts: 1, changes: 2, joins: 3 },
  restSeconds: 4,
  outageSeconds: 5,
  lossSeconds: 6,
  packetsPerSecond: 500,
}

const rows: [name: string, samples: Samples, row: string][] = [
  [
    'a goal that is reached stands at its number of nodes only, and a median is not the mean',
    { changeCpuMs: { 100: [9], 5000: [1, 1.96, 30] } },
    '| One record changes: CPU of the agent, median (ms) | 2 ms at 5,000 | 9.0 | 2.0 ✓ |',
  ],
  [
    'a goal that is missed by the slowest of few',
    { joinMs: { 10: [700], 1000: [40, 501, 50] } },
    '| A node joins: from its record to the first answer to a peer, 99th percentile (ms) | 500 ms at 1,000 | 700 | 501 ✗ |',
  ],
  [
    'two goals, and what was not measured',
    { residentMb: { 100: [71], 5000: [110] }, peakMb: { 1000: [100] } },
    '| Resident memory of the agent, at rest (MB) | 70 MB at 100, 120 MB at 5,000 | 71.0 ✗ | - | 110.0 ✓ |',
  ],
  [
    'one goal for every number of nodes, and a single packet misses it',
    { lostOnFlap: { 100: [0], 1000: [0, 1] } },
    '| Packets lost: half of the nodes flap | 0 | 0 ✓ | 1 ✗ |',
  ],
]
for (const [name, samples, row] of rows) {
  test(`report of the control bench: ${name}`, () => {
    const lines = formatControl(resultOf(samples, conditions)).split('\n')
    assert.ok(lines.includes(row), lines.join('\n'))
  })
}

test('report of the control bench: says what each import takes, and its conditions', () => {
  const imports = [
    { module: 'Node.js', mb: 41 },
    { module: 'pino', mb: 1.25 },
  ]
  const report = formatControl(resultOf({ peakMb: { 10: [1] } }, conditions, imports))
  assert.match(report, /\| pino \| 1\.3 \|\n\| together \| 42\.3 \|/)
  assert.match(
    report,
    /a real store \(etcd 3\.4\).* 2026-01-02: Linux 6\.1, 2 cores of a processor, link MTU 1500; Node\.js v20\./s,
  )
})

test('samples of the control bench: each number of nodes has its own, and the result lists them in order', () => {
  const samples: Samples = {}
  for (const [nodes, value] of [
    [5000, 1],
    [10, 2],
    [5000, 3],
  ] as const) {
    addSample(samples, 'changeMs', nodes, value)
  }
  assert.deepEqual(samples, { changeMs: { 10: [2], 5000: [1, 3] } })
  assert.deepEqual(resultOf(samples, conditions).nodes, [10, 5000])
})

test('pictures of the control bench: have a curve over the numbers of nodes, and a bar for each', () => {
  const samples: Samples = {
    joinMs: { 10: [20], 5000: [80] },
    changeMs: { 10: [5], 5000: [9] },
    coldStartMs: { 10: [300], 5000: [4000] },
    residentMb: { 10: [61.5], 5000: [99] },
    peakMb: { 10: [62], 5000: [119] },
  }
  const { convergence = '', memory = '' } = drawControl(resultOf(samples, conditions))
  assert.equal(convergence.match(/<polyline /g)?.length, 6)
  assert.match(memory, />10 nodes<.*>61\.5<.*>5,000 nodes</s)
  for (const svg of [convergence, memory]) assert.doesNotMatch(svg, /NaN|Infinity/)
})

test('simulated nodes: their records are what a store takes, and no two of any kind share a prefix', () => {
  const node = simulatedNode(4_997)
  assert.deepEqual(parseNodeRecord(formatNodeRecord(node), 'n'), node)
  assert.notEqual(node.publicKey, simulatedNode(4_997).publicKey)
  const all = [places.real, places.simulated, places.simulated + 4_999, places.more, places.more + 99, places.joining]
  const prefixes = [...all, places.joining + 300].flatMap(prefixesAt)
  assert.equal(new Set(prefixes).size, prefixes.length)
  for (const prefix of prefixes) parsePrefix(prefix, 'test')
  assert.equal(prefixesAt(0x1234).join(), '10.82.52.0/24,fd99:5eed:cafe:1234::/64')
  assert.equal(addressAt(0x1234), '10.82.52.1')
  assert.deepEqual(
    claimsOf('n1', 1).map(({ prefix, node }) => `${node} ${prefix}`),
    ['n1 10.64.1.0/24', 'n1 fd99:5eed:cafe:1::/64'],
  )
})
