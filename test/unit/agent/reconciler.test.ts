import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Reconciler } from '../../../src/agent/reconciler.ts'
import type { Log } from '../../../src/base/log.ts'

/** A log that keeps its lines. */
function keepingLog(): { log: Log; lines: string[] } {
  const lines: string[] = []
  const say = (_: unknown, text: string) => void lines.push(text)
  return { lines, log: { debug: say, info: say, warn: say, error: say } }
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 5_000; !condition(); await delay(1)) {
    assert.ok(performance.now() < deadline, 'not within 5 s')
  }
}

test('reconciler: works at once, once for a burst, and never twice at the same time', async () => {
  const reconciler = new Reconciler()
  const ending = new AbortController()
  const { log } = keepingLog()
  let rounds = 0
  let running = 0
  let release = () => {}
  const work = async () => {
    assert.equal(++running, 1)
    rounds++
    await new Promise<void>(resolve => {
      release = resolve
    })
    running--
  }
  const done = reconciler.run({ work, log, signal: ending.signal })
  await until(() => rounds === 1)
  for (let i = 0; i < 100; i++) reconciler.ask()
  release()
  await until(() => rounds === 2)
  release()
  await delay(200)
  assert.equal(rounds, 2)
  reconciler.ask()
  await until(() => rounds === 3)
  release()
  ending.abort()
  await done
})

test('reconciler: a failure is said and tried again by itself, and being asked does not hurry it', async () => {
  const reconciler = new Reconciler()
  const ending = new AbortController()
  const { log, lines } = keepingLog()
  const times: number[] = []
  const work = async () => {
    times.push(performance.now())
    if (times.length > 3) return
    reconciler.ask()
    throw new Error('the kernel said no')
  }
  const done = reconciler.run({ work, log, signal: ending.signal, retryMs: { least: 20, most: 40 } })
  await until(() => lines.includes('applied, after failures'))
  ending.abort()
  await done
  assert.equal(lines.filter(line => line === 'failed, will retry: the kernel said no').length, 3)
  for (let i = 1; i <= 3; i++) assert.ok((times[i] ?? 0) - (times[i - 1] ?? 0) >= 9)
})

test('reconciler: works again after a time though nobody asks, and ends at once on the signal', async () => {
  const reconciler = new Reconciler()
  const ending = new AbortController()
  let rounds = 0
  const work = async () => void rounds++
  const done = reconciler.run({ work, log: keepingLog().log, signal: ending.signal, atLeastEveryMs: 5 })
  await until(() => rounds > 3)
  ending.abort()
  await done
})
