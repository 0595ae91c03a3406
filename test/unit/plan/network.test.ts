import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { containsCidr, overlapsCidr, parsePrefix } from '../../../src/base/cidr.ts'
import { formatInterfaceIni, parseInterfaceIni } from '../../../src/config/interface-ini.ts'
import { formatInterfaceJson, parseInterfaceJson } from '../../../src/config/interface-json.ts'
import { type NetworkDocument, type NetworkNode, parseNetworkDocument } from '../../../src/config/network-document.ts'
import { planAccept } from '../../../src/plan/accept.ts'
import { type NodePlan, planNode, unreachablePairs } from '../../../src/plan/network.ts'
import { acceptHook, findRenderedHooks, undoHook, unreachableHook } from '../../../src/plan/node-hooks.ts'
import { nodeInterface } from '../../../src/plan/node-interface.ts'

const parse = (document: unknown) => parseNetworkDocument(JSON.stringify(document), 'network.json')
const nodeOf = (document: NetworkDocument, name: string): NetworkNode => {
  const node = document.nodes.find(node => node.name === name)
  assert.ok(node)
  return node
}

const range = ['10.99.0.0/16']
const at = (i: number, more: object = {}) => ({ prefixes: [`10.99.0.${i}`], ...more })
const endpoint = '198.51.100.1:51820'

/** Each node's peers with their AllowedIPs and keepalive, and the families that it forwards. */
const tables: { name: string; document: object; expected: Record<string, unknown> }[] = [
  {
    name: 'a mesh: all are peers; who cannot be called calls',
    document: {
      network: { name: 'n', range },
      nodes: {
        a: at(1, { endpoint }),
        b: at(2, { share: ['192.168.7.0/24'] }),
        c: at(3, { endpoint, behindNat: true }),
      },
    },
    expected: {
      a: { b: '10.99.0.2/32 192.168.7.0/24', c: '10.99.0.3/32', forwards: '' },
      b: { a: '10.99.0.1/32 every 25 s', c: '10.99.0.3/32 every 25 s', forwards: '4' },
      c: { a: '10.99.0.1/32 every 25 s', b: '10.99.0.2/32 192.168.7.0/24 every 25 s', forwards: '' },
    },
  },
  {
    name: 'a star: leaves have the hub, and behind it all the others',
    document: {
      network: { name: 'n', range, topology: 'star', hub: 'h' },
      nodes: { h: at(1, { endpoint }), a: at(2), b: at(3, { prefixes: ['10.99.3.0/24'], share: ['fd07::/64'] }) },
    },
    expected: {
      h: { a: '10.99.0.2/32', b: '10.99.3.0/24 fd07::/64', forwards: '46' },
      a: { h: '10.99.0.1/32 10.99.3.0/24 fd07::/64 every 25 s', forwards: '' },
      b: { h: '10.99.0.1/32 10.99.0.2/32 every 25 s', forwards: '46' },
    },
  },
  {
    name: 'zones: direct inside, through the first gateway outside; a zone without one is reached directly',
    document: {
      network: { name: 'n', range, topology: 'zones' },
      zones: { x: { gateways: ['g', 'h'] } },
      nodes: {
        g: at(1, { zone: 'x', endpoint }),
        h: at(2, { zone: 'x', endpoint }),
        y: at(3, { zone: 'y', endpoint }),
        z: at(4, { endpoint }),
      },
    },
    expected: {
      g: { h: '10.99.0.2/32', y: '10.99.0.3/32', z: '10.99.0.4/32', forwards: '4' },
      h: { g: '10.99.0.1/32 10.99.0.3/32 10.99.0.4/32', forwards: '' },
      y: { g: '10.99.0.1/32 10.99.0.2/32', z: '10.99.0.4/32', forwards: '' },
      z: { g: '10.99.0.1/32 10.99.0.2/32', y: '10.99.0.3/32', forwards: '' },
    },
  },
  {
    name: 'a failover group: the first in priority carries the prefix, and the others reach it by themselves',
    document: {
      network: { name: 'n', range },
      nodes: {
        a: at(1, { endpoint, share: [{ prefix: '192.168.7.0/24', group: 'lan', priority: 20 }] }),
        b: at(2, { endpoint, share: [{ prefix: '192.168.7.0/24', group: 'lan', priority: 10 }] }),
        c: at(3, { endpoint }),
      },
    },
    expected: {
      a: { b: '10.99.0.2/32', c: '10.99.0.3/32', forwards: '4' },
      b: { a: '10.99.0.1/32', c: '10.99.0.3/32', forwards: '4' },
      c: { a: '10.99.0.1/32', b: '10.99.0.2/32 192.168.7.0/24', forwards: '' },
    },
  },
]

for (const { name, document: given, expected } of tables) {
  test(`network plan: ${name}`, () => {
    const document = parse(given)
    const plans = document.nodes.map(node => {
      const { peers, forwards } = planNode(document, node)
      const texts = peers.map(({ node: peer, allowedIps, keepaliveSeconds }) => [
        peer.name,
        [...allowedIps, ...(keepaliveSeconds ? [`every ${keepaliveSeconds} s`] : [])].join(' '),
      ])
      return [node.name, { ...Object.fromEntries(texts), forwards: forwards.join('') }]
    })
    assert.deepEqual(Object.fromEntries(plans), expected)
  })
}

test("network plan: a node's address is the first of its first prefix of each family", () => {
  const prefixes = ['10.99.4.0/24', '10.99.5.0/24', 'fd99:0:0:4::/64']
  const document = parse({ network: { name: 'n', range: [...range, 'fd99::/48'] }, nodes: { a: { prefixes } } })
  assert.deepEqual(planNode(document, nodeOf(document, 'a')).addresses, ['10.99.4.1/32', 'fd99:0:0:4::1/128'])
})

test('network plan: peers that can never meet are named', () => {
  const nodes = { a: at(1), b: at(2), h: at(3, { endpoint }) }
  assert.deepEqual(unreachablePairs(parse({ network: { name: 'n', range }, nodes })), [['a', 'b']])
  const star = { name: 'n', range, topology: 'star', hub: 'h' }
  assert.deepEqual(unreachablePairs(parse({ network: star, nodes })), [])
})

const zoneNames = ['x', 'y', undefined]
const documents = fc
  .record({
    kind: fc.constantFrom('mesh', 'star', 'zones'),
    nodes: fc.array(
      fc.record({
        zone: fc.constantFrom(...zoneNames),
        wide: fc.boolean(),
        shares: fc.boolean(),
        group: fc.option(fc.integer({ min: 0, max: 1 })),
      }),
      { minLength: 1, maxLength: 9 },
    ),
    hub: fc.nat(),
    withGateways: fc.boolean(),
  })
  .map(({ kind, nodes, hub, withGateways }) => {
    const named = nodes.map(({ zone, wide, shares, group }, i) => ({
      name: `n${i}`,
      ...(zone !== undefined && { zone }),
      prefixes: wide ? [`10.99.${i}.0/24`, `fd99:0:0:${i}::/64`] : [`10.99.${i}.7`],
      share: [
        ...(shares ? [`192.168.${i}.0/24`] : []),
        // The lower the number the better, so that hub and gateways, chosen below, may come first or not.
        ...(group === null ? [] : [{ prefix: `172.16.${group}.0/24`, group: `g${group}`, priority: i }]),
      ],
    }))
    const gateways = kind === 'zones' && withGateways ? named.find(({ zone }) => zone === 'x') : undefined
    return {
      network: {
        name: 'n',
        range: ['10.99.0.0/16', 'fd99::/48'],
        topology: kind,
        ...(kind === 'star' && { hub: named[hub % named.length]?.name }),
      },
      ...(gateways && { zones: { x: { gateways: [gateways.name] } } }),
      nodes: Object.fromEntries(named.map(({ name, ...node }) => [name, node])),
    }
  })

/** The peer to which a plan sends a prefix; asserts that there is at most one. */
function peerFor(plan: NodePlan | undefined, prefix: string): string | undefined {
  const cidr = parsePrefix(prefix, 'test')
  const peers =
    plan?.peers.filter(({ allowedIps }) => allowedIps.some(ip => containsCidr(parsePrefix(ip, 'test'), cidr))) ?? []
  assert.ok(peers.length <= 1)
  return peers[0]?.node.name
}

test('network plan: AllowedIPs of a node never overlap, and every way is allowed at each of its nodes, both ways', () => {
  fc.assert(
    fc.property(documents, given => {
      let document: NetworkDocument
      try {
        document = parse(given)
      } catch (error) {
        assert.match(String(error), /must come first/)
        return
      }
      const plans = new Map(document.nodes.map(node => [node.name, planNode(document, node)]))
      for (const { peers } of plans.values()) {
        const all = peers.flatMap(({ allowedIps }) => allowedIps.map(ip => parsePrefix(ip, 'test')))
        for (const [i, a] of all.entries()) for (const b of all.slice(i + 1)) assert.ok(!overlapsCidr(a, b))
      }
      for (const from of document.nodes) {
        for (const to of document.nodes) {
          if (from === to) continue
          const source = from.prefixes[0] ?? ''
          for (const destination of to.prefixes) follow(from.name, to.name, source, destination)
          for (const { prefix } of to.shares) {
            const carriers = document.nodes.filter(({ shares }) => shares.some(share => share.prefix === prefix))
            if (carriers.includes(from)) assert.equal(peerFor(plans.get(from.name), prefix), undefined)
            else follow(from.name, carriers[0]?.name ?? '', source, prefix)
          }
        }
      }

      /** A packet goes from peer to peer, and each takes it from the one to which it would send the answer. */
      function follow(from: string, to: string, source: string, destination: string): void {
        let here = from
        for (let hops = 0; here !== to; hops++) {
          assert.ok(hops < 4, `${from} never reaches ${to}`)
          const next: string | undefined = peerFor(plans.get(here), destination)
          assert.ok(next, `${here} knows no way to ${destination}`)
          assert.equal(peerFor(plans.get(next), source), here, `${next} takes ${source} from ${here}`)
          here = next
        }
      }
    }),
    { numRuns: 200 },
  )
})

test('network plan: what is rendered reads back as the same, in both forms, and the examples render for each node', () => {
  const folder = new URL('../../../../examples/network/', import.meta.url)
  let count = 0
  for (const file of readdirSync(folder)) {
    const document = parseNetworkDocument(readFileSync(new URL(file, folder), 'utf8'), file)
    for (const node of document.nodes) {
      const [plan, accept] = [planNode(document, node), planAccept(document, node)]
      const warn = (warning: string) => assert.fail(warning)
      const ini = nodeInterface(plan, accept, { form: 'ini', privateKeyFile: '/etc/podwire/a b.key' })
      assert.deepEqual(parseInterfaceIni(formatInterfaceIni(ini), file, warn), ini)
      assert.ok(ini.hooks.postUp.includes("wg set %i private-key '/etc/podwire/a b.key'"))
      const json = nodeInterface(plan, accept, { form: 'json', privateKeyFile: '/etc/podwire/a.key' })
      assert.deepEqual(parseInterfaceJson(formatInterfaceJson(json), file, warn), json)
      assert.deepEqual(json.privateKey, { file: '/etc/podwire/a.key' })
      for (const { preUp, postDown } of [ini.hooks, json.hooks]) {
        const routes = document.range.map(unreachableHook)
        assert.deepEqual(preUp, [acceptHook(accept), ...routes])
        assert.deepEqual(postDown, preUp.map(undoHook).reverse())
      }
      assert.equal(findRenderedHooks(ini).forwards.length, plan.forwards.length)
      count += 1
    }
  }
  assert.ok(count >= 13)
})

test('network plan: a peer without a public key is named, and nothing is rendered', () => {
  const document = parse({ network: { name: 'n', range }, nodes: { a: at(1), b: at(2), c: at(3) } })
  const node = nodeOf(document, 'a')
  const [plan, accept] = [planNode(document, node), planAccept(document, node)]
  assert.throws(() => nodeInterface(plan, accept, { form: 'ini', privateKeyFile: 'k' }), /of a needs .*: b, c/)
})
