// The server killed at any of its writes: what it acknowledged is there, nothing is half there, and the rest can be done after.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Routes } from '../../../src/server/routes.ts'
import { createServerState, openServerState } from '../../../src/server/state.ts'
import { testNetwork } from '../store/conformance.ts'
import { nodeKey, steps } from './crash-steps.ts'
import { silent } from './harness.ts'

const program = fileURLToPath(new URL('crash-process.js', import.meta.url))
const killer = new URL('../../lab/killed-writing.js', import.meta.url).href

interface Run {
  /** How many steps were acknowledged. */
  readonly done: number
  readonly wasKilled: boolean
}

/** Carries out the steps until the `killedAt`th write. */
async function carryOut(folder: string, secret: string, killedAt: number): Promise<Run> {
  const args = ['--import', killer, program, folder, secret]
  const env = { ...process.env, KILLED_AT: String(killedAt) }
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'ignore'] })
  let said = ''
  child.stdout.on('data', chunk => {
    said += chunk
  })
  const [code, signal] = await once(child, 'close')
  assert.ok(code === 0 || signal === 'SIGKILL', `it ended with ${code ?? signal}`)
  return { done: said.split('\n').length - 1, wasKilled: signal === 'SIGKILL' }
}

/** All that a state holds, but for times and what is random. */
async function contentsOf(folder: string) {
  const { records, identities, tokens } = await openServerState(folder)
  const identity = identities.of(nodeKey)
  return {
    list: records.list().map(change => (change.kind === 'removal' ? change.removal.publicKey : change)),
    identity: identity && { node: identity.node, isRemoved: identity.removedMs !== undefined },
    tokens: tokens.list().map(({ usedBy }) => usedBy),
  }
}

test('server state: killed at any write, it holds what was acknowledged, and the rest can be done after', {
  timeout: 120_000,
}, async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'podwire-crash-'))
  try {
    const fresh = join(scratch, 'fresh')
    await createServerState(fresh, { address: 'server:https://127.0.0.1:1', network: testNetwork })
    const { secret } = await (await openServerState(fresh)).tokens.create({})
    const count = steps(secret).length

    // What is there after each step, by one that is not killed.
    const states = [await contentsOf(fresh)]
    const whole = join(scratch, 'whole')
    await cp(fresh, whole, { recursive: true })
    const routes = new Routes(await openServerState(whole), silent)
    for (const { caller, request } of steps(secret)) {
      await routes.answer(caller, request)
      states.push(await contentsOf(whole))
    }

    const killed = async (at: number) => {
      const folder = join(scratch, String(at))
      await cp(fresh, folder, { recursive: true })
      const { done, wasKilled } = await carryOut(folder, secret, at)
      const found = await contentsOf(folder)
      // A join and a removal write more than one file: what of them is there must let them be finished.
      const isBetween = done === 0 || done === count - 1
      const isWhole = [states[done], states[done + 1]].some(state => JSON.stringify(state) === JSON.stringify(found))
      assert.ok(isWhole || isBetween, `killed at write ${at}, after step ${done}: ${JSON.stringify(found)}`)
      const again = new Routes(await openServerState(folder), silent)
      for (const { caller, request } of steps(secret).slice(done)) await again.answer(caller, request)
      // A token that was made but not acknowledged is one more.
      const { tokens: _, ...end } = await contentsOf(folder)
      const { tokens: __, ...expected } = states[count] ?? assert.fail()
      assert.deepEqual(end, expected, `killed at write ${at}`)
      await rm(folder, { recursive: true })
      return wasKilled
    }
    // Every third write, four at a time, until there are no more.
    for (let at = 1; ; at += 12) {
      // All have ended before their folder goes, also when one fails.
      const ended = await Promise.allSettled([0, 3, 6, 9].map(more => killed(at + more)))
      const results = ended.map(result => {
        if (result.status === 'rejected') throw result.reason
        return result.value
      })
      if (at === 1) assert.ok(results.every(Boolean))
      if (results.includes(false)) break
    }
  } finally {
    await rm(scratch, { recursive: true })
  }
})
