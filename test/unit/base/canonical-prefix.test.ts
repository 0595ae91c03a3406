import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalPrefix } from '../../../src/base/canonical-prefix.ts'
import { formatCidr, maskCidr, parseCidr } from '../../../src/base/cidr.ts'

/** The long way; undefined if it is refused. */
function slowly(text: string): string | undefined {
  try {
    return formatCidr(maskCidr(parseCidr(text, 'here')))
  } catch {
    return undefined
  }
}

function quickly(text: string): string | undefined {
  try {
    return canonicalPrefix(text, 'here')
  } catch {
    return undefined
  }
}

/** Groups of which many are zero, so that gaps of every place and length come up. */
const groups = fc.array(fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(0xffff), fc.nat(9)), {
  minLength: 8,
  maxLength: 8,
})
const length = fc.nat(140)

test('canonical prefix: what parsing, masking and formatting give, for IPv6 of every shape', () => {
  fc.assert(
    fc.property(groups, length, fc.nat(8), fc.nat(8), (numbers, bits, from, to) => {
      const hex = numbers.map(number => number.toString(16))
      for (const text of [
        `${hex.join(':')}/${bits}`,
        `${hex.slice(0, from).join(':')}::${hex.slice(to).join(':')}/${bits}`,
        slowly(`${hex.join(':')}/${bits}`) ?? '',
        hex.join(':').toUpperCase(),
      ]) {
        assert.equal(quickly(text), slowly(text), text)
      }
    }),
    { numRuns: 3000 },
  )
})

test('canonical prefix: what parsing, masking and formatting give, for IPv4', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(300), { minLength: 3, maxLength: 5 }), fc.nat(40), (octets, bits) => {
      const text = `${octets.join('.')}/${bits}`
      for (const each of [text, slowly(text) ?? '', octets.join('.')]) assert.equal(quickly(each), slowly(each), each)
    }),
    { numRuns: 3000 },
  )
})

test('canonical prefix: what parsing, masking and formatting give, for text of its characters', () => {
  const text = fc.string({ unit: fc.constantFrom(...'0012345679af:::...//gA '), maxLength: 20 })
  fc.assert(
    fc.property(text, each => {
      assert.equal(quickly(each), slowly(each), each)
    }),
    { numRuns: 5000 },
  )
})

for (const text of [
  '0.0.0.0/0',
  '10.0.0.0/8',
  '1.2.3.4/32',
  '255.255.255.255/32',
  '01.2.3.4/32',
  '1.2.3.4/032',
  '1.2.3.4/',
  '1.2.3.4',
  '/8',
  '256.0.0.0/8',
  '1.2.3.4/33',
  '10.0.0.1/8',
  '::/0',
  '::1/128',
  'fd00::/8',
  'fd00::/9',
  'fd00:/8',
  ':fd00::/8',
  '1::2::3/64',
  '::ffff:10.0.0.0/104',
  '::ffff:a00:0/104',
  '0:0::/16',
  'fd00:0:0:1::/64',
  'fd00:0:0:1:0:0:0:0/64',
  '1:0:2::/48',
  '1:2:3:4:5:6:7:8/128',
  '1:2:3:4:5:6:7::/112',
  '1:2:3:4:5:6:7:8:9/128',
  '1:2:3:4:5:6:0:8/128',
  'FD00::/8',
  'fd00::/129',
  'fd00::/008',
  'fd00::',
  '12345::/16',
  '',
]) {
  test(`canonical prefix: "${text}"`, () => assert.equal(quickly(text), slowly(text)))
}
