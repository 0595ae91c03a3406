import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import {
  containsCidr,
  formatAddress,
  formatCidr,
  maskCidr,
  overlapsCidr,
  parseAddress,
  parseCidr,
  parsePrefix,
  subPrefix,
} from '../../../src/base/cidr.ts'

const ipv4 = fc.ipV4()
const ipv6 = fc.ipV6()

test('address: formats what ipaddr.js formats, and reads it back', () => {
  fc.assert(
    fc.property(fc.oneof(ipv4, ipv6), text => {
      const address = parseAddress(text)
      assert.ok(address)
      const oracle = ipaddr.parse(text)
      if (!(oracle.kind() === 'ipv6' && (oracle as ipaddr.IPv6).isIPv4MappedAddress())) {
        const canonical = oracle.kind() === 'ipv6' ? (oracle as ipaddr.IPv6).toRFC5952String() : oracle.toString()
        assert.equal(formatAddress(address), canonical)
      }
      assert.deepEqual(parseAddress(formatAddress(address)), address)
    }),
  )
})

test('address: refuses what is not in plain form', () => {
  const bad = [
    '',
    '1',
    '0x7f.1',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.256',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8:9',
    'g::',
    '::12345',
    'fe80::1%eth0',
    '::1.2.3',
    '1.2.3.4::',
  ]
  for (const text of bad) assert.equal(parseAddress(text), undefined, text)
})

test('cidr: contains as ipaddr.js matches', () => {
  const cidr = fc.oneof(
    fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })),
    fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })),
  )
  fc.assert(
    fc.property(cidr, fc.oneof(ipv4, ipv6), ([base, length], other) => {
      const outer = parseCidr(`${base}/${length}`, 'test')
      const inner = parseCidr(other, 'test')
      const oracleOuter = ipaddr.parse(base)
      const oracleInner = ipaddr.parse(other)
      const same = oracleOuter.kind() === oracleInner.kind()
      assert.equal(containsCidr(outer, inner), same && oracleInner.match(oracleOuter, length))
      assert.equal(overlapsCidr(outer, inner), overlapsCidr(inner, outer))
      assert.ok(containsCidr(outer, maskCidr(outer)))
    }),
  )
})

test('cidr: errors say the place, the text and the reason', () => {
  const cases: [string, RegExp][] = [
    ['10.0.0.0/33', /from 0 to 32/],
    ['::/129', /from 0 to 128/],
    ['10.0.0.0/08', /from 0 to 32/],
    ['10.0.0.0/8/8', /neither/],
    ['ten', /neither/],
  ]
  for (const [text, reason] of cases) {
    assert.throws(() => parseCidr(text, 'node a'), { code: 'ERR_PODWIRE_CIDR', message: reason })
  }
  assert.throws(() => parsePrefix('10.0.0.1/8', 'x'), { message: /the prefix is 10\.0\.0\.0\/8/ })
})

test('cidr: sub-prefixes follow one another', () => {
  assert.equal(formatCidr(subPrefix(parseCidr('10.99.0.0/16', ''), 24, 3n)), '10.99.3.0/24')
  assert.equal(formatCidr(subPrefix(parseCidr('fd99::/48', ''), 64, 258n)), 'fd99:0:0:102::/64')
})
