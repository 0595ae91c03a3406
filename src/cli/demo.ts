// `podwire demo`: brings a network up in a lab on this machine, shows that it keeps its promises, and takes it down.

import { randomBytes } from 'node:crypto'
import { writeSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { Listr } from 'listr2'
import type { Figures, StreamFigures } from '../demo/figures.ts'
import type { Container, Stage } from '../demo/node.ts'
import { type Demo, planDemo } from '../demo/steps.ts'

const showCursor = '\x1b[?25h'

export function define(command: Command): void {
  command
    .option('--keep', 'leave the network up, and say how to look around')
    .option('--json', 'print the figures as one JSON document, and nothing else')
    .addHelpText(
      'after',
      `
Three hosts on two networks joined by a router, one behind a NAT: namespaces of this machine, each set up by the commands
that a user would type (init, server, token create, join, agent), with two containers. It needs root, takes about half a minute, and leaves nothing.

Examples:
  podwire demo
  podwire demo --keep
  podwire demo --json | jq .join.firstAnswerMs`,
    )
    .action(async ({ keep = false, json = false }: { keep?: boolean; json?: boolean }) => {
      process.exitCode = await runDemo(keep, json)
    })
}

/** Runs the steps, prints what came of them, and returns the exit status. */
async function runDemo(keep: boolean, json: boolean): Promise<0 | 1> {
  const main = fileURLToPath(new URL('./main.js', import.meta.url))
  const canary = `canary-${randomBytes(5).toString('hex').slice(1)}`
  const demo = planDemo([process.execPath, main], canary)
  try {
    await runSteps(demo, json)
    const figures = demo.figures()
    console.log(json ? JSON.stringify(figures, undefined, 2) : `\n${figures.wgShow}\n\n${formatTable(figures)}`)
  } catch (error) {
    if (demo.stage() !== undefined) console.error(`\n${demo.logs()}\n`)
    throw error
  } finally {
    const stage = demo.stage()
    if (!keep) await stage?.lab.stop()
    else if (stage !== undefined) {
      stage.lab.detach()
      console.error(`\n${howToLookAround(stage, main, demo.containers())}`)
    }
  }
  for (const failure of demo.failures) console.error(`FAILED: ${failure}`)
  return demo.failures.length === 0 ? 0 : 1
}

async function runSteps({ steps }: Demo, json: boolean): Promise<void> {
  const tasks = steps.map(({ title, run }) => ({
    title,
    task: async (_: unknown, task: { title: string; output: string }) => {
      const outcome = await run(text => {
        task.output = text
      })
      task.title = `${title}: ${outcome}`
    },
  }))
  const onTerminal = process.stdout.isTTY && !json
  const renderer = json ? 'silent' : onTerminal ? 'default' : 'simple'
  // At a signal the lab goes, and then the process: what draws the steps listens too, and would keep it alive with the
  // cursor hidden.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      if (onTerminal) writeSync(process.stdout.fd, showCursor)
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
    })
  }
  await new Listr(tasks, { renderer, registerSignalListeners: false }).run()
}

function formatTable({ reach, meshMs, wire, throughput, join, restart, seconds, failures }: Figures): string {
  const { initiation, response, cookie, data } = wire.messages
  const loss = (streams: readonly StreamFigures[]) =>
    streams.map(({ name, lost, sent }) => ['', `${lost} of ${sent} packets lost, ${name}`])
  const rows: readonly string[][] = [
    ['reach', `${reach.pings} pings and ${reach.fetches} pages of ${reach.expected} each, IPv4 and IPv6`],
    ['first mesh', `${meshMs} ms after the first \`podwire join\``],
    ['on the wire', `${wire.violations.length} frames with an address of the network or the payload in clear`],
    ...wire.captures.map(({ where, frames }) => ['', `of ${frames} at ${where}`]),
    ['messages', `${initiation} initiations, ${response} responses, ${cookie} cookies, ${data} data`],
    ['throughput', `${throughput.gigabitsPerSecond} Gbit/s (iperf3, one TCP stream, ${throughput.congestion})`],
    ['host added', `joined in ${join.firstAnswerMs} ms`],
    ...loss(join.streams),
    [
      'agent killed',
      `back in ${restart.inSyncMs} ms; its device is ${restart.deviceUnchanged ? 'as before' : 'changed'}`,
    ],
    ...loss(restart.streams),
    ['time', `${seconds} s`],
    ['result', failures.length === 0 ? 'all as promised' : `${failures.length} promises not kept`],
  ]
  const line = '-'.repeat(78)
  return [line, ...rows.map(([what = '', text = '']) => `${what.padEnd(14)}${text}`), line].join('\n')
}

function howToLookAround({ lab }: Stage, main: string, containers: readonly Container[]): string {
  // npm runs this in the package's folder, whatever the folder of the shell that it was called from.
  const podwire = `node ${relative(process.env.INIT_CWD ?? process.cwd(), main)}`
  const target = containers.find(({ name }) => name === 'b/c1')?.addresses[0]
  const file = join(lab.sharedFolder, 'lab.json')
  const hosts = Object.keys(lab.description.hosts).join(', ')
  return [
    `The network is still up. Hosts: ${hosts}; each with an agent has containers c1 and c2. Look around:`,
    `  ${podwire} lab status ${file}`,
    `  ${podwire} lab exec ${file} a -- wg show`,
    `  ${podwire} lab exec ${file} a/c1 -- ip address`,
    `  tail ${lab.sharedFolder}/logs/agent-a.log`,
    ...(target === undefined ? [] : [`  ${podwire} lab exec ${file} a/c1 -- ping -c 15 ${target}`]),
    'while that ping runs, in another terminal, what the router sees of it:',
    `  ${podwire} lab exec ${file} router -- tcpdump -n -c 10 -i north`,
    'and take it down:',
    `  ${podwire} lab down ${file}`,
  ].join('\n')
}
