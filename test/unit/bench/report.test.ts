import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Bench } from '../../../bench/device/measure.ts'
import { formatReport } from '../../../bench/device/report.ts'
import { resultOf } from '../../../bench/device/result.ts'
import type { Samples } from '../../../bench/device/samples.ts'

const versions = { podwire: '0.1.0', 'wireguard-go': 'v1' }

function rowOf(figures: Samples['figures'], title: string): string | undefined {
  const samples: Samples = { figures, pings: {}, heading: '' }
  const bench = { samples, settings: { rounds: 1, seconds: 1, quick: false } } as Bench
  const report = formatReport(resultOf(bench, versions, undefined))
  return report.split('\n').find(line => line.startsWith(`| ${title}`))
}

const rows: [name: string, figures: Samples['figures'], row: string][] = [
  [
    'a ratio that reaches its goal, of medians',
    { tcp1: { podwire: [9, 4, 1], 'wireguard-go': [2, 2, 2] } },
    '| TCP, 1 stream (Gbit/s) | 2.0x or more | **4.00** | 2.00 | 2.00x ✓ | - |',
  ],
  [
    'a ratio that misses it',
    { cpu: { podwire: [30], 'wireguard-go': [40] } },
    '| CPU for 10 GB over TCP, both devices (s) | 0.5x or less | **30.0** | 40.0 | 0.75x ✗ | - |',
  ],
  [
    'a bound, marked at the figure itself',
    { memory: { podwire: [97], 'wireguard-go': [400] } },
    '| Peak resident memory of a device, after the above (MB) | 96 MB or less | **97** ✗ | 400 | 0.24x | - |',
  ],
  [
    'no ratio to nothing, but still a verdict',
    { retransmits: { podwire: [3], 'wireguard-go': [0] } },
    '| TCP retransmits, 4 streams | 1.0x or less | **3** | 0 | - ✗ | - |',
  ],
  [
    'no verdict without the reference',
    { udp64: { podwire: [123_456] } },
    '| UDP, 64 B, loss < 0.1 % (packets/s) | 2.0x or more | **123,500** | - | - | - |',
  ],
]
for (const [name, figures, row] of rows) {
  test(`report of the bench: ${name}`, () => {
    assert.equal(rowOf(figures, row.slice(2, 8)), row)
  })
}
