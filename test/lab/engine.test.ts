// The engine with a real TUN and real sockets, without a handshake: keys are installed by hand.
//
//   a: 192.0.2.1, fd00:2::1  --- veth --- b: 192.0.2.2 and .3, fd00:2::2 and ::3
//   pw0 10.0.0.1, fd00:1::1                pw0 10.0.0.2, fd00:1::2

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { blake2s } from '@noble/hashes/blake2.js'
import { type EngineProcess, startEngineProcess } from './engine-process.ts'
import { type Scratch, until, withScratch } from './scratch.ts'

const mtuBytes = 1420

interface End {
  readonly namespace: Scratch
  readonly engine: EngineProcess
}

/** Runs a test with an engine process in a namespace for each word, joined by a veth if there are two. */
async function withEngines<N extends string>(
  words: readonly N[],
  run: (ends: Record<N, End>) => Promise<void>,
): Promise<void> {
  await withScratch(words, async namespaces => {
    const [a, b] = words.map(word => namespaces[word])
    if (a !== undefined && b !== undefined) {
      await a.ip(`link add veth0 type veth peer name veth0 netns ${b.name}`)
      const addresses = [
        [a, ['192.0.2.1/24', 'fd00:2::1/64']],
        [b, ['192.0.2.2/24', 'fd00:2::2/64', '192.0.2.3/24', 'fd00:2::3/64']],
      ] as const
      for (const [namespace, cidrs] of addresses) {
        for (const cidr of cidrs) await namespace.ip(`address add ${cidr} dev veth0`)
        await namespace.ip('link set veth0 up')
      }
    }
    const made = words.map(word => [word, startEngineProcess(namespaces[word].name)] as const)
    try {
      const ends = made.map(([word, engine]) => [word, { namespace: namespaces[word], engine }])
      await run(Object.fromEntries(ends) as Record<N, End>)
    } finally {
      for (const [, engine] of made) await engine.kill()
    }
  })
}

/** Opens the engines of a and b with each other as peer 0, up and addressed. */
async function openPair(a: End, b: End): Promise<void> {
  for (const [end, own, other, key] of [
    [a, 1, 2, 0xb],
    [b, 2, 1, 0xa],
  ] as const) {
    assert.equal(await end.engine.call('open', { name: 'pw0', mtuBytes }), 'pw0')
    assert.equal(await end.engine.call('bind', 51820), 51820)
    assert.equal(await end.engine.call('addPeer', new Uint8Array(32).fill(key)), 0)
    await end.engine.call('addAllowedIps', 0, [`10.0.0.${other}/32`, `fd00:1::${other}/128`])
    for (const cidr of [`10.0.0.${own}/24`, `fd00:1::${own}/64 nodad`]) {
      await end.namespace.ip(`address add ${cidr} dev pw0`)
    }
    await end.namespace.ip('link set pw0 up')
    await end.engine.event('linkUp')
  }
}

/** What a handshake that a began would have given: keys on both sides. */
async function installKeys(a: End, b: End): Promise<void> {
  const [ofA, ofB] = [await a.engine.call('newIndex', 0), await b.engine.call('newIndex', 0)]
  const [toB, toA] = [new Uint8Array(randomBytes(32)), new Uint8Array(randomBytes(32))]
  const keysOfB = { localIndex: ofB, remoteIndex: ofA, sendKey: toA, receiveKey: toB, initiator: false }
  const keysOfA = { localIndex: ofA, remoteIndex: ofB, sendKey: toB, receiveKey: toA, initiator: true }
  await b.engine.call('installKeypair', 0, keysOfB)
  await a.engine.call('installKeypair', 0, keysOfA)
}

async function ping(from: End, address: string): Promise<void> {
  const printed = await from.namespace.run(`ping -n -c 3 -i 0.01 -W 2 ${address}`)
  assert.match(printed, /3 packets transmitted, 3 received/)
}

test('engine: two reach each other over both families, inside and outside', async () => {
  await withEngines(['a', 'b'], async ({ a, b }) => {
    await openPair(a, b)
    await a.engine.call('setEndpoint', 0, '192.0.2.2:51820')
    await installKeys(a, b)
    const { localIndex } = await b.engine.event('confirmed')
    assert.ok(localIndex >= 0)
    assert.equal(await b.engine.call('endpoint', 0), '192.0.2.1:51820', 'learnt from the first packet')
    for (const endpoint of ['192.0.2.2:51820', '[fd00:2::2]:51820', '192.0.2.3:51820', '[fd00:2::3]:51820']) {
      await a.engine.call('setEndpoint', 0, endpoint)
      for (const address of ['10.0.0.2', 'fd00:1::2']) await ping(a, address)
      assert.equal(await a.engine.call('endpoint', 0), endpoint, 'b answers from the address that a sends to')
    }
    await ping(b, '10.0.0.1')
    const [ofA, ofB] = [await a.engine.call('counters', 0), await b.engine.call('counters', 0)]
    assert.ok(ofA.txBytes > 27n * 100n, `${ofA.txBytes} bytes sent`)
    assert.deepEqual([ofA.txBytes, ofA.rxBytes], [ofB.rxBytes, ofB.txBytes])
    assert.equal(a.engine.events.filter(({ kind }) => kind === 'active').length, 1)
  })
})

test('engine: packets that come before the keys are sent after them, in full', async () => {
  await withEngines(['a', 'b'], async ({ a, b }) => {
    await openPair(a, b)
    await a.engine.call('setEndpoint', 0, '192.0.2.2:51820')
    const pinging = a.namespace.run('ping -n -c 3 -i 0.01 -W 4 10.0.0.2')
    await a.engine.event('handshakeWanted')
    await installKeys(a, b)
    assert.match(await pinging, /3 packets transmitted, 3 received/)
    assert.equal(a.engine.events.filter(({ kind }) => kind === 'handshakeWanted').length, 1)
  })
})

test('engine: garbled datagrams of any length are counted, and the session lives', async () => {
  await withEngines(['a', 'b'], async ({ a, b }) => {
    await openPair(a, b)
    await a.engine.call('setEndpoint', 0, '192.0.2.2:51820')
    await installKeys(a, b)
    await b.engine.event('confirmed')
    const lengths = [...Array(600).keys(), 1419, 1420, 1421, 1500, 9000, 32_768, 65_500, 65_507]
    const kinds = [[], [1, 0, 0, 0], [2, 0, 0, 0], [3, 0, 0, 0], [4, 0, 0, 0], [4, 0, 0, 1]]
    const addresses = ['192.0.2.2', 'fd00:2::2']
    // While a neighbour is being looked for, the kernel drops what waits for it.
    for (const address of addresses) await a.namespace.run(`ping -n -c 1 -W 2 ${address}`)
    for (const first of kinds) {
      for (const address of addresses) await a.engine.call('noise', address, 51820, lengths, first)
    }
    const expected = BigInt(addresses.length * kinds.length * lengths.length)
    const counted = async () => {
      const { length = 0n, type = 0n, mac1 = 0n, unknownIndex = 0n } = await b.engine.call('drops')
      return length + type + mac1 + unknownIndex
    }
    await until('all are counted', async () => (await counted()) >= expected)
    assert.equal(await counted(), expected)
    await ping(a, '10.0.0.2')
    assert.equal(await b.engine.call('endpoint', 0), '192.0.2.1:51820')
  })
})

test('engine: handshake messages for its key go up with their source', async () => {
  await withEngines(['a', 'b'], async ({ a, b }) => {
    await openPair(a, b)
    const publicKey = new Uint8Array(32).fill(0xb)
    await b.engine.call('setPublicKey', publicKey)
    await a.engine.call('setEndpoint', 0, '[fd00:2::3]:51820')
    const key = blake2s(new Uint8Array([...Buffer.from('mac1----'), ...publicKey]))
    const initiation = new Uint8Array(148).fill(7)
    initiation.set([1, 0, 0, 0])
    initiation.set(blake2s(initiation.subarray(0, 116), { key, dkLen: 16 }), 116)
    assert.equal(await a.engine.call('sendHandshake', 0, initiation), true)
    const { message, source, peer } = await b.engine.event('handshake')
    assert.deepEqual([Buffer.from(message), peer], [Buffer.from(initiation), undefined])
    await b.engine.call('adoptEndpoint', 0, source)
    assert.equal(await b.engine.call('endpoint', 0), '[fd00:2::1]:51820')
    assert.equal((await b.engine.call('counters', 0)).rxBytes, 148n)

    // The answer leaves from the address that the message came to.
    const index = await a.engine.call('newIndex', 0)
    await a.engine.call('setPublicKey', publicKey)
    const response = new Uint8Array(92)
    response.set([2, 0, 0, 0])
    new DataView(response.buffer).setUint32(8, index, true)
    response.set(blake2s(response.subarray(0, 60), { key, dkLen: 16 }), 60)
    assert.equal(await b.engine.call('sendHandshake', 0, response), true)
    const answer = await a.engine.event('handshake')
    assert.equal(answer.peer, 0)
    await a.engine.call('adoptEndpoint', 0, answer.source)
    assert.equal(await a.engine.call('endpoint', 0), '[fd00:2::3]:51820')
  })
})

test('engine: refuses what it cannot have, and stays as it was', async () => {
  await withEngines(['a', 'b'], async ({ a, b }) => {
    const open = (name: string) => a.engine.call('open', { name, mtuBytes })
    await assert.rejects(open('veth0'), { code: 'ERR_PODWIRE_NAME_IN_USE', message: /"veth0"/ })
    for (const name of ['', 'a'.repeat(16), 'a/b', 'a b', 'pw%d', 'ö']) {
      await assert.rejects(open(name), { code: 'ERR_PODWIRE_NAME' }, name)
    }
    await openPair(a, b)
    await assert.rejects(open('pw0'), { code: 'ERR_PODWIRE_NAME_IN_USE', message: /"pw0"/ })
    await a.engine.call('setEndpoint', 0, '192.0.2.2:51820')
    await installKeys(a, b)

    const inUse = { code: 'ERR_PODWIRE_PORT_IN_USE', message: /port 51000/ }
    const other = startEngineProcess(a.namespace.name)
    try {
      await other.call('open', { name: 'pw1', mtuBytes })
      assert.equal(await other.call('bind', 51000), 51000)
      await assert.rejects(a.engine.call('bind', 51000), inUse)
      await ping(a, '10.0.0.2')
      await other.call('bind', 51001)
      assert.equal(await other.call('isFree', 51000), true, 'freed at once')
      assert.equal(await other.call('isFree', 51001), false)
      await other.call('unbind')
      assert.equal(await other.call('isFree', 51001), true)
    } finally {
      await other.kill()
    }
    assert.equal(await a.engine.call('bind', 51000), 51000)
    await ping(a, '10.0.0.2')
    assert.equal(await b.engine.call('endpoint', 0), '192.0.2.1:51000', 'b saw the new port')
    const chosen = await a.engine.call('bind', 0)
    assert.ok(chosen > 0 && chosen !== 51000)

    for (const refused of [a.engine.call('endpoint', 9), a.engine.call('addAllowedIps', 0, ['10.0.0.0/33'])]) {
      await assert.rejects(refused, { code: undefined })
    }
    assert.deepEqual(await a.engine.call('allowedIps', 0), ['10.0.0.2/32', 'fd00:1::2/128'])
  })
})

test('engine: tells of its link, and ends with it', async () => {
  await withEngines(['a'], async ({ a }) => {
    await a.engine.call('open', { name: 'pw0', mtuBytes })
    assert.equal(await a.engine.call('mtu'), mtuBytes)
    await a.namespace.ip('link set pw0 up')
    await a.engine.event('linkUp')
    await a.namespace.ip('link set pw0 mtu 1300')
    assert.equal((await a.engine.event('linkMtu')).mtuBytes, 1300)
    assert.equal(await a.engine.call('mtu'), 1300)
    await a.namespace.ip('link set pw0 name other0')
    await a.namespace.ip('link set other0 down')
    await a.engine.event('linkDown')
    await a.namespace.ip('link delete other0')
    await a.engine.event('linkGone')
    await a.engine.call('close')
    await assert.rejects(a.engine.call('drops'), { code: 'ERR_PODWIRE_CLOSED' })
    await assert.rejects(a.engine.call('bind', 0), { code: 'ERR_PODWIRE_CLOSED' })
    await a.engine.call('close')
    assert.equal(await a.engine.end(), 0, 'a closed engine does not hold its process')
  })
})

test('engine: nothing is left when it is closed', async () => {
  await withEngines(['a'], async ({ a }) => {
    for (let round = 0; round < 3; round++) {
      await a.engine.call('open', { name: 'pw0', mtuBytes })
      assert.equal(await a.engine.call('bind', 51820), 51820)
      await a.engine.call('close')
      assert.equal(await a.engine.call('isFree', 51820), true)
      assert.doesNotMatch(await a.namespace.run('ip -brief link'), /pw0/)
    }
    assert.equal(await a.engine.end(), 0)
  })
})
