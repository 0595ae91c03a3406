// docs/configuration.md: each of its examples does what the page says.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseInterfaceJson } from '../../src/config/interface-json.ts'

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const page = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8')

/** The blocks of a language, in order. */
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, text = '']) => text)

test('configuration page: the commands work as they stand, on the interface that is shown in both forms', () => {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-page-test-'))
  try {
    writeFileSync(join(folder, 'wg0.conf'), blocks('ini')[0] ?? '', { mode: 0o600 })
    const script = `podwire() { "${process.execPath}" "${main}" "$@"; }\n${blocks('sh')[0]}`
    const { status, stdout, stderr } = spawnSync('sh', ['-ec', script], { cwd: folder, encoding: 'utf8' })
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, /^wg0\.conf: good: an interface in INI with 1 peer\n\[\n/)
    assert.equal(readFileSync(join(folder, 'wg0.json'), 'utf8'), blocks('json')[0])
    assert.equal(readFileSync(join(folder, 'back.conf'), 'utf8'), blocks('ini')[0])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('configuration page: the document with comments, secrets elsewhere, and peers by name is read', () => {
  const { privateKey, peers, comments } = parseInterfaceJson(blocks('jsonc')[0] ?? '', 'wg0.json')
  assert.deepEqual(privateKey, { file: '/etc/podwire/wg0.key' })
  assert.deepEqual(comments, ['not in here'])
  assert.deepEqual(
    peers.map(({ name, persistentKeepaliveSeconds }) => [name, persistentKeepaliveSeconds]),
    [
      ['office', 25],
      ['laptop', 0],
    ],
  )
})
