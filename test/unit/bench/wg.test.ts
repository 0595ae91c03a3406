import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatWg, type WgResult } from '../../../bench/wg.ts'

const conditions: WgResult['conditions'] = {
  date: '2026-01-02',
  kernel: '6.1',
  cpu: 'a processor',
  cores: 2,
  node: 'v20',
  wg: 'v1.0',
  rounds: 20,
  runsEach: 5,
}
const took = (wallMs: number, cpuMs: number) => ({ wallMs, cpuMs, samples: [] })

const rows: [name: string, row: WgResult['rows'][number], line: string][] = [
  [
    'both, with their CPU',
    { command: '`wg show`', podwire: took(100, 90.25), wg: took(12.5, 3) },
    '| `wg show` | 100.0 | 90.3 | 12.5 | 3.0 |',
  ],
  ['Node.js alone', { command: '`node -e 0`', podwire: took(65, 60) }, '| `node -e 0` | 65.0 | 60.0 | - | - |'],
]
for (const [name, row, line] of rows) {
  test(`report of the bench of wg: ${name}`, () => {
    const report = formatWg({ conditions, rows: [row] })
    assert.equal(report.split('\n')[2], line)
    assert.match(report, /Medians of 20 interleaved rounds of 5 runs each, on 2026-01-02/)
  })
}
