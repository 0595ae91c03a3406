import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatEndpoint, parseEndpoint } from '../../../src/base/endpoint.ts'

test('endpoint: reads and writes both families', () => {
  for (const text of ['198.51.100.7:51820', '[2001:db8::7]:1', '[fe80::1%eth0]:5', '[febf::1%2]:5'])
    assert.equal(formatEndpoint(parseEndpoint(text, 'x')), text)
})

test('endpoint: refuses with the reason', () => {
  const cases: [string, RegExp][] = [
    ['198.51.100.7', /a colon and a port/],
    ['198.51.100.7:0', /1 to 65535/],
    ['198.51.100.7:65536', /1 to 65535/],
    ['2001:db8::7:1', /a colon and a port/],
    ['[198.51.100.7]:1', /brackets/],
    ['host:1', /neither/],
    ['[2001:db8::7%eth0]:1', /link-local/],
    ['[fe80::1%]:1', /neither/],
    ['[fe80::1%e%t]:1', /neither/],
    ['169.254.0.1%eth0:1', /link-local/],
    ['198.51.100.7:+1', /a colon and a port/],
  ]
  for (const [text, message] of cases) {
    assert.throws(() => parseEndpoint(text, 'peer a'), { code: 'ERR_PODWIRE_ENDPOINT', message })
  }
})
