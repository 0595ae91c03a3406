// Figures of one agent among simulated nodes, measured from inside its own process; run in a network namespace of its own:
//   ip netns add x; ip netns exec x node build/bench/control/agent-figures.js 5000 [userspace|kernel]
// The device is real; the store is in memory, so that what is measured is the agent's own.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { runAgent } from '../../src/agent/agent.ts'
import type { Backend } from '../../src/agent/backend.ts'
import { exec } from '../../src/base/exec.ts'
import { keepHeapSmall } from '../../src/cli/small-heap.ts'
import { MemoryStore, simulatedNode } from './memory-store.ts'

const [countText = '100', backend = 'userspace'] = process.argv.slice(2)
const count = Number(countText)
const changes = 200
const cli = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

await exec(['ip', 'link', 'set', 'lo', 'up'])
await exec(['ip', 'link', 'add', 'wan', 'type', 'veth', 'peer', 'name', 'wan-end'])
for (const link of ['wan', 'wan-end']) await exec(['ip', 'link', 'set', link, 'up'])
await exec(['ip', 'address', 'add', '192.0.2.1/24', 'dev', 'wan'])
const stateFolder = mkdtempSync(join(tmpdir(), 'podwire-figures-'))
const store = new MemoryStore(count)
const ending = new AbortController()
const waiting: ((line: { text: string; values: Record<string, unknown> }) => boolean)[] = []
const lines: string[] = []
const say = (values: Record<string, unknown>, text: string) => {
  lines.push(`${text} ${JSON.stringify(values).slice(0, 200)}`)
  for (const [i, take] of [...waiting.entries()].reverse()) if (take({ text, values })) waiting.splice(i, 1)
}
const said = (text: string) =>
  new Promise<void>(resolve =>
    waiting.push(line => {
      if (line.text === text) resolve()
      return line.text === text
    }),
  )
const rssMb = () => Math.round(process.memoryUsage.rss() / 1e6)
const cpuMs = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

keepHeapSmall()
const bareMb = rssMb()
const startMs = performance.now()
const startCpu = cpuMs()
const written = said('own record written')
const agent = runAgent(
  {
    store,
    name: 'self',
    device: 'podwire0',
    backend: backend as Backend,
    listenPort: 51820,
    endpoints: ['192.0.2.1:51820'],
    stateFolder,
    deviceCommand: [process.execPath, cli, 'device'],
    log: { debug: say, info: say, warn: say, error: say },
  },
  ending.signal,
)
agent.catch(error => {
  console.error(error, lines)
  process.exit(1)
})
await written
const coldMs = Math.round(performance.now() - startMs)
const coldCpuMs = Math.round(cpuMs() - startCpu)
await delay(3000) // what the first changes ask for themselves
const took: number[] = []
const beforeCpu = cpuMs()
for (let i = 0; i < changes; i++) {
  const applied = said('applied')
  const changedMs = performance.now()
  store.change(simulatedNode(1 + ((i * 7) % count), 1024 + i))
  await applied
  took.push(performance.now() - changedMs)
  await delay(60 + Math.random() * 20)
}
const changeCpuMs = (cpuMs() - beforeCpu) / changes
took.sort((a, b) => a - b)
const restCpu = cpuMs()
await delay(5000)
const restPercent = (cpuMs() - restCpu) / 50
const stormCpu = cpuMs()
const applied = said('applied')
for (let round = 0; round < 5; round++) {
  for (let i = 1; i <= count / 2; i++) store.change(simulatedNode(i, 3000 + round))
  await delay(20)
}
await applied
await delay(1000)
const stormCpuMs = Math.round(cpuMs() - stormCpu)
const auditStart = cpuMs()
const { stdout } = await exec(['ip', 'route', 'show', 'proto', '112'])
await exec(['ip', 'route', 'delete', stdout.split('\n')[3]?.split(' ')[0] ?? '', 'dev', 'podwire0'])
await said('applied')
await delay(200)
const auditCpuMs = Math.round(cpuMs() - auditStart)
console.log(
  JSON.stringify({
    nodes: count,
    backend,
    coldMs,
    coldCpuMs,
    bareMb,
    rssMb: rssMb(),
    heapMb: Math.round(process.memoryUsage().heapUsed / 1e6),
    changeMs: { p50: took[took.length >> 1], p99: took[Math.floor(took.length * 0.99)] },
    changeCpuMs,
    restPercent,
    stormCpuMs,
    auditCpuMs,
    writes: store.writes,
  }),
)
ending.abort()
await agent
await exec(['ip', 'link', 'delete', 'podwire0'])
rmSync(stateFolder, { recursive: true })
