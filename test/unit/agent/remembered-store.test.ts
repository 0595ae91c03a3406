import assert from 'node:assert/strict'
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { RememberedStore } from '../../../src/agent/remembered-store.ts'
import { formatSnapshot, parseSnapshot } from '../../../src/agent/view-snapshot.ts'
import type { Log } from '../../../src/base/log.ts'
import type { NetworkView } from '../../../src/model/node-record.ts'
import { openStore } from '../../../src/store/store.ts'
import { Follower, testNetwork, testRecord, testStore } from '../store/conformance.ts'

/** A file store, and a place for the memory of it. */
async function openRemembered() {
  const folder = await mkdtemp(join(tmpdir(), 'podwire-remembered-'))
  const there = join(folder, 'store')
  const away = join(folder, 'away')
  await mkdir(there)
  const lines: string[] = []
  const say = (_: unknown, text: string) => void lines.push(text)
  const log: Log = { debug: say, info: say, warn: say, error: say }
  const file = join(folder, 'view.json')
  const open = async (more: { writeAfterMs?: number; settleMs?: number } = {}) =>
    new RememberedStore(await openStore(`file:${there}`), { file, log, settleMs: 200, ...more })
  return {
    file,
    lines,
    open,
    /** The store itself. */
    plain: () => openStore(`file:${existsSync(away) ? away : there}`),
    async outage() {
      await rename(there, away)
      return { end: () => rename(away, there) }
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

testStore('remembered file', {
  async open() {
    const parts = await openRemembered()
    return { ...parts, store: await parts.open(), reopen: parts.plain }
  },
})

const inSync = (events: readonly { kind: string }[]) => events.at(-1)?.kind === 'inSync'
const claim = { prefix: '10.99.3.0/24', node: 'a', sinceMs: 1 }
const removal = { node: 'old', publicKey: testRecord('old').publicKey }

/** A store with two nodes, and a memory of it. */
async function openSeen() {
  const parts = await openRemembered()
  const plain = await parts.plain()
  await plain.createNetwork(testNetwork)
  await plain.claim(claim)
  for (const name of ['a', 'b', 'old']) await plain.writeNode(testRecord(name))
  await plain.removeNode('old')
  const store = await parts.open()
  using follower = new Follower(store)
  await follower.until('in sync', inSync)
  await store.close()
  return parts
}

test('remembered store: what was seen is kept for its owner alone, at the end at the latest', async () => {
  await using parts = await openSeen()
  assert.equal(statSync(parts.file).mode & 0o777, 0o600)
  const { view } = parseSnapshot(readFileSync(parts.file, 'utf8'), 'f')
  assert.deepEqual([...view.nodes.keys()], ['a', 'b'])
  assert.deepEqual([...view.claims.values()], [claim])
  assert.deepEqual([...view.removals.keys()], [removal.publicKey])
})

test('remembered store: a change is written without an end', async () => {
  await using parts = await openSeen()
  const store = await parts.open({ writeAfterMs: 1 })
  using follower = new Follower(store)
  await follower.until('in sync', inSync)
  await (await parts.plain()).writeNode(testRecord('c'))
  await follower.until('it is on the disk', () => readFileSync(parts.file, 'utf8').includes('"name":"c"'))
})

test('remembered store: away from the start, it says the last view, in sync and lost; then the store goes on', async () => {
  await using parts = await openSeen()
  const outage = await parts.outage()
  const store = await parts.open()
  assert.deepEqual(await store.readNetwork(), testNetwork)
  assert.deepEqual(await store.readNode('a'), testRecord('a'))
  assert.equal(await store.readNode('z'), undefined)
  assert.deepEqual(await store.listClaims(), [claim])
  assert.deepEqual(
    (await store.listNodes()).map(({ name }) => name),
    ['a', 'b'],
  )
  await assert.rejects(store.writeNode(testRecord('a')), { code: 'ERR_PODWIRE_STORE' })
  using follower = new Follower(store)
  assert.deepEqual(follower.kinds(), ['network', 'removal', 'claim', 'node', 'node', 'inSync', 'lost'])
  const said = follower.events.length
  await outage.end()
  await follower.until('in sync again', events => events.length > said && inSync(events))
  assert.equal(follower.kinds()[said], 'back')
  assert.ok(
    !follower
      .kinds()
      .slice(said)
      .some(kind => kind.endsWith('Gone') || kind === 'lost'),
  )
  await store.writeNode(testRecord('c'))
  await follower.until('c', events => events.some(event => event.kind === 'node' && event.record.name === 'c'))
})

test('remembered store: what the store has forgotten meanwhile is gone, last of all', async () => {
  await using parts = await openSeen()
  const outage = await parts.outage()
  await (await parts.plain()).removeNode('a')
  const store = await parts.open()
  await store.readNetwork()
  using follower = new Follower(store)
  const said = follower.events.length
  await outage.end()
  await follower.until('in sync again', events => events.length > said && inSync(events))
  assert.deepEqual(follower.events.slice(-3), [
    { kind: 'nodeGone', name: 'a' },
    { kind: 'claimGone', prefix: claim.prefix },
    { kind: 'inSync' },
  ])
})

const view: NetworkView = {
  network: testNetwork,
  nodes: new Map([['a', testRecord('a')]]),
  claims: new Map([[claim.prefix, claim]]),
  removals: new Map(),
}
const good = formatSnapshot('file:/x', view)
const damaged: [what: string, text: string][] = [
  ['empty', ''],
  ['cut off', good.slice(0, -9)],
  ['of other bytes', good.replace('10.99.3.0', '10.99.4.0')],
  ['no view', '{}'],
  ['of zeroes', '\0'.repeat(good.length)],
]
for (const [what, text] of damaged) {
  test(`remembered store: a view that is ${what} is said to be damaged, and not used`, async () => {
    await using parts = await openSeen()
    writeFileSync(parts.file, text)
    const outage = await parts.outage()
    await assert.rejects((await parts.open()).readNetwork(), { code: 'ERR_PODWIRE_STORE' })
    assert.match(parts.lines.join(), /is damaged, and is not used/)
    await outage.end()
    assert.deepEqual(await (await parts.open()).readNetwork(), testNetwork)
  })
}

test('remembered store: the view of another store is none', async () => {
  await using parts = await openSeen()
  writeFileSync(parts.file, formatSnapshot('file:/elsewhere', view))
  await parts.outage()
  await assert.rejects((await parts.open()).readNetwork(), { code: 'ERR_PODWIRE_STORE' })
})

test('remembered store: a disk that takes nothing is said, and all goes on', async () => {
  await using parts = await openSeen()
  await rm(parts.file)
  await mkdir(parts.file) // which cannot be replaced by a file, by root either
  chmodSync(parts.file, 0o700)
  const store = await parts.open({ writeAfterMs: 1 })
  using follower = new Follower(store)
  await follower.until('it is said', () => parts.lines.some(line => /cannot be kept on the disk/.test(line)))
  await (await parts.plain()).writeNode(testRecord('c'))
  await follower.until('c', events => events.some(event => event.kind === 'node' && event.record.name === 'c'))
  await store.close()
})
