import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough, Writable } from 'node:stream'
import { test } from 'node:test'
import { ChangeLog } from '../../../src/server/change-log.ts'
import type { ServerState } from '../../../src/server/state.ts'
import { serveWatch } from '../../../src/server/watchers.ts'

test('watchers: one that does not read is let go before what waits for it is much', () => {
  const log = new ChangeLog()
  const state = { records: { log, list: () => [] } } as unknown as ServerState
  // It takes the first line, and then no more.
  const response = Object.assign(new Writable({ write() {} }), { writeHead() {} })
  const socket = new PassThrough()
  const request = Object.assign(new PassThrough(), { socket })
  serveWatch(
    state,
    { kind: 'root' },
    {
      request: request as unknown as IncomingMessage,
      response: response as unknown as ServerResponse,
      from: undefined,
      timing: { beatMs: 60_000, silentMs: 60_000 },
    },
  )
  const name = 'n'.repeat(10_000)
  for (let i = 0; i < 500; i++) log.append({ kind: 'nodeGone', name })
  assert.ok(!socket.destroyed, '5 MB may wait')
  for (let i = 0; i < 500; i++) log.append({ kind: 'nodeGone', name })
  assert.ok(socket.destroyed)
  assert.ok(response.writableLength < 9 << 20, `${response.writableLength} bytes wait`)
  response.emit('close') // as that of a connection that is destroyed
})
