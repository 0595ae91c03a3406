import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { podwireError } from '../../../src/base/errors.ts'
import { decodeHexKey, decodeKey, parsePublicKey, parseSecretKey } from '../../../src/base/key.ts'
import { hideKeys } from '../../../src/base/secret.ts'

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

const readable = [
  'office',
  'PersistentKeepalive',
  'persistentKeepaliveSeconds',
  'interface.hooks.postDown[0]',
  'configurations',
  'vpn-2.frankfurt.example.org:51820',
  'officeRouter12',
  'OFFICEROUTERS',
  '2001:db8:85a3:8d3:1319:8a2e:370:7348/64',
  '203.0.113.255/32',
  '/etc/wireguard/wg0.conf',
  '/usr/local/share/podwire/node2/web.key',
  '4294967296',
  '0xca6cca6cca6c',
  'ListenPort=51820',
]
for (const text of readable) {
  test(`hideKeys: leaves ${text} readable`, () => assert.equal(hideKeys(text), text))
}

test('hideKeys: hides every part of a key that has twelve characters', () => {
  const hex = Buffer.from(text, 'base64').toString('hex')
  for (const key of [text.slice(0, 43), hex]) {
    for (let at = 0; at + 12 <= key.length; at++) {
      for (let end = at + 12; end <= key.length; end++) {
        assert.equal(hideKeys(`"${key.slice(at, end)}" is`), '"[hidden]" is')
      }
    }
  }
  assert.equal(hideKeys(`PrivateKey: ${text}`), 'PrivateKey: [hidden]')
})

test('errors: of what somebody wrote, no part of a key is shown', () => {
  const { message } = podwireError('ERR_PODWIRE_VALUE', { where: 'a', text: text.slice(0, 20), expected: 'b' })
  assert.equal(message, 'a: "[hidden]": expected b')
  const said = podwireError('ERR_PODWIRE_DOCUMENT', { file: 'a', path: `nodes.${text}`, reason: `"${text}" is there` })
  assert.equal(said.message, 'a: nodes.[hidden]: "[hidden]" is there')
})
