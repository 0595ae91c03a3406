import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { unitText } from '../../../src/system/systemd.ts'

test('systemd: the unit of an agent gets the command line of this podwire, whatever is in it', () => {
  const text = readFileSync(new URL('../../../../deploy/systemd/podwire@.service', import.meta.url), 'utf8')
  const made = unitText(text, ['/opt/my node/bin/node', '/opt/100%/$x"/main.js'])
  assert.match(made, /^ExecStart="\/opt\/my node\/bin\/node" "\/opt\/100%%\/\$\$x\\"\/main\.js" agent %i$/m)
  assert.ok(!made.includes('/usr/bin/env'))
})
