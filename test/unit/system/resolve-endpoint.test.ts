import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveEndpoint } from '../../../src/system/resolve-endpoint.ts'

const options = { where: 'wg0.conf', retries: 0, onRetry: () => assert.fail('nothing to try again') }

test('resolve endpoint: addresses are no names, and a name of this host needs no server', async () => {
  for (const [host, endpoint] of [
    ['192.0.2.1', '192.0.2.1:5'],
    ['2001:db8::1', '[2001:db8::1]:5'],
    ['fe80::1%eth0', '[fe80::1%eth0]:5'],
  ] as const) {
    assert.equal(await resolveEndpoint({ host, port: 5 }, options), endpoint)
  }
  assert.match(await resolveEndpoint({ host: 'localhost', port: 5 }, options), /^(127\.0\.0\.1|\[::1\]):5$/)
})

test('resolve endpoint: a name that cannot be is refused at once, with the place', async () => {
  const wanted = { code: 'ERR_PODWIRE_UNRESOLVED', message: /^wg0\.conf: .*"a\.\.b"/ }
  await assert.rejects(resolveEndpoint({ host: 'a..b', port: 5 }, { ...options, retries: 9 }), wanted)
})
