// The timers of section 6 of the paper, run in simulated time against counters as the engine keeps them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { restingTimers, stepTimers, type TimerEvent } from '../../../src/wireguard/timers.ts'

const startMs = 1_000_000

/** One peer's timers with a clock, counters, and a log of what they asked for: [seconds since start, action]. */
class Simulation {
  nowMs = startMs
  random = 0
  /** Whether a session exists: keepalives pass only then. */
  session = true
  readonly counters = { receivedUnansweredMs: 0, sentUnansweredMs: 0, lastTraversalMs: 0 }
  log: [seconds: number, action: string][] = []
  steps = 0
  deadlineMs: number | undefined
  #state

  constructor(persistentSeconds = 0) {
    this.#state = restingTimers(0)
    if (persistentSeconds > 0) this.event({ kind: 'persistentSet', seconds: persistentSeconds })
  }

  event(event: TimerEvent): void {
    const { nowMs, counters, random } = this
    const { state, actions, deadlineMs } = stepTimers(this.#state, event, { nowMs, counters, random })
    this.steps += 1
    this.#state = state
    this.deadlineMs = deadlineMs
    for (const action of actions) {
      const name = action.kind === 'initiate' && action.retry ? 'initiate again' : action.kind
      this.log.push([(nowMs - startMs) / 1000, name])
      if (action.kind === 'initiate' || (action.kind === 'sendKeepalive' && this.session)) this.#spoke()
      if (action.kind === 'rest' && counters.lastTraversalMs > action.seenMs) this.event({ kind: 'active' })
    }
  }

  /** Lets time pass, coming back at each deadline. */
  until(seconds: number): this {
    const endMs = startMs + seconds * 1000
    while (this.deadlineMs !== undefined && this.deadlineMs <= endMs) {
      assert.ok(this.steps < 10_000, 'the timers run in a circle')
      this.nowMs = Math.max(this.nowMs, this.deadlineMs)
      this.event({ kind: 'deadline' })
    }
    this.nowMs = endMs
    return this
  }

  sendData(): void {
    if (this.counters.sentUnansweredMs === 0) this.counters.sentUnansweredMs = this.nowMs
    this.#spoke()
    this.event({ kind: 'active' })
  }

  receiveData(): void {
    this.counters.sentUnansweredMs = 0
    if (this.counters.receivedUnansweredMs === 0) this.counters.receivedUnansweredMs = this.nowMs
    this.counters.lastTraversalMs = this.nowMs
    this.event({ kind: 'active' })
  }

  complete(initiator = true): void {
    this.session = true
    this.event({ kind: 'complete', initiator })
  }

  of(...names: string[]): number[] {
    return this.log.filter(([, name]) => names.includes(name)).map(([seconds]) => seconds)
  }

  #spoke(): void {
    this.counters.receivedUnansweredMs = 0
    this.counters.lastTraversalMs = this.nowMs
  }
}

test('timers: an untouched peer has no deadline', () => {
  const peer = new Simulation()
  peer.event({ kind: 'deadline' })
  assert.equal(peer.deadlineMs, undefined)
  assert.deepEqual(peer.log, [])
})

test('paper 6.2, 6.4: a handshake starts when it is wanted, is sent again after 5 s, and given up after 90 s', () => {
  const peer = new Simulation()
  peer.event({ kind: 'handshakeWanted' })
  peer.until(300)
  assert.deepEqual(peer.of('initiate'), [0])
  assert.deepEqual(
    peer.of('initiate again'),
    Array.from({ length: 17 }, (_, i) => 5 * (i + 1)),
  )
  assert.deepEqual(peer.of('giveUp'), [90])
  assert.equal(peer.deadlineMs, undefined)
  peer.event({ kind: 'handshakeWanted' })
  assert.deepEqual(peer.of('initiate'), [0, 300])
})

test('paper 6.1: up to a third of a second of jitter is added to the 5 s', () => {
  const peer = new Simulation()
  peer.random = 0.999999
  peer.event({ kind: 'handshakeWanted' })
  peer.until(20)
  assert.deepEqual(peer.of('initiate', 'initiate again'), [0, 5.333, 10.666, 15.999])
})

test('paper 6.1: two initiations are never closer than 5 s, whatever wants them', () => {
  const peer = new Simulation()
  peer.event({ kind: 'handshakeWanted' })
  peer.complete()
  peer.until(2)
  peer.event({ kind: 'handshakeWanted' })
  peer.event({ kind: 'handshakeWanted' })
  peer.until(4.999)
  assert.deepEqual(peer.of('initiate', 'initiate again'), [0])
  peer.until(5)
  assert.deepEqual(peer.of('initiate'), [0, 5])
})

test('paper 6.2: a session wanted anew at 120, 165 or 180 s begins its handshake at once, and nothing else', () => {
  for (const seconds of [120, 165, 180]) {
    const peer = new Simulation()
    peer.complete()
    peer.until(seconds)
    peer.event({ kind: 'handshakeWanted' })
    assert.deepEqual(peer.log, [[seconds, 'initiate']])
  }
})

test('paper 6.4: the response ends the attempt', () => {
  const peer = new Simulation()
  peer.event({ kind: 'handshakeWanted' })
  peer.until(6)
  peer.complete()
  peer.until(100)
  assert.deepEqual(peer.of('initiate', 'initiate again', 'giveUp'), [0, 5])
})

test('timers: after our response to an initiation we do not start our own, and the confirmation ends the attempt', () => {
  const peer = new Simulation()
  peer.event({ kind: 'responded' })
  peer.event({ kind: 'handshakeWanted' })
  peer.until(0.1)
  peer.complete(false)
  peer.until(100)
  assert.deepEqual(peer.log, [[0.1, 'askAgain']])
})

test('timers: without confirmation our own initiation follows 5 s after the response', () => {
  const peer = new Simulation()
  peer.event({ kind: 'responded' })
  peer.event({ kind: 'handshakeWanted' })
  peer.until(7)
  assert.deepEqual(peer.of('initiate'), [5])
})

test('timers: an initiation under way waits when we have answered one meanwhile', () => {
  const peer = new Simulation()
  peer.event({ kind: 'handshakeWanted' })
  peer.until(3)
  peer.event({ kind: 'responded' })
  peer.until(9)
  assert.deepEqual(peer.of('initiate', 'initiate again'), [0, 8])
})

test('timers: what could not be sent is sent when the peer gets an endpoint', () => {
  const peer = new Simulation()
  peer.event({ kind: 'handshakeWanted' })
  peer.event({ kind: 'unsent' })
  peer.until(1)
  peer.event({ kind: 'endpointSet' })
  assert.deepEqual(peer.of('initiate'), [0])
  assert.deepEqual(peer.of('initiate again'), [1])
  peer.event({ kind: 'endpointSet' })
  assert.equal(peer.of('initiate again').length, 1, 'a second one follows too soon')
})

test('paper 6.5: data with no answer for 15 s means a new handshake', () => {
  const peer = new Simulation()
  peer.complete()
  peer.until(20)
  peer.sendData()
  peer.until(30)
  peer.sendData()
  peer.until(34.999)
  assert.deepEqual(peer.of('initiate', 'initiate again'), [])
  peer.until(36)
  assert.deepEqual(peer.of('initiate again'), [35])
})

test('paper 6.5: an answer of any kind within the 15 s, and there is none', () => {
  const peer = new Simulation()
  peer.complete()
  peer.sendData()
  peer.until(14)
  peer.receiveData()
  peer.until(200)
  assert.deepEqual(peer.of('initiate', 'initiate again'), [])
})

test('paper 6.5: data that stays unanswered starts one attempt, and another only if more is sent after it', () => {
  const peer = new Simulation()
  peer.complete()
  peer.until(1)
  peer.sendData()
  peer.until(200)
  assert.deepEqual(peer.of('giveUp'), [106])
  assert.equal(peer.of('initiate', 'initiate again').length, 18)
  peer.sendData()
  peer.until(216)
  assert.equal(peer.of('initiate again').at(-1), 215)
})

test('paper 6.5: data received and nothing to say: an empty packet after 10 s, once', () => {
  const peer = new Simulation()
  peer.complete()
  peer.until(3)
  peer.receiveData()
  peer.until(5)
  peer.receiveData()
  peer.until(100)
  assert.deepEqual(peer.of('sendKeepalive'), [13])
})

test('paper 6.5: no empty packet if data was sent after what was received', () => {
  const peer = new Simulation()
  peer.complete()
  peer.receiveData()
  peer.until(9.9)
  peer.sendData()
  peer.until(14)
  assert.deepEqual(peer.of('sendKeepalive'), [])
})

test('paper 6.5: data that comes while another waits for its answer is seen in time', () => {
  const peer = new Simulation()
  peer.complete()
  peer.until(1)
  peer.sendData()
  peer.until(2)
  peer.counters.sentUnansweredMs = 0 // the engine says nothing more: it is armed already
  peer.counters.receivedUnansweredMs = peer.nowMs
  peer.counters.lastTraversalMs = peer.nowMs
  peer.until(100)
  assert.deepEqual(peer.of('sendKeepalive'), [12])
})

test('timers: persistent keepalive: at once when switched on, then after each interval of silence', () => {
  const peer = new Simulation(25)
  peer.until(80)
  assert.deepEqual(peer.of('sendKeepalive'), [0, 25, 50, 75])
  peer.until(90)
  peer.sendData()
  peer.until(92)
  peer.receiveData()
  peer.sendData()
  peer.receiveData()
  peer.until(128)
  assert.deepEqual(peer.of('sendKeepalive').slice(4), [102, 127])
})

test('timers: persistent keepalive: a change of the interval sends nothing at once; off is off', () => {
  const peer = new Simulation(25)
  peer.until(10)
  peer.event({ kind: 'persistentSet', seconds: 15 })
  peer.until(16)
  assert.deepEqual(peer.of('sendKeepalive'), [0, 15])
  peer.event({ kind: 'persistentSet', seconds: 0 })
  assert.equal(peer.deadlineMs, undefined)
})

test('timers: persistent keepalive goes on after a handshake was given up', () => {
  const peer = new Simulation()
  peer.session = false
  peer.event({ kind: 'persistentSet', seconds: 20 })
  peer.event({ kind: 'handshakeWanted' })
  peer.until(131)
  assert.deepEqual(peer.of('giveUp'), [90])
  assert.deepEqual(peer.of('sendKeepalive'), [0, 110, 130])
})

test('paper 6.3: keys are wiped 540 s after the last session was made', () => {
  for (const make of [(peer: Simulation) => peer.complete(), (peer: Simulation) => peer.event({ kind: 'responded' })]) {
    const peer = new Simulation()
    make(peer)
    peer.until(100)
    make(peer)
    peer.until(639.999)
    assert.deepEqual(peer.of('wipe'), [])
    peer.until(2000)
    assert.deepEqual(peer.of('wipe'), [640])
    assert.equal(peer.deadlineMs, undefined)
  }
})

test('timers: when nothing passes any more the engine is asked to rest, and no deadline but the wipe is left', () => {
  const peer = new Simulation()
  peer.complete()
  peer.sendData()
  peer.until(1)
  peer.receiveData()
  peer.until(30)
  assert.deepEqual(peer.log, [
    [11, 'sendKeepalive'],
    [21, 'rest'],
  ])
  assert.equal(peer.deadlineMs, startMs + 540_000)
})

test('timers: data both ways all the time costs one look each 10 s', () => {
  const peer = new Simulation()
  peer.complete()
  peer.sendData()
  const before = peer.steps
  for (let tenths = 1; tenths <= 1000; tenths++) {
    peer.counters.sentUnansweredMs = 0
    peer.counters.receivedUnansweredMs = 0
    peer.counters.lastTraversalMs = startMs + tenths * 100
    peer.until(tenths / 10)
  }
  assert.ok(peer.steps - before <= 11, `${peer.steps - before} steps`)
  assert.deepEqual(peer.log, [])
})

test('timers: a refusal to rest, because data passed at that moment, leaves them armed', () => {
  const input = {
    nowMs: startMs,
    counters: { receivedUnansweredMs: 0, sentUnansweredMs: 0, lastTraversalMs: 7 },
    random: 0,
  }
  const { state, actions } = stepTimers({ ...restingTimers(0), armed: true }, { kind: 'deadline' }, input)
  assert.deepEqual(actions, [{ kind: 'rest', seenMs: 7 }])
  const counters = { ...input.counters, lastTraversalMs: startMs }
  const again = stepTimers(state, { kind: 'active' }, { ...input, counters })
  assert.deepEqual(again.actions, [])
  assert.equal(again.deadlineMs, startMs + 10_000)
})
