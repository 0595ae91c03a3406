import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseEtcdAddress } from '../../../../src/store/etcd/address.ts'

test('etcd address: endpoints and the prefix of the keys', () => {
  const cases: [rest: string, urls: string[], prefix: string][] = [
    ['https://h1:2379', ['https://h1:2379'], '/podwire'],
    ['https://h1:2379,https://10.0.0.2:2379', ['https://h1:2379', 'https://10.0.0.2:2379'], '/podwire'],
    ['https://[2001:db8::1]:2379/prod', ['https://[2001:db8::1]:2379'], '/prod'],
    ['https://h1:2379,https://h2:1/a/b.c', ['https://h1:2379', 'https://h2:1'], '/a/b.c'],
    ['http://127.0.0.1:2379', ['http://127.0.0.1:2379'], '/podwire'],
    ['http://[::1]:2379', ['http://[::1]:2379'], '/podwire'],
    ['http://localhost:2379/x', ['http://localhost:2379'], '/x'],
  ]
  for (const [rest, urls, prefix] of cases) {
    const parsed = parseEtcdAddress(rest)
    assert.deepEqual([parsed.endpoints.map(({ url }) => url), parsed.prefix], [urls, prefix], rest)
  }
  const { endpoints } = parseEtcdAddress('https://[2001:db8::1]:2379')
  assert.deepEqual(endpoints, [{ secure: true, host: '2001:db8::1', port: 2379, url: 'https://[2001:db8::1]:2379' }])
})

test('etcd address: what is none is refused with what is wrong', () => {
  const cases: [rest: string, reason: RegExp][] = [
    ['', /"" is not an endpoint/],
    ['/x', /is not an endpoint/],
    ['https://h1', /"https:\/\/h1" is not an endpoint/],
    ['https://h1:0', /is not an endpoint/],
    ['https://h1:70000', /is not an endpoint/],
    ['https://h1:2379,', /"" is not an endpoint/],
    ['https://u:p@h1:2379', /is not an endpoint/],
    ['https://[10.0.0.1]:2379', /is not an endpoint/],
    ['h1:2379', /is not an endpoint/],
    ['https://h1:2379/', /prefix "\/" is not/],
    ['https://h1:2379/a//b', /prefix "\/a\/\/b" is not/],
    ['https://h1:2379/a/', /prefix "\/a\/" is not/],
    ['https://h1:2379/a,https://h2:2379', /prefix/],
    ['http://h1:2379', /would be in clear/],
    ['http://10.0.0.1:2379', /would be in clear/],
    ['http://128.0.0.1:2379', /would be in clear/],
  ]
  for (const [rest, reason] of cases) {
    assert.throws(() => parseEtcdAddress(rest), { code: 'ERR_PODWIRE_STORE_ADDRESS', message: reason }, rest)
  }
})
