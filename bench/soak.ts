// `npm run bench -- soak`: an hour of everything at once. It fails if a session is lost, if memory grows after the first ten
// minutes, or if a flow is reordered.
//
//   a (podwire) ── TCP both ways, UDP, ping ── b (podwire) ── UDP, ping ── c (wireguard-go)
//   a changes its port and its address                b gets and loses peers

import { mkdirSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import type { Lab } from '../src/lab/lab.ts'
import { generatePrivateKey, publicKeyOf } from '../src/wireguard/keys.ts'
import { deviceMtu, ours, reference } from './device/conditions.ts'
import { attacked, startBenchLab, until } from './device/lab.ts'
import { findPrograms, root } from './device/programs.ts'
import { type Device, publicKeys, setUapi, startSubject } from './device/subjects.ts'
import { machine } from './machine.ts'
import { churnPeers, every, hexOf, roam } from './soak/events.ts'
import { type Counts, formatProgress, formatSoak, judge, type SessionCount, type SoakResult } from './soak/result.ts'
import { runPing, runTcp, runUdp, type Span, udpPerSecond, udpSizes } from './soak/traffic.ts'
import { machineTicks, watchMemory, watchSessions } from './soak/watch.ts'

const wholeMinutes = 60
const tcpMbit = { forth: 300, back: 100 }
const progressSeconds = 30

export interface SoakOptions {
  readonly minutes?: number
}

export async function benchSoak({ minutes = wholeMinutes }: SoakOptions): Promise<void> {
  if (!(minutes >= 0.5 && minutes <= 24 * 60)) throw new Error('--minutes is 0.5 to 1440')
  const programs = findPrograms({ quick: true })
  const [podwire, wireguardGo] = [ours, reference].map(wanted => programs.find(({ name }) => name === wanted))
  if (podwire === undefined || wireguardGo === undefined) throw new Error('the soak needs podwire and wireguard-go')
  const versions = { [ours]: await podwire.version(), [reference]: await wireguardGo.version() }

  await using lab = await startBenchLab()
  const { devices, target } = await startSubject(lab, podwire, 1)
  const [a, b] = devices
  if (a === undefined || b === undefined) throw new Error('no devices')
  const c = await joinThird(lab, wireguardGo.command, b)

  const ticksBefore = machineTicks()
  const span: Span = { endMs: Date.now() + minutes * 60_000 }
  const counts = await runAll(lab, span, { a, b, thirdKey: c, target })
  const ticks = machineTicks()
  const busy = 1 - (ticks.idle - ticksBefore.idle) / (ticks.all - ticksBefore.all)

  const warmUpMinutes = Math.min(10, minutes / 6)
  const result: SoakResult = {
    conditions: {
      ...machine(),
      minutes,
      warmUpMinutes,
      versions,
      tcpMbit,
      udpPerSecond,
      udpSizes,
      busyPercent: Math.round(busy * 100),
    },
    ...counts,
    criteria: judge(counts, { minutes, warmUpMinutes }),
  }
  console.log(formatSoak(result))
  // What is committed is a whole run; a shorter one goes beside it.
  const folder = `${root}bench/results${minutes >= wholeMinutes ? '' : '/quick'}`
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/soak.json`, `${JSON.stringify(result, null, 2)}\n`)
  console.error(`wrote ${relative(process.cwd(), folder)}/soak.json`)
  if (result.criteria.some(({ held }) => !held)) process.exitCode = 1
}

/** wireguard-go on c as a peer of b; resolves to its public key. */
async function joinThird(lab: Lab, command: readonly [string, ...string[]], b: Device): Promise<string> {
  const { link, port } = b
  const address = b.address.replace(/\d+$/, '3')
  const key = generatePrivateKey()
  const child = lab.spawn('c', [...command, link], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, LOG_LEVEL: 'error', WG_PROCESS_FOREGROUND: '1' },
  })
  if (child.pid === undefined) throw new Error('wireguard-go did not start')
  const { pid } = child
  await until('wireguard-go serves its socket on c', () => lab.exec('c', ['wg', 'show', link]))
  await setUapi(b, `public_key=${hexOf(publicKeyOf(key))}\nallowed_ip=${address}/32\n`)
  const peer = `public_key=${hexOf(publicKeys.b)}\nendpoint=${attacked}:${port}\nallowed_ip=${b.address}/32\n`
  const privateHex = Buffer.from(key.bytes).toString('hex')
  await setUapi({ pid, link }, `private_key=${privateHex}\nlisten_port=${port}\n${peer}`)
  await lab.exec('c', ['ip', 'address', 'add', `${address}/24`, 'dev', link])
  await lab.exec('c', ['ip', 'link', 'set', link, 'mtu', `${deviceMtu}`, 'up'])
  await until('wireguard-go passes a ping', () => lab.exec('c', ['ping', '-c1', '-W1', b.address]))
  return publicKeyOf(key)
}

/** Everything at once, until the end. */
async function runAll(
  lab: Lab,
  span: Span,
  { a, b, thirdKey, target }: { a: Device; b: Device; thirdKey: string; target: string },
): Promise<Counts> {
  const tcp = (direction: string) => ({ direction, gbit: 0, retransmits: 0, connections: 0, broken: [] })
  const udp = (direction: string) => ({ direction, sent: 0, received: 0, duplicated: 0, reordered: 0 })
  const ping = (direction: string) => ({ direction, sent: 0, lost: 0, longestLoss: 0 })
  const session = (name: string) => ({ session: name, rekeys: 0, oldestSeconds: 0 })
  const memory = (device: string) => ({ device, residentMb: [] })
  const [forth, back] = [tcp('a to b'), tcp('b to a')]
  const [udpOfA, udpOfC] = [udp('a to b'), udp('c to b')]
  const [pingOfA, pingOfC] = [ping('a to b'), ping('c to b')]
  const [aWithB, bWithA, bWithC] = [session('of a with b'), session('of b with a'), session('of b with c')]
  const [memoryOfA, memoryOfB] = [memory('a'), memory('b')]
  const counts: Counts = {
    tcp: [forth, back],
    udp: [udpOfA, udpOfC],
    pings: [pingOfA, pingOfC],
    sessions: [aWithB, bWithA, bWithC],
    memory: [memoryOfA, memoryOfB],
    events: { portChanges: 0, addressChanges: 0, peersAdded: 0, peersRemoved: 0 },
  }
  const startMs = Date.now()
  await Promise.all([
    runTcp(lab, span, { target, port: 5301, mbit: tcpMbit.forth, reverse: false }, forth),
    runTcp(lab, span, { target, port: 5302, mbit: tcpMbit.back, reverse: true }, back),
    runUdp(lab, span, { from: 'a', target, port: 7801 }, udpOfA),
    runUdp(lab, span, { from: 'c', target, port: 7802 }, udpOfC),
    runPing(lab, span, { from: 'a', target }, pingOfA),
    runPing(lab, span, { from: 'c', target }, pingOfC),
    roam(lab, span, a, counts.events),
    churnPeers(span, b, counts.events),
    watchSessions(lab, span, a, new Map([[publicKeys.b, aWithB]])),
    watchSessions(
      lab,
      span,
      b,
      new Map<string, SessionCount>([
        [publicKeys.a, bWithA],
        [thirdKey, bWithC],
      ]),
    ),
    watchMemory(span, a, memoryOfA),
    watchMemory(span, b, memoryOfB),
    every(span, progressSeconds * 1000, async turn => {
      if (turn > 0) console.error(formatProgress(counts, (Date.now() - startMs) / 60_000))
    }),
  ])
  return counts
}
