import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { PodwireError } from '../../../src/base/errors.ts'
import { Secret } from '../../../src/base/secret.ts'
import { formatJoinToken, type JoinToken, parseJoinToken } from '../../../src/model/join-token.ts'

const secretText = 'dY4bT6sQ9wZ1xK8v:correct-horse'
const secret = new Secret(Buffer.from(secretText))
const least: JoinToken = { network: 'prod', store: 'server:https://192.0.2.1:8443', secret }
const pin = createHash('sha256').update('key').digest('base64url')

/** A token of any JSON, with a right checksum. */
function tokenOf(json: string): string {
  const sum = createHash('sha256').update(json).digest().subarray(0, 4)
  return `podwire1_${Buffer.concat([Buffer.from(json), sum]).toString('base64url')}`
}

const clear = ({ secret, ...rest }: JoinToken) => ({ ...rest, secret: Buffer.from(secret.bytes).toString() })

test('join token: what is formatted is parsed again', () => {
  for (const token of [
    least,
    { ...least, pin },
    { ...least, ca: '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n', node: 'web-1' },
  ]) {
    const text = formatJoinToken(token)
    assert.match(text, /^podwire1_[\w-]+$/)
    assert.deepEqual(clear(parseJoinToken(text)), clear(token))
  }
})

test('join token: printed, it does not show its secret', () => {
  const token = parseJoinToken(formatJoinToken(least))
  assert.ok(![inspect(token), JSON.stringify(token), String(token.secret)].join().includes(secretText))
})

test('join token: each fault is said, without a character of the token', () => {
  const good = formatJoinToken(least)
  const { secret: _, ...noSecret } = clear(least)
  const json = (change: object) => tokenOf(JSON.stringify({ ...clear(least), ...change }))
  const faults: [text: string, reason: RegExp][] = [
    ['', /does not begin with "podwire1_"/],
    [good.slice(1), /does not begin/],
    [good.replace('podwire1_', 'podwire2_'), /does not begin/],
    ['podwire1_', /missing or was changed/],
    [`${good} `, /characters that no token has/],
    [good.slice(0, -4), /cut off|missing/],
    [`${good}AAAA`, /cut off|missing/],
    [`podwire1_${'A'.repeat(70_000)}`, /longer than/],
    [tokenOf('[]'), /expected an object/],
    [tokenOf(`{"secret": "${secretText}`), /not JSON/],
    [tokenOf(JSON.stringify(noSecret)), /"secret" is missing/],
    [json({ network: '../x' }), /network: .*begins and ends/],
    [json({ store: '' }), /store: it is empty/],
    [json({ secret: 5 }), /secret: expected a string/],
    [json({ pin: secretText }), /pin: expected a SHA-256/],
    [json({ node: '' }), /node: /],
    [json({ extra: 1 }), /extra: there is no such key/],
  ]
  for (const [text, reason] of faults) {
    assert.throws(
      () => parseJoinToken(text),
      error => {
        assert.ok(error instanceof PodwireError && error.code === 'ERR_PODWIRE_JOIN_TOKEN')
        assert.match(error.message, reason)
        assert.ok(!inspect(error).includes(secretText.slice(0, 10)), inspect(error))
        return true
      },
    )
  }
})

test('join token: one character that is another is noticed', () => {
  const good = formatJoinToken({ ...least, pin })
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.constantFrom('A', 'z', '0', '_', '!'), (at, other) => {
      if (good[at] === other) return
      assert.throws(() => parseJoinToken(good.slice(0, at) + other + good.slice(at + 1)), {
        code: 'ERR_PODWIRE_JOIN_TOKEN',
      })
    }),
  )
})
