import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { containsCidr, formatCidr, maskCidr, overlapsCidr, parseCidr, parsePrefix } from '../../../src/base/cidr.ts'
import { parseFirewallSeal } from '../../../src/model/firewall-seal.ts'
import { firewallSeal, outermostPrefixes, renderElements, renderFirewall } from '../../../src/policy/base-chains.ts'

const firewall = { device: 'wg0', overlay: ['10.99.0.0/16', 'fd99::/48'], shares: ['192.168.7.0/24'] }

/** The rules of a chain, without their comment. */
function rulesOf(script: string, chain: string): string[] {
  const body = script.split(`  chain ${chain} {\n`)[1]?.split('\n  }')[0] ?? assert.fail(`no chain ${chain}`)
  return body.split('\n').map(line => line.trim().replace(/ comment ".*"$/, ''))
}

test('firewall: the whole table, chain by chain', () => {
  const script = renderFirewall(firewall)
  const leak = ['ip daddr @overlay4', 'ip6 daddr @overlay6', 'ip daddr @shares4', 'ip6 daddr @shares6']
  const spoof = leak.map(match => match.replace('daddr', 'saddr'))
  const drop = (match: string) => `${match} counter drop`
  const chains: [string, string[]][] = [
    [
      'container',
      [
        'ip6 saddr { ::, fe80::/10 } icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept',
        'ip6 saddr { ::, fe80::/10 } counter drop',
        'ip saddr 0.0.0.0/8 counter drop',
        'fib saddr . iif oif missing counter drop',
      ],
    ],
    ['arriving', spoof.map(drop)],
    ['leaving', ['oifname { "lo", "wg0" } return', 'oifname "pw*" return', ...leak.map(drop)]],
    ['unmasked', ['oifname { "lo", "wg0" } return', 'oifname "pw*" return', ...spoof.slice(0, 2).map(drop)]],
    [
      'prerouting',
      [
        'type filter hook prerouting priority raw; policy accept;',
        'iifname "pw*" goto container',
        'iifname != { "lo", "wg0" } goto arriving',
      ],
    ],
    ['output', ['type filter hook output priority raw; policy accept;', 'goto leaving']],
    [
      'crossing',
      [
        'oifname != "pw*" return',
        'ip saddr @overlay4 ip daddr != @overlay4 counter drop',
        'ip6 saddr @overlay6 ip6 daddr != @overlay6 counter drop',
        'ip saddr @shares4 ip daddr != @overlay4 counter drop',
        'ip6 saddr @shares6 ip6 daddr != @overlay6 counter drop',
      ],
    ],
    ['forward', ['type filter hook forward priority 300; policy accept;', 'jump crossing', 'goto leaving']],
    ['postrouting', ['type filter hook postrouting priority 300; policy accept;', 'jump leaving', 'goto unmasked']],
  ]
  for (const [chain, rules] of chains) assert.deepEqual(rulesOf(script, chain), rules, chain)
  assert.equal(script.match(/^ {2}chain /gm)?.length, chains.length)
  assert.match(script, /^table inet podwire-wg0\ndelete table inet podwire-wg0\ntable inet podwire-wg0 \{\n/)
  assert.match(script, /set overlay4 \{\n {4}type ipv4_addr\n {4}flags interval\n {4}elements = \{ 10\.99\.0\.0\/16 \}/)
  assert.match(script, /set shares6 \{\n {4}type ipv6_addr\n {4}flags interval\n {2}\}/)
})

test('firewall: no rule accepts but neighbour discovery, and none asks for connections', () => {
  const script = renderFirewall(firewall)
  assert.equal(script.match(/ accept /g)?.length, 1)
  assert.doesNotMatch(script, /\bct\b|established/)
})

test('firewall: each rule carries the seal, which counts them', () => {
  const seal = firewallSeal('wg0')
  assert.deepEqual(parseFirewallSeal(seal)?.device, 'wg0')
  assert.equal(renderFirewall(firewall).split(`comment "${seal}"`).length - 1, parseFirewallSeal(seal)?.ruleCount)
  assert.notEqual(firewallSeal('wg1'), seal)
  assert.ok(firewallSeal('a23456789012345').length <= 128)
  for (const other of ['', 'podwire', 'podwire wg0 xyz 3', `${seal} `, `x${seal}`]) {
    assert.equal(parseFirewallSeal(other), undefined, other)
  }
})

test('firewall: names that would open it, or break out of the text, are refused', () => {
  for (const device of [
    'pw0',
    'pwire',
    'accept-wg0',
    '',
    'a b',
    'a=b',
    'a+b',
    'a"b',
    'x'.repeat(16),
    'a\n',
    'a*',
    'a}',
  ]) {
    assert.throws(() => renderFirewall({ ...firewall, device }), { code: 'ERR_PODWIRE_NAME' }, device)
  }
  for (const device of ['wg0', 'podwire0', 'apw', 'x'.repeat(15)]) renderFirewall({ ...firewall, device })
})

test('firewall: elements change without the rules', () => {
  const cases: [string, typeof firewall, typeof firewall, string][] = [
    ['nothing', firewall, firewall, '\n'],
    [
      'one added',
      firewall,
      { ...firewall, shares: [...firewall.shares, '192.168.8.0/24'] },
      'add element inet podwire-wg0 shares4 { 192.168.8.0/24 }\n',
    ],
    [
      'one removed',
      firewall,
      { ...firewall, overlay: ['10.99.0.0/16'] },
      'delete element inet podwire-wg0 overlay6 { fd99::/48 }\n',
    ],
    [
      'a wider one in the place of two',
      { ...firewall, shares: ['10.1.0.0/24', '10.1.1.0/24'] },
      { ...firewall, shares: ['10.1.0.0/16'] },
      'delete element inet podwire-wg0 shares4 { 10.1.0.0/24, 10.1.1.0/24 }\nadd element inet podwire-wg0 shares4 { 10.1.0.0/16 }\n',
    ],
  ]
  for (const [name, from, to, script] of cases) assert.equal(renderElements(from, to), script, name)
})

test('prefixes: the outermost cover all of them and do not overlap', () => {
  const prefix = fc
    .tuple(
      fc.constantFrom('10.0.0.0', '10.1.0.0', '10.1.2.0', '10.128.0.0', '11.0.0.0'),
      fc.constantFrom(16, 17, 24, 32),
    )
    .map(([address, length]) => formatCidr(maskCidr(parseCidr(`${address}/${length}`, 'test'))))
  const six = fc.constantFrom('fd00::/8', 'fd99::/48', 'fd99:0:0:1::/64', '::/0')
  fc.assert(
    fc.property(fc.array(fc.oneof(prefix, six)), prefixes => {
      const parse = (text: string) => parsePrefix(text, 'test')
      const outer = outermostPrefixes(prefixes).map(parse)
      for (const text of prefixes)
        assert.ok(
          outer.some(cidr => containsCidr(cidr, parse(text))),
          text,
        )
      for (const a of outer) for (const b of outer) assert.ok(a === b || !overlapsCidr(a, b))
      for (const text of outermostPrefixes(prefixes)) assert.ok(prefixes.includes(text))
    }),
  )
})
