// One peer's timers (paper, section 6) as a pure state machine: (state, event, what the clock and the counters say) gives the
// next state, what to do, and when to look again. There is one deadline for a peer, and none for one that is idle: the engine says
// `active` when data starts to pass and is asked to `rest` when it stopped. Data passing meanwhile costs nothing here: its times are
// read from the engine's counters when the deadline comes, which is never later than the earliest thing that they could ask for.

import type { PeerCounters } from '../native/engine.ts'

const rekeyTimeoutMs = 5_000
const rekeyJitterMs = 334 // up to a third of a second, so that two peers do not start at once for ever
const rekeyAttemptMs = 90_000
const keepaliveTimeoutMs = 10_000
const wipeMs = 3 * 180_000

export interface TimerState {
  /** Persistent keepalive interval; 0 is off. */
  readonly persistentMs: number
  /** Whether the engine watches over data for us: from `active` to `rest`. */
  readonly armed: boolean
  /** A handshake that we started and that is not complete. `nextMs`: when to send the (next) initiation. */
  readonly attempt: { readonly startedMs: number; readonly nextMs: number; readonly tries: number } | undefined
  /** When an initiation or response was last sent. */
  readonly handshakeSentMs: number
  /** When a keepalive was last asked for, or was pointless. */
  readonly keepaliveSentMs: number
  /** When a handshake message came: data sent before it counts as answered. */
  readonly answeredMs: number
  /** When an attempt was given up: what is unanswered then counts again only if more is sent. */
  readonly gaveUpMs: number
  /** When the youngest session was made. */
  readonly sessionMs: number | undefined
  readonly jitterMs: number
}

export type TimerEvent =
  /** The deadline has come. */
  | { readonly kind: 'deadline' }
  | { readonly kind: 'handshakeWanted' }
  | { readonly kind: 'active' }
  /** The initiation that was asked for could not be sent. */
  | { readonly kind: 'unsent' }
  /** The peer has a new endpoint: what could not be sent before may go now. */
  | { readonly kind: 'endpointSet' }
  /** We answered an initiation. */
  | { readonly kind: 'responded' }
  /** Our session is complete: the response came, or the first data after our response. */
  | { readonly kind: 'complete'; readonly initiator: boolean }
  | { readonly kind: 'persistentSet'; readonly seconds: number }

export type TimerAction =
  /** Make and send an initiation; `retry` chooses the local address anew, in case that is the trouble. */
  | { readonly kind: 'initiate'; readonly retry: boolean }
  /** Forget the handshake, drop what was staged for it, and let the next packet ask again. */
  | { readonly kind: 'giveUp' }
  | { readonly kind: 'askAgain' }
  | { readonly kind: 'sendKeepalive' }
  /** Wipe all keys of the peer. */
  | { readonly kind: 'wipe' }
  /** Ask the engine to say `active` again; if data passed since `seenMs` it refuses, which is the event `active`. */
  | { readonly kind: 'rest'; readonly seenMs: number }

export interface TimerInput {
  readonly nowMs: number
  readonly counters: Pick<PeerCounters, 'receivedUnansweredMs' | 'sentUnansweredMs' | 'lastTraversalMs'>
  /** From 0 up to, not including, 1. */
  readonly random: number
}

export interface TimerStep {
  readonly state: TimerState
  readonly actions: readonly TimerAction[]
  /** When to come back with `deadline`; undefined: when something happens. */
  readonly deadlineMs: number | undefined
}

/** A peer that nothing has happened to. */
export function restingTimers(persistentSeconds: number): TimerState {
  return {
    persistentMs: persistentSeconds * 1000,
    armed: false,
    attempt: undefined,
    handshakeSentMs: Number.NEGATIVE_INFINITY,
    keepaliveSentMs: Number.NEGATIVE_INFINITY,
    answeredMs: 0,
    gaveUpMs: 0,
    sessionMs: undefined,
    jitterMs: 0,
  }
}

export function stepTimers(before: TimerState, event: TimerEvent, input: TimerInput): TimerStep {
  const actions: TimerAction[] = []
  let state = take(before, event, input.nowMs, actions)
  state = wipeOldKeys(state, input, actions)
  state = handshake(state, input, actions)
  state = keepalive(state, input, actions)
  state = rest(state, input, actions)
  return { state, actions, deadlineMs: deadline(state, input) }
}

/** What the event itself changes. */
function take(state: TimerState, event: TimerEvent, nowMs: number, actions: TimerAction[]): TimerState {
  switch (event.kind) {
    case 'deadline':
      return state
    case 'active':
      return { ...state, armed: true }
    case 'handshakeWanted':
      return state.attempt === undefined ? { ...state, attempt: startAttempt(state, nowMs) } : state
    case 'unsent':
      return { ...state, handshakeSentMs: Number.NEGATIVE_INFINITY }
    case 'endpointSet': {
      const { attempt } = state
      return attempt === undefined
        ? state
        : { ...state, attempt: { ...attempt, nextMs: startAttempt(state, nowMs).nextMs } }
    }
    case 'responded':
      return { ...state, handshakeSentMs: nowMs, answeredMs: nowMs, sessionMs: nowMs }
    case 'complete':
      // The engine may have asked between our response and its confirmation, when we were trying already.
      if (!event.initiator) actions.push({ kind: 'askAgain' })
      return {
        ...state,
        attempt: undefined,
        answeredMs: nowMs,
        sessionMs: event.initiator ? nowMs : state.sessionMs,
        keepaliveSentMs: event.initiator ? nowMs : state.keepaliveSentMs,
      }
    case 'persistentSet': {
      const persistentMs = event.seconds * 1000
      if (state.persistentMs > 0 || persistentMs === 0) return { ...state, persistentMs }
      actions.push({ kind: 'sendKeepalive' })
      return { ...state, persistentMs, keepaliveSentMs: nowMs }
    }
  }
}

/** Begins a handshake: at once, or when the last message is old enough for another. */
function startAttempt(state: TimerState, nowMs: number): NonNullable<TimerState['attempt']> {
  return { startedMs: nowMs, nextMs: Math.max(nowMs, state.handshakeSentMs + rekeyTimeoutMs), tries: 0 }
}

function wipeOldKeys(state: TimerState, { nowMs }: TimerInput, actions: TimerAction[]): TimerState {
  if (state.sessionMs === undefined || nowMs < state.sessionMs + wipeMs) return state
  actions.push({ kind: 'wipe' })
  return { ...state, sessionMs: undefined }
}

/** Starts a handshake if data went unanswered for 15 s; sends what is due of one that runs, or gives it up. */
function handshake(before: TimerState, input: TimerInput, actions: TimerAction[]): TimerState {
  const { nowMs } = input
  const unanswered = nowMs >= unansweredDueMs(before, input)
  const attempt = before.attempt ?? (unanswered ? startAttempt(before, nowMs) : undefined)
  const state = { ...before, attempt }
  if (attempt === undefined) return state
  if (nowMs >= attempt.startedMs + rekeyAttemptMs) {
    actions.push({ kind: 'giveUp' })
    return { ...state, attempt: undefined, gaveUpMs: nowMs, keepaliveSentMs: nowMs }
  }
  if (nowMs < attempt.nextMs) return state
  const earliestMs = state.handshakeSentMs + rekeyTimeoutMs
  if (nowMs < earliestMs) return { ...state, attempt: { ...attempt, nextMs: earliestMs } } // we answered one meanwhile
  actions.push({ kind: 'initiate', retry: attempt.tries > 0 || unanswered })
  const jitterMs = Math.floor(input.random * rekeyJitterMs)
  return {
    ...state,
    attempt: { ...attempt, nextMs: nowMs + rekeyTimeoutMs + jitterMs, tries: attempt.tries + 1 },
    handshakeSentMs: nowMs,
    jitterMs,
  }
}

/** Sends an empty packet if the peer waits for an answer for 10 s, or the persistent interval has passed in silence. */
function keepalive(state: TimerState, input: TimerInput, actions: TimerAction[]): TimerState {
  if (input.nowMs < Math.min(passiveDueMs(state, input), persistentDueMs(state, input))) return state
  actions.push({ kind: 'sendKeepalive' })
  return { ...state, keepaliveSentMs: input.nowMs }
}

/** Lets the engine forget to watch when all is answered and nothing has passed for a while. */
function rest(state: TimerState, input: TimerInput, actions: TimerAction[]): TimerState {
  const { lastTraversalMs } = input.counters
  const pending = Math.min(unansweredDueMs(state, input), passiveDueMs(state, input))
  if (!state.armed || state.attempt !== undefined || pending !== Number.POSITIVE_INFINITY) return state
  if (input.nowMs < Math.max(lastTraversalMs, state.keepaliveSentMs) + keepaliveTimeoutMs) return state
  actions.push({ kind: 'rest', seenMs: lastTraversalMs })
  return { ...state, armed: false }
}

function deadline(state: TimerState, input: TimerInput): number | undefined {
  const { attempt, sessionMs } = state
  const earliest = Math.min(
    attempt === undefined
      ? unansweredDueMs(state, input)
      : Math.min(attempt.nextMs, attempt.startedMs + rekeyAttemptMs),
    passiveDueMs(state, input),
    persistentDueMs(state, input),
    sessionMs === undefined ? Number.POSITIVE_INFINITY : sessionMs + wipeMs,
    state.armed ? input.nowMs + keepaliveTimeoutMs : Number.POSITIVE_INFINITY,
  )
  return earliest === Number.POSITIVE_INFINITY ? undefined : earliest
}

/** When data has gone unanswered for so long that the peer must have lost its session. */
function unansweredDueMs(state: TimerState, { counters }: TimerInput): number {
  const { sentUnansweredMs, lastTraversalMs } = counters
  const counts = sentUnansweredMs > state.answeredMs && lastTraversalMs > state.gaveUpMs
  if (state.attempt !== undefined || !counts) return Number.POSITIVE_INFINITY
  return Math.max(sentUnansweredMs, state.gaveUpMs) + keepaliveTimeoutMs + rekeyTimeoutMs + state.jitterMs
}

/** When the peer must hear from us because of data that it sent. */
function passiveDueMs(state: TimerState, { counters }: TimerInput): number {
  const { receivedUnansweredMs } = counters
  const counts = receivedUnansweredMs > 0 && receivedUnansweredMs > state.keepaliveSentMs
  return counts ? receivedUnansweredMs + keepaliveTimeoutMs : Number.POSITIVE_INFINITY
}

/** When the persistent interval ends; a handshake under way is as good as a keepalive. */
function persistentDueMs(state: TimerState, { counters }: TimerInput): number {
  if (state.persistentMs === 0 || state.attempt !== undefined) return Number.POSITIVE_INFINITY
  return Math.max(counters.lastTraversalMs, state.keepaliveSentMs, state.handshakeSentMs) + state.persistentMs
}
