// Answers watches: all there is, or what changed since the caller's last place, and then each change as it is made. Both ends
// send an empty line now and then, so that each notices when the other is gone. A caller that does not read, or whose node was
// removed, is let go.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { formatLine } from '../store/watch-lines.ts'
import { errorBody } from './respond.ts'
import { type Caller, nodeOf } from './routes.ts'
import type { ServerState } from './state.ts'

export interface WatchTiming {
  readonly beatMs: number
  /** After so long without a sign of the caller it is gone. */
  readonly silentMs: number
}

/** What may wait for a caller that reads slowly. */
const maxWaiting = 8 << 20

export function serveWatch(
  state: ServerState,
  caller: Caller,
  { request, response, from, timing }: WatchRequest,
): void {
  const { log } = state.records
  const since = from === undefined ? undefined : log.since(from)
  const lines = since ?? state.records.list().map(formatLine)
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  response.write(formatLine({ kind: since === undefined ? 'list' : 'resumed' }))
  for (const line of lines) response.write(line)
  response.write(formatLine({ kind: 'inSync', at: log.at }))

  const beat = setInterval(() => say('\n'), timing.beatMs)
  const silence = setTimeout(() => request.socket.destroy(), timing.silentMs)
  const unfollow = log.follow(say)
  request.on('data', () => silence.refresh()).on('error', () => {})
  request.on('end', () => response.end())
  response
    .on('error', () => {})
    .on('close', () => {
      clearInterval(beat)
      clearTimeout(silence)
      unfollow()
    })

  function say(line: string): void {
    if (response.writableEnded) return
    if (response.writableLength > maxWaiting) request.socket.destroy()
    else if (line !== '') response.write(line)
    endIfRemoved()
  }

  /** A removal is said before the identity goes. */
  function endIfRemoved(): void {
    try {
      nodeOf(state, caller)
    } catch (error) {
      response.end(formatLine({ kind: 'error', ...errorBody(error) }))
    }
  }
}

interface WatchRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The place of an earlier watch. */
  readonly from: string | undefined
  readonly timing: WatchTiming
}
