import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorTable, podwireError } from '../../../src/base/errors.ts'

test('errors: the message and the hint are filled, the cause is kept', () => {
  const cause = new Error('bind EADDRINUSE')
  const error = podwireError('ERR_PODWIRE_PORT_IN_USE', { port: 51820 }, cause)
  assert.equal(error.code, 'ERR_PODWIRE_PORT_IN_USE')
  assert.equal(error.message, 'UDP port 51820 is in use by another program')
  assert.match(error.hint, /sport = 51820/)
  assert.equal(error.cause, cause)
  assert.equal(error.exitStatus, 1)
})

test('errors: every entry says what to do next', () => {
  for (const [code, { message, hint }] of Object.entries(errorTable)) {
    assert.match(code, /^ERR_PODWIRE_[A-Z_]+$/)
    assert.ok(message.length > 0)
    assert.match(hint, /[.]$/, `${code}: the hint is a sentence`)
  }
})
