import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { missingCapabilities, missingTools } from '../../../src/system/host-facts.ts'

test('host facts: a capability that is not effective is missing', () => {
  assert.deepEqual(missingCapabilities('Name:\tnode\nCapEff:\t000001ffffffffff\n'), [])
  assert.deepEqual(missingCapabilities('CapEff:\t0000000000001000\n'), [])
  assert.deepEqual(missingCapabilities('CapEff:\t0000000000000fff\n'), ['CAP_NET_ADMIN'])
  assert.deepEqual(missingCapabilities('CapPrm:\t000001ffffffffff\n'), ['CAP_NET_ADMIN'])
})

test('host facts: the programs that no folder has, and what alone needs them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-tools-test-'))
  try {
    const missing = () => missingTools(['/podwire-none', folder]).map(({ tool, onlyFor }) => [tool, onlyFor])
    const dns = ['resolvconf', '`DNS` of `podwire quick`']
    assert.deepEqual(missing(), [['ip', undefined], ['nft', undefined], ['bash', undefined], dns])
    for (const tool of ['ip', 'bash']) writeFileSync(join(folder, tool), '', { mode: 0o755 })
    writeFileSync(join(folder, 'nft'), '', { mode: 0o644 }) // nobody may run it
    assert.deepEqual(missing(), [['nft', undefined], dns])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
