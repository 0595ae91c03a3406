import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatPublicKey } from '../../../src/base/key.ts'
import { parseJson } from '../../../src/model/document.ts'
import { formatNetworkConfig, parseNetworkConfig } from '../../../src/model/network-config.ts'
import { formatClaim, formatNodeRecord, parseClaim, parseNodeRecord } from '../../../src/model/node-record.ts'

const publicKey = formatPublicKey(Buffer.alloc(32, 7))
const good = {
  name: 'a',
  publicKey,
  endpoints: ['198.51.100.7:51820', '[2001:db8::7]:51820'],
  prefixes: ['10.99.1.0/24', 'fd99:0:0:1::/64'],
}

test('node record: what is formatted is parsed again', () => {
  assert.deepEqual(parseNodeRecord(JSON.stringify(good), 'a.json'), good)
  assert.deepEqual(parseNodeRecord(formatNodeRecord({ ...good, publicKey }), 'a.json'), good)
  const claim = { prefix: '10.99.1.0/24', node: 'a', sinceMs: 5 }
  assert.deepEqual(parseClaim(formatClaim(claim), 'c'), claim)
})

test('node record: texts are made canonical', () => {
  const record = parseNodeRecord(
    JSON.stringify({ ...good, endpoints: ['[2001:DB8:0:0::7]:51820'], prefixes: ['FD99:0:0:1:0::/64'] }),
    'a.json',
  )
  assert.deepEqual([record.endpoints, record.prefixes], [['[2001:db8::7]:51820'], ['fd99:0:0:1::/64']])
})

test('node record: each fault is refused with the file and the path', () => {
  const faults: [change: object, message: RegExp][] = [
    [{ name: '' }, /^a\.json: name: .*1 to 63 characters/],
    [{ name: '../a' }, /^a\.json: name: .*begins and ends with/],
    [{ name: 'a'.repeat(64) }, /^a\.json: name: /],
    [{ name: 5 }, /^a\.json: name: expected a string/],
    [{ publicKey: 'AAAA' }, /^a\.json: publicKey: not a key: it has 4 characters/],
    [{ publicKey: `${publicKey.slice(0, 42)}9=` }, /^a\.json: publicKey: not a key: it is not canonical/],
    [{ publicKey: formatPublicKey(Buffer.alloc(32)) }, /^a\.json: publicKey: the key is all zeroes/],
    [{ endpoints: 'x' }, /^a\.json: endpoints: expected a list/],
    [{ endpoints: ['192.0.2.1:1', 'example.org:1'] }, /^a\.json: endpoints\[1\]: /],
    [{ endpoints: ['192.0.2.1:0'] }, /^a\.json: endpoints\[0\]: .*port/],
    [{ endpoints: ['127.0.0.1:51820'] }, /^a\.json: endpoints\[0\]: .*loopback/],
    [{ endpoints: ['[::1]:51820'] }, /^a\.json: endpoints\[0\]: .*loopback/],
    [{ endpoints: ['[fe80::1]:51820'] }, /^a\.json: endpoints\[0\]: .*link-local/],
    [{ endpoints: ['0.0.0.0:51820'] }, /^a\.json: endpoints\[0\]: .*this host/],
    [{ endpoints: ['[ff02::1]:51820'] }, /^a\.json: endpoints\[0\]: .*multicast/],
    [{ endpoints: Array.from({ length: 65 }, (_, i) => `192.0.2.1:${i + 1}`) }, /^a\.json: endpoints: .*at most 64/],
    [{ prefixes: ['10.99.1.1/24'] }, /^a\.json: prefixes\[0\]: .*the prefix is 10\.99\.1\.0\/24/],
    [{ prefixes: ['10.99.1.0/33'] }, /^a\.json: prefixes\[0\]: .*0 to 32/],
    [{ prefixes: ['0.0.0.0/0'] }, /^a\.json: prefixes\[0\]: .*this host/],
    [{ prefixes: ['::/0'] }, /^a\.json: prefixes\[0\]: .*loopback/],
    [{ prefixes: ['10.0.0.0/8', '127.0.0.0/8'] }, /^a\.json: prefixes\[1\]: .*loopback/],
    [{ prefixes: ['224.0.0.0/24'] }, /^a\.json: prefixes\[0\]: .*multicast/],
    [{ prefixes: ['::ffff:10.0.0.0/120'] }, /^a\.json: prefixes\[0\]: .*mapped/],
    [{ prefixes: ['10.99.1.0/24', '10.99.1.0/24'] }, /^a\.json: prefixes\[1\]: .*already/],
    [{ prefixes: [null] }, /^a\.json: prefixes\[0\]: expected a string/],
    [{ extra: 1 }, /^a\.json: extra: there is no such key; there are name, publicKey, endpoints, prefixes/],
    [{ prefixes: undefined }, /^a\.json: the document: the key "prefixes" is missing/],
  ]
  for (const [change, message] of faults) {
    const text = JSON.stringify({ ...good, ...change })
    assert.throws(() => parseNodeRecord(text, 'a.json'), { name: 'PodwireError', message }, JSON.stringify(change))
  }
})

test('network configuration: lengths have defaults, and are kept when said', () => {
  const cases: [text: object, parsed: object][] = [
    [{ range: ['10.99.0.0/16', 'fd99::/48'] }, { ipv4: 24, ipv6: 64 }],
    [{ range: ['10.99.0.0/28'] }, { ipv4: 28 }],
    [{ range: ['fd99::/48'], nodePrefixLength: { ipv6: 60 } }, { ipv6: 60 }],
  ]
  for (const [text, nodePrefixLength] of cases) {
    const parsed = parseNetworkConfig(JSON.stringify({ name: 'prod', ...text }), 'network.json')
    assert.deepEqual(parsed.nodePrefixLength, nodePrefixLength)
    assert.deepEqual(parseNetworkConfig(formatNetworkConfig(parsed), 'network.json'), parsed)
  }
})

test('network configuration: each fault is refused with the path', () => {
  const network = { name: 'prod', range: ['10.99.0.0/16', 'fd99::/48'], nodePrefixLength: { ipv4: 24, ipv6: 64 } }
  const faults: [change: object, message: RegExp][] = [
    [{ name: 'a b' }, /^n\.json: name: /],
    [{ range: [] }, /^n\.json: range: .*at least one/],
    [{ range: ['10.0.0.0/8', '11.0.0.0/8'] }, /^n\.json: range\[1\]: .*range\[0\] has this family/],
    [{ range: ['0.0.0.0/0'] }, /^n\.json: range\[0\]: .*overlaps/],
    [{ range: ['127.0.0.0/8'] }, /^n\.json: range\[0\]: .*loopback/],
    [{ range: ['ff00::/16'] }, /^n\.json: range\[0\]: .*multicast/],
    [{ range: ['10.99.0.0/16'] }, /^n\.json: nodePrefixLength\.ipv6: the network has no ipv6 range/],
    [{ nodePrefixLength: { ipv4: 15 } }, /^n\.json: nodePrefixLength\.ipv4: .*from 16 to 32/],
    [{ nodePrefixLength: { ipv4: 24.5 } }, /^n\.json: nodePrefixLength\.ipv4: .*whole number/],
    [{ nodePrefixLength: { ipv5: 24 } }, /^n\.json: nodePrefixLength\.ipv5: there is no such key/],
    [{ topology: 'zones' }, /^n\.json: topology: there is no such key/],
  ]
  for (const [change, message] of faults) {
    const text = JSON.stringify({ ...network, ...change })
    assert.throws(() => parseNetworkConfig(text, 'n.json'), { name: 'PodwireError', message }, JSON.stringify(change))
  }
  assert.throws(() => parseNetworkConfig('[]', 'n.json'), /^PodwireError: n\.json: the document: expected an object/)
})

test('document: the place of a fault in JSON is where V8 stumbles, by line and column', () => {
  const cases: [text: string, place: string][] = [
    ['', 'line 1, column 1'],
    ['{\n  "a": x\n}', 'line 2, column 8'],
    ['{\n  "a": 1,\n}', 'line 3, column 1'],
    ['{"a": "b\n"}', 'line 1, column 9'],
    ['{"a": nul!}', 'line 1, column 10'],
    ['{"a": 1} x', 'line 1, column 10'],
    ['{"a": tr', 'line 1, column 9'],
  ]
  for (const [text, place] of cases) {
    assert.throws(() => parseJson(text, 'f'), { message: new RegExp(`^f: ${place}: `) }, JSON.stringify(text))
  }
})

test('documents: any text is parsed or refused with a coded error, and nothing else', () => {
  const parsers = [parseNodeRecord, parseNetworkConfig, parseClaim]
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.jsonValue().map(value => JSON.stringify({ ...good, name: value })),
      ),
      text => {
        for (const parse of parsers) {
          try {
            parse(text, 'f')
          } catch (error) {
            assert.match((error as { code?: string }).code ?? String(error), /^ERR_PODWIRE_/)
          }
        }
      },
    ),
  )
})
