// What other programs' rules do with the traffic that this host forwards for its containers: said when it is dropped, let through
// when that was asked for. They rewrite their rules when it suits them, so that it is looked at again and again.

import { reasonOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { firewallTable } from '../model/host-state.ts'
import { insertAccepts, observeForwardChains, removeAccepts } from '../system/forward-rules.ts'

/** A look costs two or three runs of nft. */
const lookEveryMs = 30_000

interface Forwarding {
  readonly device: string
  /** Whether to insert accepts into the rules of others; if not, those of an earlier run go. */
  readonly accept: boolean
  readonly log: Log
}

/** Looks now and then until the signal. What fails is logged, and tried again. */
export function watchForwarding(forwarding: Forwarding, signal: AbortSignal): void {
  let said = ''
  let isLooking = false
  const say = (level: 'warn' | 'info', message: string, values: Record<string, unknown>) => {
    const text = JSON.stringify([message, values])
    if (text !== said) forwarding.log[level](values, message)
    said = text
  }
  const work = async () => {
    if (isLooking) return
    isLooking = true
    try {
      await look(forwarding, say)
    } catch (error) {
      say('warn', 'whether others drop what is forwarded could not be seen', { reason: reasonOf(error) })
    }
    isLooking = false
  }
  void work()
  const timer = setInterval(() => void work(), lookEveryMs)
  timer.unref()
  signal.addEventListener('abort', () => clearInterval(timer))
}

async function look(
  { device, accept }: Forwarding,
  say: (level: 'warn' | 'info', message: string, values: Record<string, unknown>) => void,
): Promise<void> {
  if (!accept) await removeAccepts(device)
  const closed = (await observeForwardChains()).filter(
    ({ accepts }) => !accepts.some(({ table }) => table === firewallTable(device)),
  )
  if (closed.length === 0) return
  const chains = closed.map(({ name, by }) => (by === undefined ? name : `${name} (${by})`))
  if (accept) {
    await insertAccepts(closed, device)
    say('info', 'accepts inserted, so that what is forwarded for containers passes', { chains })
    return
  }
  const hint = '--accept-forward inserts accepts'
  say('warn', 'rules of others drop what is forwarded, and so what containers send', { chains, hint })
}
