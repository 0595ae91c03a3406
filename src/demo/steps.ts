// The demo as steps in order, each taking what the ones before it made, and each filling in its part of the figures.
// A promise that is not kept becomes a line of `failures`, and the demo goes on; only what stops it throws.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { podwireError } from '../base/errors.ts'
import { exec } from '../base/exec.ts'
import { type Capture, judgeCapture, startCapture } from '../lab/capture.ts'
import { startLab } from '../lab/lab.ts'
import { sharedFolder } from '../lab/names.ts'
import type { Figures, StreamFigures } from './figures.ts'
import { capturePoints, labDescription, lateHost, range } from './network.ts'
import {
  agentLog,
  attachContainers,
  type Container,
  claimedPrefixes,
  deviceState,
  joinNetwork,
  logTail,
  makeToken,
  pageOf,
  type Stage,
  serveWeb,
  startAgent,
  startServer,
  until,
} from './node.ts'
import { fetchPage, firstAnswer, iperf, pairs, ping, seconds, underLoad, untilReached } from './traffic.ts'

/** Programs that the demo calls, and their Debian packages. */
const programs = {
  wg: 'wireguard-tools',
  nft: 'nftables',
  tcpdump: 'tcpdump',
  iperf3: 'iperf3',
  ping: 'iputils-ping',
  curl: 'curl',
}

export interface Step {
  readonly title: string
  /** `say` shows what is being done. Returns one line on what came of it. */
  readonly run: (say: (text: string) => void) => Promise<string>
}

export interface Demo {
  readonly steps: readonly Step[]
  /** Complete after the last step. */
  readonly figures: () => Figures
  readonly failures: readonly string[]
  /** What the agents said last, for when something failed. */
  readonly logs: () => string
  readonly stage: () => Stage | undefined
  readonly containers: () => readonly Container[]
}

/** `podwire` is its command line: node, and the file of the command. */
export function planDemo(podwire: readonly [string, string], canary: string): Demo {
  const startMs = performance.now()
  const failures: string[] = []
  const captures: Capture[] = []
  const containers: Container[] = []
  const agents = new Map<string, ReturnType<typeof startAgent>>()
  let opened: Stage | undefined
  let figures: Partial<Figures> = {}
  const stage = (): Stage => opened ?? missing('the lab')
  const container = (name: string): Container => containers.find(one => one.name === name) ?? missing(name)
  /** What flows while a step disturbs the network: between the first hosts, and to the one behind the NAT. */
  const flows = () => [
    { from: container('a/c1'), to: container('b/c1'), family: 4 as const },
    { from: container('b/c2'), to: container('c/c2'), family: 6 as const },
  ]
  const promise = (kept: boolean, otherwise: string) => {
    if (!kept) failures.push(otherwise)
  }

  async function buildLab(): Promise<string> {
    await requirePrograms()
    const lab = await startLab(labDescription, { file: join(sharedFolder(labDescription.name), 'lab.json') })
    opened = { lab, podwire, canary }
    writeFileSync(join(lab.sharedFolder, 'lab.json'), JSON.stringify(lab.description, undefined, 2))
    for (const { host, link } of capturePoints) {
      captures.push(await startCapture(lab, host, link, join(lab.sharedFolder, `${host}-${link}.pcap`)))
    }
    return 'a, b, and c behind a NAT; everything between them is recorded from here on'
  }

  async function startNodes(say: (text: string) => void): Promise<string> {
    say('a sets the network up and serves it')
    await startServer(stage())
    const nodes = ['a', 'b', 'c']
    const tokens = await Promise.all(nodes.map(() => makeToken(stage())))
    say('each joins by its token')
    const joinMs = performance.now()
    const hung = await Promise.all(
      nodes.map(async (node, i) => {
        const agent = await joinNetwork(stage(), node, tokens[i] ?? missing('a token'))
        agents.set(node, agent)
        const prefixes = await claimedPrefixes(stage(), node, agent)
        say(`${node} claimed ${prefixes.join(' and ')}`)
        return attachContainers(stage(), node, prefixes)
      }),
    )
    containers.push(...hung.flat())
    say('waiting for every host to reach every other')
    await untilReached(stage(), containers, containers)
    const meshMs = Math.round(performance.now() - joinMs)
    figures = { ...figures, meshMs }
    return `${containers.length} containers; the last of them answered ${meshMs} ms after the first \`podwire join\``
  }

  async function reachAll(): Promise<string> {
    await serveWeb(stage(), containers)
    const tries = pairs(containers).flatMap(({ from, to }) => to.addresses.map(address => ({ from, to, address })))
    let pings = 0
    let fetches = 0
    for (const { from, to, address } of tries) {
      const pinged = await ping(stage(), from, address)
      const page = await fetchPage(stage(), from, address)
      pings += Number(pinged)
      fetches += Number(page === pageOf(to.name, canary))
      promise(pinged, `${from.name} does not reach ${to.name} at ${address} by ping`)
      promise(page === pageOf(to.name, canary), `${from.name} does not get the page of ${to.name} at ${address}`)
    }
    figures = { ...figures, reach: { expected: tries.length, pings, fetches } }
    return `${pings} pings and ${fetches} pages of ${tries.length} each`
  }

  function promiseNoLoss(streams: readonly StreamFigures[], event: string): string {
    for (const { name, sent, lost } of streams)
      promise(lost === 0, `${lost} of ${sent} packets lost, ${name}, while ${event}`)
    const sum = (key: 'lost' | 'sent') => streams.reduce((total, stream) => total + stream[key], 0)
    return `${sum('lost')} of ${sum('sent')} packets of the others lost`
  }

  async function joinHost(say: (text: string) => void): Promise<string> {
    const { lab } = stage()
    const { name, description } = lateHost
    await lab.addHost(name, description)
    writeFileSync(join(lab.sharedFolder, 'lab.json'), JSON.stringify(lab.description, undefined, 2))
    const target = container('a/c1').addresses[0] ?? missing('its address')
    const token = await makeToken(stage())
    let firstAnswerMs = 0
    const streams = await underLoad(stage(), flows(), async () => {
      say('d joins')
      const joinMs = performance.now()
      const agent = await joinNetwork(stage(), name, token)
      agents.set(name, agent)
      // From here on the host is closed: before it, an address of the network is one like any other.
      const prefixes = await claimedPrefixes(stage(), name, agent)
      await firstAnswer(stage(), name, target)
      firstAnswerMs = Math.round(performance.now() - joinMs)
      say(`d: first answer after ${firstAnswerMs} ms`)
      const joined = await attachContainers(stage(), name, prefixes)
      await untilReached(stage(), joined, containers)
      await untilReached(stage(), containers, joined)
    })
    figures = { ...figures, join: { firstAnswerMs, streams } }
    return `joined in ${firstAnswerMs} ms; ${promiseNoLoss(streams, 'd joined')}`
  }

  async function restartAgent(say: (text: string) => void): Promise<string> {
    const before = await deviceState(stage(), 'b')
    let inSyncMs = 0
    const streams = await underLoad(stage(), flows(), async () => {
      const old = agents.get('b') ?? missing('the agent of b')
      const logged = agentLog(stage(), 'b').length
      say('SIGKILL')
      old.kill('SIGKILL')
      await until('the end of the agent', () => old.signalCode !== null)
      await seconds(1)
      say('started again')
      const agentMs = performance.now()
      agents.set('b', startAgent(stage(), 'b'))
      await until('the agent to be in sync', () =>
        agentLog(stage(), 'b').slice(logged).includes('in sync with the store'),
      )
      inSyncMs = Math.round(performance.now() - agentMs)
      await seconds(1)
    })
    const after = await deviceState(stage(), 'b')
    const deviceUnchanged = after === before
    promise(
      deviceUnchanged,
      `the device of b is not as it was before its agent was killed. Before:\n${before}\nAfter:\n${after}`,
    )
    figures = { ...figures, restart: { inSyncMs, deviceUnchanged, streams } }
    const loss = promiseNoLoss(streams, "b's agent was killed and started again")
    return `${loss}; the device is ${deviceUnchanged ? 'as before' : 'changed'}`
  }

  async function judgeWire(): Promise<string> {
    const results: Figures['wire']['captures'][number][] = []
    const violations: Figures['wire']['violations'][number][] = []
    let messages: Figures['wire']['messages'] = { initiation: 0, response: 0, cookie: 0, data: 0 }
    for (const [i, { name: where }] of capturePoints.entries()) {
      const capture = captures[i] ?? missing(where)
      const { dropped } = await capture.stop()
      const report = await judgeCapture(capture.file, { prefixes: range, canaries: [Buffer.from(canary)] })
      if (i === 0) messages = report.messages
      results.push({ where, frames: report.frames, dropped })
      violations.push(...report.violations.map(violation => ({ where, ...violation })))
      promise(dropped === 0, `the capture at ${where} missed ${dropped} frames`)
      const first = report.violations[0]
      promise(
        first === undefined,
        `${report.violations.length} frames in clear at ${where}; frame ${first?.frame}: ${first?.reason}`,
      )
    }
    promise(messages.initiation > 0 && messages.response > 0 && messages.data > 0, 'no WireGuard passed the router')
    figures = { ...figures, wire: { captures: results, messages, violations } }
    const frames = results.reduce((sum, capture) => sum + capture.frames, 0)
    return `${violations.length} of ${frames} frames show an address of the network or the payload`
  }

  async function measureThroughput(): Promise<string> {
    const congestion = 'cubic'
    const { bitsPerSecond, retransmits } = await iperf(stage(), container('a/c1'), container('b/c1'), congestion)
    const gigabitsPerSecond = Math.round(bitsPerSecond / 1e7) / 100
    figures = { ...figures, throughput: { gigabitsPerSecond, retransmits, congestion } }
    return `${gigabitsPerSecond} Gbit/s from a/c1 to b/c1: TCP, one stream, ${congestion}`
  }

  async function showDevice(): Promise<string> {
    const { stdout } = await stage().lab.exec('a', ['wg', 'show'])
    figures = { ...figures, wgShow: stdout.trim() }
    return `${stdout.match(/^peer:/gm)?.length ?? 0} peers`
  }

  return {
    steps: [
      { title: 'Three hosts on two networks, a router, a NAT', run: buildLab },
      { title: 'Each host joins by one command, two containers on each', run: startNodes },
      { title: 'Every container to every other: ping and HTTP, IPv4 and IPv6', run: reachAll },
      { title: 'A fourth host joins under 2,000 packets a second', run: joinHost },
      { title: "b's agent is killed and started again, under 2,000 packets a second", run: restartAgent },
      { title: 'What was on the wire', run: judgeWire },
      { title: 'Throughput', run: measureThroughput },
      { title: 'wg show on a', run: showDevice },
    ],
    figures: () => ({
      ...(figures as Figures),
      seconds: Math.round((performance.now() - startMs) / 100) / 10,
      failures,
    }),
    failures,
    logs: () => [...agents.keys()].map(node => `agent of ${node}:\n${logTail(stage(), node)}`).join('\n'),
    stage: () => opened,
    containers: () => containers,
  }
}

async function requirePrograms(): Promise<void> {
  for (const [tool, name] of Object.entries(programs)) {
    const found = await exec(['sh', '-c', 'command -v "$0"', tool]).catch(() => undefined)
    if (found === undefined) throw podwireError('ERR_PODWIRE_TOOL_MISSING', { tool, what: 'the demo', package: name })
  }
}

function missing(what: string): never {
  throw new Error(`${what} is missing: a step came too early`)
}
