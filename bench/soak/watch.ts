// What is looked at while traffic runs: the age of sessions, memory, and how busy the machine is.

import { readFileSync } from 'node:fs'
import type { Lab } from '../../src/lab/lab.ts'
import { type Device, memoryMb } from '../device/subjects.ts'
import { every } from './events.ts'
import { type MemorySamples, memorySampleSeconds, type SessionCount } from './result.ts'
import type { Span } from './traffic.ts'

/** Handshakes are at least five seconds apart (WireGuard paper, section 6.1), so that none is missed. */
const pollMs = 2_000

/** Counts the handshakes of some of a device's peers, by public key. */
export async function watchSessions(
  lab: Lab,
  span: Span,
  { host, link }: Device,
  sessions: ReadonlyMap<string, SessionCount>,
): Promise<void> {
  const last = new Map<string, number>()
  await every(span, pollMs, async () => {
    const { stdout } = await lab.exec(host, ['wg', 'show', link, 'latest-handshakes'])
    const now = Date.now() / 1000
    for (const line of stdout.trim().split('\n')) {
      const [key = '', text] = line.split('\t')
      const session = sessions.get(key)
      if (session === undefined) continue
      const time = Number(text)
      const before = last.get(key)
      if (before !== undefined && before !== time) session.rekeys += 1
      last.set(key, time)
      session.oldestSeconds = Math.max(session.oldestSeconds, Math.floor(now - time))
    }
  })
}

export function watchMemory(span: Span, { pid }: Device, { residentMb }: MemorySamples): Promise<void> {
  return every(span, memorySampleSeconds * 1000, async () => {
    residentMb.push(memoryMb(pid, 'VmRSS'))
  })
}

/** Ticks of all cores since the machine started: all, and those in which nothing ran. */
export function machineTicks(): { all: number; idle: number } {
  const ticks = readFileSync('/proc/stat', 'latin1').split('\n')[0]?.trim().split(/\s+/).slice(1, 9).map(Number) ?? []
  return { all: ticks.reduce((sum, one) => sum + one, 0), idle: (ticks[3] ?? 0) + (ticks[4] ?? 0) }
}
