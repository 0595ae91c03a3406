import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { decodeHexKey, decodeKey, parsePublicKey, parseSecretKey } from '../../../src/base/key.ts'

const text = 'yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk='

test('secret: no way of printing one shows it', () => {
  const secret = parseSecretKey(text, 'here')
  const shown = [`${secret}`, JSON.stringify({ secret }), inspect({ secret }, { showHidden: true }), String(secret)]
  for (const line of shown) {
    assert.match(line, /\[secret\]/)
    assert.ok(!line.includes(text.slice(0, 8)))
  }
  assert.equal(Buffer.from(secret.bytes).toString('base64'), text)
  secret.wipe()
  assert.ok(secret.bytes.every(byte => byte === 0))
})

test('key: what is not a key is refused, without being repeated', () => {
  const bad = [
    '',
    text.slice(1),
    `${text}=`,
    text.replace('k=', 'l='),
    text.replace('+', '-'),
    ` ${text}`,
    'x'.repeat(44),
  ]
  for (const key of bad) {
    assert.throws(
      () => decodeKey(key, 'peer 3'),
      (error: Error & { code?: string }) =>
        error.code === 'ERR_PODWIRE_KEY' &&
        error.message.startsWith('peer 3') &&
        (key === '' || !error.message.includes(key)),
    )
  }
  assert.throws(() => decodeHexKey('0'.repeat(63), 'line 2'), { code: 'ERR_PODWIRE_KEY', message: /63 digits/ })
  assert.throws(() => decodeHexKey('g'.repeat(64), 'line 2'), { code: 'ERR_PODWIRE_KEY' })
  assert.equal(parsePublicKey(text, 'here'), text)
})
