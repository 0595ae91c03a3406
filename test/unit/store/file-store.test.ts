import assert from 'node:assert/strict'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { overlapsCidr, parsePrefix } from '../../../src/base/cidr.ts'
import { exec } from '../../../src/base/exec.ts'
import { formatNetworkConfig } from '../../../src/model/network-config.ts'
import { formatNodeRecord } from '../../../src/model/node-record.ts'
import { openStore } from '../../../src/store/store.ts'
import { Follower, testNetwork, testRecord, testStore } from './conformance.ts'
import { runClaimer } from './run-claimer.ts'

async function openEmpty() {
  const folder = await mkdtemp(join(tmpdir(), 'podwire-store-'))
  const away = `${folder}.away`
  const open = (at: string) => openStore(`file:${at}`)
  return {
    folder,
    store: await open(folder),
    reopen: () => open(existsSync(away) ? away : folder),
    async outage() {
      await rename(folder, away)
      return { end: () => rename(away, folder) }
    },
    async [Symbol.asyncDispose]() {
      for (const at of [folder, away]) await rm(at, { recursive: true, force: true })
    },
  }
}

async function openFolder(network = testNetwork) {
  const opened = await openEmpty()
  await opened.store.createNetwork(network)
  return opened
}

testStore('file', { open: openEmpty })

test('file store: an address that is not one is refused with what is wrong', async () => {
  for (const address of ['', '/var/lib/x', 'file', 'file:', 'file:relative', 'etcd:/x', 'FILE:/x']) {
    await assert.rejects(openStore(address), { code: 'ERR_PODWIRE_STORE_ADDRESS' }, address)
  }
})

test('file store: a folder or network.json that is missing is named', async () => {
  await using opened = await openFolder()
  await rm(join(opened.folder, 'network.json'))
  await assert.rejects(opened.store.readNetwork(), { code: 'ERR_PODWIRE_STORE', message: /network\.json/ })
  await assert.rejects(opened.store.writeNode(testRecord('a')), { code: 'ERR_PODWIRE_STORE' })
  const claim = { prefix: '10.99.0.0/24', node: 'a', sinceMs: 1 }
  await assert.rejects((await openStore('file:/nowhere/at/all')).claim(claim), { code: 'ERR_PODWIRE_STORE' })
})

test('file store: a bad file is left out with its place and reason, and all others hold', async () => {
  const cases: [name: string, text: string, reason: RegExp][] = [
    ['broken', '{\n  "name": "broken",,\n}', /broken\.json: line 2, column 20: .*not JSON/],
    ['empty', '', /empty\.json: line 1, column 1/],
    [
      'key',
      formatNodeRecord(testRecord('key')).replace(/"publicKey": "..../, '"publicKey": "'),
      /key\.json: publicKey: not a key/,
    ],
    ['alias', formatNodeRecord(testRecord('a')), /alias\.json: name: the file's name says "alias"/],
    [
      'extra',
      formatNodeRecord(testRecord('extra')).replace('{', '{ "root": true,'),
      /extra\.json: root: there is no such key/,
    ],
  ]
  await using opened = await openFolder()
  const { folder, store } = opened
  await store.writeNode(testRecord('a'))
  for (const [name, text] of cases) await writeFile(join(folder, 'nodes', `${name}.json`), text)
  using follower = new Follower(store)
  await follower.until('in sync', events => events.at(-1)?.kind === 'inSync')
  const nodes = follower.events.flatMap(event => (event.kind === 'node' ? event.record.name : []))
  assert.deepEqual(nodes, ['a'])
  const problems = follower.events.flatMap(event => (event.kind === 'problem' ? event.reason : []))
  assert.equal(problems.length, cases.length)
  for (const [name, , reason] of cases)
    assert.ok(
      problems.some(text => reason.test(text)),
      `${name}: ${problems.join('\n')}`,
    )
})

test('file store: what is not a small file of its own is left out, unread, and all others hold', async () => {
  await using opened = await openFolder()
  const { folder, store } = opened
  await store.writeNode(testRecord('a'))
  const file = (name: string) => join(folder, 'nodes', `${name}.json`)
  await mkdir(file('folder'))
  // More pipes than the thread pool has threads: one that is opened as a file is would hang it, and four all of them.
  for (let i = 0; i < 5; i++) await exec(['mkfifo', file(`pipe${i}`)])
  await symlink(file('a'), file('link'))
  await symlink('/dev/zero', file('endless'))
  await symlink(file('circle'), file('circle'))
  await symlink(file('nowhere'), file('dangling'))
  await writeFile(file('large'), `${' '.repeat(1 << 20)}${formatNodeRecord(testRecord('large'))}`)
  using follower = new Follower(store)
  await follower.until('in sync', events => events.at(-1)?.kind === 'inSync')
  const nodes = follower.events.flatMap(event => (event.kind === 'node' ? event.record.name : []))
  assert.deepEqual(nodes, ['a'])
  const problems = follower.events.flatMap(event => (event.kind === 'problem' ? event.reason : []))
  const names = ['circle', 'dangling', 'endless', 'folder', 'large', 'link', ...[0, 1, 2, 3, 4].map(i => `pipe${i}`)]
  assert.deepEqual(
    problems.sort(),
    names.map(
      name =>
        `${file(name)}: the document: ${name === 'large' ? 'it is larger than 64 KiB' : 'it is not a regular file'}`,
    ),
  )
})

test('file store: a record whose file is removed is gone; a network.json edited badly is told and the last one holds', async () => {
  await using opened = await openFolder()
  const { folder, store } = opened
  await store.writeNode(testRecord('a'))
  using follower = new Follower(store)
  await follower.until('in sync', events => events.at(-1)?.kind === 'inSync')
  await rm(join(folder, 'nodes', 'a.json'))
  await follower.until('a gone', events => events.some(event => event.kind === 'nodeGone' && event.name === 'a'))
  await writeFile(join(folder, 'network.json'), '{')
  await follower.until('problem', events => events.at(-1)?.kind === 'problem')
  assert.ok(!follower.kinds().includes('lost'))
})

test('file store: a store that is removed is lost, no node leaves, and it is in sync again when it is back', async () => {
  for (const way of ['removed', 'moved']) {
    await using opened = await openFolder()
    const { folder, store } = opened
    await store.claim({ prefix: '10.99.3.0/24', node: 'a', sinceMs: 1 })
    await store.writeNode(testRecord('a'))
    await store.writeNode(testRecord('b'))
    using follower = new Follower(store)
    await follower.until('in sync', events => events.at(-1)?.kind === 'inSync')
    if (way === 'moved') await rename(folder, `${folder}.away`)
    else await rm(folder, { recursive: true })
    await follower.until('lost', events => events.at(-1)?.kind === 'lost')
    assert.ok(!follower.kinds().some(kind => kind.endsWith('Gone')), way)
    if (way === 'moved') await rename(`${folder}.away`, folder)
    else {
      await mkdir(folder)
      await writeFile(join(folder, 'network.json'), formatNetworkConfig(testNetwork))
    }
    await follower.until('in sync again', events => events.at(-1)?.kind === 'inSync')
    assert.equal(follower.kinds().filter(kind => kind === 'nodeGone').length, way === 'moved' ? 0 : 2)
    // The watch lives on in the new folder.
    await store.writeNode(testRecord('c'))
    await follower.until('c', events => events.some(event => event.kind === 'node' && event.record.name === 'c'))
  }
})

test('file store: a folder that was removed and made again at once is watched like the first', async () => {
  await using opened = await openFolder()
  const { folder, store } = opened
  await store.writeNode(testRecord('a'))
  using follower = new Follower(store)
  await follower.until('in sync', events => events.at(-1)?.kind === 'inSync')
  const nodes = join(folder, 'nodes')
  rmSync(nodes, { recursive: true })
  mkdirSync(nodes)
  await follower.until('a is gone', events => events.at(-1)?.kind === 'nodeGone')
  await store.writeNode(testRecord('b'))
  await follower.until('b', events => events.at(-1)?.kind === 'node')
})

test('file store: what a writer left that died halfway is never seen, and swept later', async () => {
  await using opened = await openFolder()
  const { folder, store } = opened
  await store.writeNode(testRecord('a'))
  const left = join(folder, 'nodes', '.new-b.json-00112233aabb')
  await writeFile(left, '{"name": "b"')
  await store.writeNode(testRecord('c'))
  assert.ok((await readdir(join(folder, 'nodes'))).includes('.new-b.json-00112233aabb'), 'a young one may be in use')
  await utimes(left, 1, 1)
  await store.writeNode(testRecord('d'))
  assert.deepEqual((await readdir(join(folder, 'nodes'))).sort(), ['a.json', 'c.json', 'd.json'])
})

test('file store: readers never see half of a record', async () => {
  await using opened = await openFolder()
  const { store } = opened
  using follower = new Follower(store)
  await follower.until('in sync', events => events.at(-1)?.kind === 'inSync')
  const endpoints = Array.from({ length: 60 }, (_, i) => `192.0.2.${i + 1}:51820`)
  for (let i = 1; i <= 60; i++) await store.writeNode(testRecord('a', { endpoints: endpoints.slice(0, i) }))
  await follower.until('the last', events => {
    const last = events.at(-1)
    return last?.kind === 'node' && last.record.endpoints.length === 60
  })
  assert.deepEqual(
    follower.kinds().filter(kind => kind === 'problem' || kind === 'nodeGone'),
    [],
  )
})

test('file store: claimers in many processes, some killed, never get prefixes that overlap', {
  timeout: 120_000,
}, async () => {
  // Room for 16 nodes; lengths differ between two who believe in different configurations.
  const network = { ...testNetwork, range: ['10.99.0.0/20', 'fd99::/48'] }
  await using opened = await openFolder(network)
  const address = opened.store.address
  const nodes = Array.from({ length: 12 }, (_, i) => `n${i}`)
  for (let round = 0; round < 3; round++) {
    await Promise.all(nodes.map((node, i) => runClaimer(address, node, i % 3 === 0 ? 60 + 20 * i * round : undefined)))
  }
  const first = await Promise.all(nodes.map(node => runClaimer(address, node)))
  const again = await Promise.all(nodes.map(node => runClaimer(address, node)))
  assert.deepEqual(again, first, 'a node that restarts finds its claims again')
  const prefixes = first.flatMap(list => list ?? []).map(text => parsePrefix(text, 'claim'))
  assert.equal(prefixes.length, 2 * nodes.length)
  for (const [i, a] of prefixes.entries()) for (const b of prefixes.slice(i + 1)) assert.ok(!overlapsCidr(a, b))
  assert.equal((await opened.store.listClaims()).length, 2 * nodes.length, 'no claim is left over')
})

test('file store: many at once in one process, under different lengths, never overlap', async () => {
  const { claimPrefixes } = await import('../../../src/agent/claim.ts')
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 24, max: 28 }), { minLength: 2, maxLength: 8 }), async lengths => {
      await using opened = await openFolder()
      const got = await Promise.all(
        lengths.map(async (ipv4, i) => {
          const network = { ...testNetwork, range: ['10.99.0.0/16'], nodePrefixLength: { ipv4 } }
          return await claimPrefixes({ store: await opened.reopen(), network, node: `n${i}` })
        }),
      )
      const prefixes = got.flat().map(text => parsePrefix(text, 'claim'))
      for (const [i, a] of prefixes.entries()) for (const b of prefixes.slice(i + 1)) assert.ok(!overlapsCidr(a, b))
    }),
    { numRuns: 20 },
  )
})

test('file store: a range that is used up is said', async () => {
  const { claimPrefixes } = await import('../../../src/agent/claim.ts')
  const network = { ...testNetwork, range: ['10.99.0.0/23'] }
  await using opened = await openFolder(network)
  const { store } = opened
  for (const node of ['a', 'b']) await claimPrefixes({ store, network, node })
  await assert.rejects(claimPrefixes({ store, network, node: 'c' }), { code: 'ERR_PODWIRE_RANGE_EXHAUSTED' })
})
