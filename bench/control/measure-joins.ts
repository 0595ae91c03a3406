// A node joins on host b: a new name and key, no device, an agent that starts. Host a pings its address all the while; what is
// measured ends when the first answer is back.

import { createInterface } from 'node:readline'
import type { Lab } from '../../src/lab/lab.ts'
import { AgentProcess, deleteDevice } from './agent-process.ts'
import { type ControlBench, take } from './bench.ts'
import { until } from './lab.ts'
import { addressAt, claimsOf, places } from './nodes.ts'

/** Between two pings: as much may be missing in what is measured. */
const pingSeconds = 0.01

export async function measureJoins(bench: ControlBench): Promise<void> {
  for (let round = 0; round < bench.settings.joins; round++) {
    const answeredMs = await joinAnew(bench)
    const { time } = await bench.b.said('own record written')
    take(bench, 'joinMs', answeredMs - time)
    take(bench, 'joinFromStartMs', answeredMs - bench.b.startedMs)
  }
}

/** The node of b leaves, and another one joins there; when it first answered a, as milliseconds since 1970. */
async function joinAnew(bench: ControlBench): Promise<number> {
  const { lab, store, backend, b } = bench
  await b.end('SIGTERM')
  await deleteDevice(lab, 'b')
  await store.remove([b.name])
  await claimNext(bench)
  const answer = firstAnswer(lab, bench.peerAddress)
  bench.b = new AgentProcess({ lab, store, host: 'b', name: nameOf(bench), backend })
  return await answer
}

const nameOf = ({ joined }: Pick<ControlBench, 'joined'>) => `b${joined}`

/** Claims the prefixes of the next node, so that its address is known before it is there. */
async function claimNext(bench: ControlBench): Promise<void> {
  bench.joined += 1
  const place = places.joining + bench.joined
  await bench.store.put([], claimsOf(nameOf(bench), place))
  bench.peerAddress = addressAt(place)
}

/** Starts the first peer on b, which a pings once to be sure. */
export async function startPeer(bench: Omit<ControlBench, 'b'>): Promise<AgentProcess> {
  const { lab, store, backend } = bench
  await until('a has its address', async () =>
    (await lab.exec('a', ['ip', '-br', 'address'])).stdout.includes(` ${addressAt(places.real)}/`),
  )
  await claimNext(bench as ControlBench)
  const answer = firstAnswer(lab, bench.peerAddress)
  const b = new AgentProcess({ lab, store, host: 'b', name: nameOf(bench), backend })
  await answer
  return b
}

/** Pings an address from a until there is an answer: when the first came back, as milliseconds since 1970. */
async function firstAnswer(lab: Lab, address: string): Promise<number> {
  // With a source it does not ask for a route first, and goes on while there is none.
  const command = ['ping', '-n', '-D', '-I', addressAt(places.real), '-i', `${pingSeconds}`, address] as const
  const ping = lab.spawn('a', command, { stdio: ['ignore', 'pipe', 'ignore'] })
  if (ping.stdout === null) throw new Error('ping has no output')
  let atMs: number | undefined
  createInterface({ input: ping.stdout }).on('line', line => {
    const [, seconds] = /^\[([\d.]+)\] \d+ bytes from/.exec(line) ?? []
    if (seconds !== undefined) atMs ??= Number(seconds) * 1000
  })
  try {
    await until(`${address} answers`, () => atMs !== undefined || ping.exitCode !== null)
  } finally {
    ping.kill()
  }
  if (atMs === undefined) throw new Error(`ping of ${address} from a ended with status ${ping.exitCode}`)
  return atMs
}
