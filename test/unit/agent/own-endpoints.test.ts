import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findEndpoints } from '../../../src/agent/own-endpoints.ts'

const cases: [addresses: string[], endpoints: string[], how: RegExp][] = [
  [['198.51.100.7', '2001:db8::7'], ['198.51.100.7:51820', '[2001:db8::7]:51820'], /198\.51\.100\.7 on eth0 and 2001:/],
  [['192.168.1.5', '2001:db8::7'], ['[2001:db8::7]:51820'], /^from 2001:db8::7 on eth0,/],
  [['192.168.1.5'], [], /192\.168\.1\.5 on eth0 is private, .*--endpoint 192\.168\.1\.5:51820$/],
  [['100.64.0.9', 'fd00::5'], [], /100\.64\.0\.9 on eth0 and fd00::5 on eth0 is private/],
  [['169.254.0.1', 'fe80::1'], [], /no address/],
  [[], [], /no address/],
]
for (const [addresses, endpoints, how] of cases) {
  test(`own endpoints: ${addresses.join(', ') || 'no address'} gives ${endpoints.join(', ') || 'none'}, and says how`, () => {
    const waysOut = addresses.map(
      address => ({ address, link: 'eth0', family: address.includes(':') ? 6 : 4 }) as const,
    )
    const found = findEndpoints(waysOut, 51820)
    assert.deepEqual(found.endpoints, endpoints)
    assert.match(found.how, how)
  })
}
