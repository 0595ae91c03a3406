import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { unitText } from '../../../src/system/systemd.ts'

test('systemd: the unit of an agent gets the command line of this podwire, whatever is in it', () => {
  const text = readFileSync(new URL('../../../../deploy/systemd/podwire@.service', import.meta.url), 'utf8')
  const podwire = ['/opt/my node/bin/node', '/opt/100%/$x"/main.js']
  const made = unitText(text, { podwire })
  assert.match(made, /^ExecStart="\/opt\/my node\/bin\/node" "\/opt\/100%%\/\$\$x\\"\/main\.js" agent %i$/m)
  assert.ok(!made.includes('/usr/bin/env') && !made.includes('PODWIRE_ROOT'))
  assert.match(unitText(text, { podwire, root: '/a b%' }), /^\[Service\]\nEnvironment="PODWIRE_ROOT=\/a b%%"$/m)
})
