import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exec } from '../../../src/base/exec.ts'

test('exec: passes input and returns what was printed', async () => {
  assert.deepEqual(await exec(['cat'], { input: 'x' }), { stdout: 'x', stderr: '' })
})

test('exec: a missing program and a failing one say so', async () => {
  await assert.rejects(exec(['podwire-no-such-program']), {
    code: 'ERR_PODWIRE_TOOL_MISSING',
    hint: /apt-get install podwire-no-such-program/,
  })
  await assert.rejects(exec(['sh', '-c', 'echo broken >&2; exit 7']), {
    code: 'ERR_PODWIRE_COMMAND_FAILED',
    message: /status 7: broken/,
  })
  await assert.rejects(exec(['sh', '-c', 'kill -9 $$']), { message: /signal SIGKILL: it printed nothing/ })
})
