import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { importsOf, violationOf } from './layers.ts'

/** The violations of a tree, as lines for a person: file, import and reason. */
function violationsIn(src: string): string[] {
  return importsOf(src).flatMap(found => {
    const reason = violationOf(found)
    return reason === undefined ? [] : [`src/${found.file} imports ${found.specifier}: ${reason}`]
  })
}

test('layers: every import goes down', () => {
  const src = fileURLToPath(new URL('../../../src', import.meta.url))
  const seen = new Set(importsOf(src).map(({ file }) => file))
  assert.ok(seen.size > 10, `only ${seen.size} files with imports were seen in ${src}`)
  assert.deepEqual(violationsIn(src), [])
})

const planted: [file: string, text: string, reason: RegExp][] = [
  ['base/up.ts', "import type { Route } from '../model/host-state.ts'", /base \(rank 0\).*model has rank 1/],
  ['base/module.ts', "import { z } from 'zod'", /node: modules only/],
  ['model/side.ts', "export * from '../native/engine.ts'", /model \(rank 1\) may import base/],
  ['plan/effect.ts', "import { readFileSync } from 'node:fs'", /plan is pure/],
  ['plan/system.ts', "import '../system/observe.ts'", /plan \(rank 3\)/],
  ['agent/side.ts', "const lab = await import('../lab/lab.ts')", /agent \(rank 5\).*lab has rank 5/],
  ['odd/new.ts', "import '../base/errors.ts'", /odd is in no layer/],
]

test('layers: a planted bad import is caught', () => {
  const src = mkdtempSync(join(tmpdir(), 'podwire-layers-'))
  try {
    for (const [file, text] of planted) {
      mkdirSync(join(src, file, '..'), { recursive: true })
      writeFileSync(join(src, file), `${text}\n`)
    }
    mkdirSync(join(src, 'policy'))
    writeFileSync(join(src, 'policy/good.ts'), "import '../plan/plan.ts'\nimport '../base/cidr.ts'\nimport 'zod'\n")
    const found = violationsIn(src)
    assert.equal(found.length, planted.length, found.join('\n'))
    for (const [file, , reason] of planted) {
      const line = found.find(violation => violation.includes(file))
      assert.match(line ?? `no violation found in ${file}`, reason)
    }
  } finally {
    rmSync(src, { recursive: true })
  }
})
