// What a lab measures with: streams of counted packets, and captures that are judged.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { judgeCapture, startCapture } from '../../src/lab/capture.ts'
import { startStream } from '../../src/lab/stream.ts'
import { example, folder, ping, withLab } from './example-lab.ts'

test('stream: counts what is lost, exactly', async () => {
  await withLab(example('two-sites.json', 'stream'), async lab => {
    for (const address of ['10.99.1.2', 'fd99:0:1::2']) {
      const options = { from: 'a', to: 'b/web', address, port: 7000, packetsPerSecond: 1000, filling: 'canary' }
      const clean = await startStream(lab, options)
      await ping(lab, 'a2', '10.2.0.2', '-c', '50', '-i', '0.01')
      const { sent, lost, duplicates } = await clean.stop()
      assert.deepEqual([lost, duplicates], [0, 0])
      assert.ok(sent > 400, `${sent} packets`)

      // One packet in ten is dropped on the way, by count.
      const rules = `table inet drops {
        chain forward {
          type filter hook forward priority 0
          udp dport 7000 numgen inc mod 10 == 0 counter drop
        }
      }\n`
      const lossy = await startStream(lab, options)
      await lab.exec('berlin-gw', ['nft', '-f', '-'], { input: rules })
      await ping(lab, 'a2', '10.2.0.2', '-c', '50', '-i', '0.01')
      const result = await lossy.stop()
      const { stdout } = await lab.exec('berlin-gw', ['nft', 'list', 'table', 'inet', 'drops'])
      assert.equal(result.lost, Number(/packets (\d+)/.exec(stdout)?.[1]))
      assert.ok(result.lost > 0)
      await lab.exec('berlin-gw', ['nft', 'delete', 'table', 'inet', 'drops'])
    }
  })
})

test('capture: records every frame, and finds what is in clear', async () => {
  await withLab(example('two-sites.json', 'capture'), async lab => {
    const file = join(folder, 'wan.pcap')
    const capture = await startCapture(lab, 'berlin-gw', 'wan', file)
    await lab.exec('a', ['ping', '-q', '-c', '200', '-i', '0.002', '-p', '5a17c0de', '10.99.1.2'])
    await ping(lab, 'a', 'fd02::2')
    const counts = await capture.stop()
    assert.deepEqual(await capture.stop(), counts)
    assert.equal(counts.dropped, 0)
    assert.ok(counts.captured >= 402, `${counts.captured} frames`)

    const clean = await judgeCapture(file, {
      prefixes: ['10.98.0.0/16', 'fd98::/48'],
      canaries: [Buffer.from('nowhere')],
    })
    assert.deepEqual([clean.frames, clean.violations], [counts.captured, []])
    const canary = await judgeCapture(file, { prefixes: [], canaries: [Buffer.from('5a17c0de', 'hex')] })
    assert.equal(canary.violations.length, 400)
    const addresses = await judgeCapture(file, { prefixes: ['10.99.0.0/16', 'fd02::/48'], canaries: [] })
    assert.equal(addresses.violations.length, 402)
  })
})

test('capture: of an interface that is not there fails with the words of tcpdump', async () => {
  await withLab(example('two-sites.json', 'nocapture'), async lab => {
    await assert.rejects(startCapture(lab, 'a', 'nope', join(folder, 'no.pcap')), {
      code: 'ERR_PODWIRE_COMMAND_FAILED',
      message: /nope: No such device/,
    })
  })
})
