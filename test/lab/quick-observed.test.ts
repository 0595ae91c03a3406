// What `podwire quick` sees of an interface that is up, beside wg-quick: addresses of every scope, names that nft does not
// take, and the zone of an endpoint. What the kernel made by itself is nobody's to save or to remove.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { type QuickHost, type Tool, withQuickHosts } from './quick-host.ts'
import { until } from './until.ts'

const key = Buffer.from(generatePrivateKey().bytes).toString('base64')
const peer = publicKeyOf(generatePrivateKey())
const tools: readonly Tool[] = ['wg-quick', 'podwire']

function conf(own: string, ofPeer = ''): string {
  return `[Interface]\nPrivateKey = ${key}\nListenPort = 51999\n${own}\n[Peer]\nPublicKey = ${peer}\n${ofPeer}\n`
}

async function succeeds(at: QuickHost, tool: Tool, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await at.quick(tool, args)
  assert.equal(status, 0, `${tool} ${args.join(' ')}: ${stderr}`)
  return stdout
}

async function stateOf(at: QuickHost): Promise<object> {
  const { processes: _, ...state } = await at.state()
  return state
}

test('quick: link-local addresses are saved, kept and removed as others are', async () => {
  await withQuickHosts('link-local', async at => {
    const before = await at.state()
    const text = conf('Address = 10.7.0.1/24, fe80::1/64', 'AllowedIPs = 10.9.0.0/16')
    const saved = []
    for (const tool of tools) {
      const file = at.write('wg0.conf', text)
      await succeeds(at, tool, 'up', file)
      const up = await stateOf(at)
      if (tool === 'podwire') {
        await succeeds(at, tool, 'reload', file)
        assert.deepEqual(await stateOf(at), up, 'a reload of the same file changes nothing')
      }
      await succeeds(at, tool, 'save', file)
      saved.push(readFileSync(file, 'utf8'))
      if (tool === 'podwire') {
        at.write('wg0.conf', conf('Address = 10.7.0.1/24, fe80::2/64'))
        await succeeds(at, tool, 'reload', file)
        assert.equal(await at.sh('ip -6 -o address show dev wg0 | grep -o "fe80[^ ]*"'), 'fe80::2/64\n')
      }
      await succeeds(at, tool, 'down', file)
      assert.deepEqual(await at.settled(before), before, tool)
    }
    assert.match(saved[0] ?? '', /^Address = fe80::1\/64$/m)
    assert.equal(saved[1], saved[0])
  })
})

test('quick: an address that the kernel made by itself is neither saved nor removed', async () => {
  await withQuickHosts('kernel-made', async at => {
    const before = await at.state()
    const file = at.write('wg0.conf', conf('Address = fd07::1/64'))
    await succeeds(at, 'podwire', 'up', file)
    await at.sh('echo 3 > /proc/sys/net/ipv6/conf/wg0/addr_gen_mode')
    const own = () => at.sh('ip -6 -o address show dev wg0 scope link | grep -o "fe80[^ ]*"')
    await until('the kernel has made an address', async () => (await own()) !== '')
    const made = await own()
    await succeeds(at, 'podwire', 'reload', file)
    assert.equal(await own(), made)
    await succeeds(at, 'podwire', 'save', file)
    assert.doesNotMatch(readFileSync(file, 'utf8'), /fe80/)
    await succeeds(at, 'podwire', 'down', file)
    assert.deepEqual(await at.settled(before), before)
  })
})

test('quick: every name that wg-quick takes comes up, also with all traffic', async t => {
  await withQuickHosts('names', async at => {
    const before = await at.state()
    for (const name of ['a+b', 'a=b', '+', 'a.b', 'a-b_c', '1', 'w123456789abcde']) {
      await t.test(name, async () => {
        const file = at.write(`${name}.conf`, conf('Address = 10.7.0.1/24', 'AllowedIPs = 10.9.0.0/16'))
        const states = []
        for (const tool of tools) {
          await succeeds(at, tool, 'up', file)
          states.push(await stateOf(at))
          if (tool === 'podwire') await succeeds(at, tool, 'reload', file)
          await succeeds(at, tool, 'down', file)
          assert.deepEqual(await at.settled(before), before, tool)
        }
        assert.deepEqual(states[1], states[0])
        // wg-quick cannot: its table would have the name in it.
        at.write(`${name}.conf`, conf('Address = 10.7.0.1/24', 'AllowedIPs = 0.0.0.0/0'))
        await succeeds(at, 'podwire', 'up', file)
        assert.match(await at.sh('nft list tables'), /table ip wg-quick-/)
        await succeeds(at, 'podwire', 'down', file)
        assert.deepEqual(await at.settled(before), before)
      })
    }
  })
})

test('quick: the zone of an endpoint stays a name, and a reload finds nothing to say', async () => {
  await withQuickHosts('zone', async at => {
    const before = await at.state()
    await until(
      'net has a link-local address',
      async () => (await at.sh('ip -6 -o address show dev net scope link')) !== '',
    )
    const endpoint = 'Endpoint = [fe80::77%net]:51820'
    const file = at.write('wg0.conf', conf('', endpoint))
    await succeeds(at, 'podwire', 'up', file)
    assert.doesNotMatch(await succeeds(at, 'podwire', 'reload', '--dry-run', file), /wg set/)
    await succeeds(at, 'podwire', 'save', file)
    assert.ok(readFileSync(file, 'utf8').includes(`${endpoint}\n`), readFileSync(file, 'utf8').replace(key, ''))
    await succeeds(at, 'podwire', 'down', file)
    assert.deepEqual(await at.settled(before), before)
  })
})
