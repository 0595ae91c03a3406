// What happens to the devices while traffic runs: a's device moves to other ports and addresses, and b gets and loses peers.

import { setTimeout as delay } from 'node:timers/promises'
import type { PublicKey } from '../../src/base/key.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { generatePrivateKey, publicKeyOf } from '../../src/wireguard/keys.ts'
import { outer } from '../device/lab.ts'
import { type Device, setUapi } from '../device/subjects.ts'
import type { Counts } from './result.ts'
import type { Span } from './traffic.ts'

const roamSeconds = 30
/** Not with a piece of traffic's beginning. */
const firstRoamSeconds = 15
/** Ten times a second: Node.js's heap is at its full size after some five thousand turns, well before memory is judged. */
const churn = { peers: 200, aTurn: 5, everyMs: 100 } as const
/**
 * a's addresses in turn. Their prefixes differ, so that taking one away leaves the route by the other alone: only the device
 * is asked to move, not every socket of the host.
 */
const addresses = [`${outer.a}/24`, '192.0.2.11/25'] as const

/** Runs something `everyMs` until the end. */
export async function every({ endMs }: Span, everyMs: number, run: (turn: number) => Promise<void>): Promise<void> {
  const startMs = Date.now()
  for (let turn = 0; ; turn++) {
    await run(turn)
    const nextMs = Math.max(Date.now(), startMs + (turn + 1) * everyMs)
    if (nextMs >= endMs) return
    await delay(nextMs - Date.now())
  }
}

/** Every time another port; every second time another address too. */
export async function roam(lab: Lab, span: Span, { link, port }: Device, events: Counts['events']): Promise<void> {
  await delay(firstRoamSeconds * 1000)
  await every(span, roamSeconds * 1000, async turn => {
    await lab.exec('a', ['wg', 'set', link, 'listen-port', `${port + 100 + (turn % 50)}`])
    events.portChanges += 1
    if (turn % 2 === 0) return
    const [old, next] = events.addressChanges % 2 === 0 ? addresses : [addresses[1], addresses[0]]
    await lab.exec('a', ['ip', 'address', 'add', next, 'dev', 'wire'])
    await lab.exec('a', ['ip', 'address', 'del', old, 'dev', 'wire'])
    events.addressChanges += 1
  })
}

/** Half of the extra peers are there at a time; ten times a second a few come and the oldest go. */
export async function churnPeers(
  span: Span,
  device: Pick<Device, 'pid' | 'link'>,
  events: Counts['events'],
): Promise<void> {
  const keys = Array.from({ length: churn.peers }, () => publicKeyOf(generatePrivateKey()))
  const there: number[] = []
  await every(span, churn.everyMs, async turn => {
    const added = Array.from({ length: churn.aTurn }, (_, i) => (turn * churn.aTurn + i) % churn.peers)
    there.push(...added)
    const removed = there.length > churn.peers / 2 ? there.splice(0, churn.aTurn) : []
    const lines = [
      ...added.map(i => `public_key=${hexOf(keys[i])}\nreplace_allowed_ips=true\nallowed_ip=10.98.0.${i}/32\n`),
      ...removed.map(i => `public_key=${hexOf(keys[i])}\nremove=true\n`),
    ]
    await setUapi(device, lines.join(''))
    events.peersAdded += added.length
    events.peersRemoved += removed.length
  })
}

export function hexOf(key: PublicKey | undefined): string {
  return Buffer.from(key ?? '', 'base64').toString('hex')
}
