// A device with 1,000 peers, each with a live session: what idle ones cost, what comes and goes beside a stream, and how many
// handshakes a second of CPU time answers.

import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Lab } from '../../src/lab/lab.ts'
import { startManyPeers } from './many-peers-process.ts'
import { bringUp, dump, type End, makeEnds, startDevice, wg, wgConf, withTwoHosts } from './tunnel.ts'

const peers = 1000
/** Of the stream, which is not touched. */
const steady = 3
/** Those from here on are removed and come back meanwhile. */
const firstChanged = 500

/** CPU time of a process so far, all its threads. */
function cpuSeconds({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}
const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** A device on host a whose network inside is that of the many peers on host b. */
async function startBigDevice(lab: Lab, end: End, sections: string): Promise<ChildProcess> {
  const device = await startDevice(lab, 'a')
  await wgConf(lab, 'a', 'setconf', `[Interface]\nPrivateKey = ${end.privateKey}\nListenPort = 51821\n${sections}`)
  await bringUp(lab, end)
  await lab.exec('a', ['ip', 'route', 'add', '10.8.0.0/16', 'dev', 'wg0'])
  return device
}

test('device: 1,000 peers: sessions of all, none costs time at rest, and peers come and go beside a stream that loses nothing', async t => {
  await withTwoHosts('scale', async lab => {
    const [end] = makeEnds()
    const many = startManyPeers(lab, 'b', peers)
    const device = await startBigDevice(lab, end, await many.call('sections'))
    const target = { address: '192.0.2.1', port: 51821, publicKey: end.publicKey, inner: '10.7.0.1' }
    await many.call('open', target)
    await many.call('prepare')
    const before = cpuSeconds(device)
    const answered = await many.call('shake')
    const seconds = cpuSeconds(device) - before
    assert.equal(answered, peers)
    t.diagnostic(`${Math.round(answered / seconds)} handshakes answered a second of CPU time`)
    assert.ok(answered / seconds >= 100) // the goal is for the bench; a machine that does much else is several times slower
    assert.equal(await many.call('echo'), peers, 'a packet each way for each')

    const idleBefore = cpuSeconds(device)
    await delay(3000)
    const idle = cpuSeconds(device) - idleBefore
    assert.ok(idle < 0.1, `at rest it used ${idle} s of CPU time in 3 s`)

    const steadyKey = (await many.call('publicKeys'))[steady] ?? ''
    const handshakeBefore = (await dump(lab, 'a')).peers[steadyKey]?.handshake
    const streaming = many.call('stream', steady, 4000)
    let changes = 0
    let streams = true
    void streaming.finally(() => {
      streams = false
    })
    const changed = (await many.call('publicKeys')).slice(firstChanged)
    const sections = await many.call('sections', firstChanged)
    while (streams) {
      await wg(lab, 'a', 'set', 'wg0', ...changed.flatMap(key => ['peer', key, 'remove']))
      assert.equal(Object.keys((await dump(lab, 'a')).peers).length, firstChanged)
      await wgConf(lab, 'a', 'addconf', sections)
      changes += 1
    }
    assert.deepEqual(await streaming, { sent: 4000, received: 4000, rekeys: 0 })
    assert.ok(changes >= 2, `${changes} times peers went and came`)
    t.diagnostic(`${changes} times ${changed.length} peers went and came`)
    const after = await dump(lab, 'a')
    assert.equal(after.peers[steadyKey]?.handshake, handshakeBefore, 'no session was made again')
    assert.equal(await many.call('echo', 0, firstChanged), firstChanged, 'the others have their sessions still')
    await many.call('prepare', firstChanged)
    await many.call('shake')
    assert.equal(await many.call('echo'), peers, 'and those that came back have new ones')
    await many.end()
  })
})
