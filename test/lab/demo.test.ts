import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Figures } from '../../src/demo/figures.ts'
import { planDemo } from '../../src/demo/steps.ts'
import type { LabStatus } from '../../src/lab/status.ts'
import { assertNothingLeft, machineLinks } from './leftovers.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const main = 'build/src/cli/main.js'
const links = machineLinks()
const runOptions = { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 } as const

/** A process that nobody has waited for yet is a zombie: without memory, files or namespaces. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Ends a demo that is up, in case a test failed half-way. */
function cleanUp(): void {
  const file = '/run/podwire-lab/demo/shared/lab.json'
  if (existsSync(file)) execFileSync(process.execPath, [main, 'lab', 'down', file], runOptions)
}

test('podwire demo: keeps every promise; --json prints figures only, --keep says commands that work', async () => {
  try {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'demo', '--json', '--keep'], runOptions)
    assert.equal(status, 0, stderr)
    const figures: Figures = JSON.parse(stdout)
    assert.deepEqual(figures.failures, [])
    assert.deepEqual(figures.reach, { expected: 60, pings: 60, fetches: 60 })
    assert.deepEqual(figures.wire.violations, [])
    assert.deepEqual(
      figures.wire.captures.map(({ dropped }) => dropped),
      [0, 0, 0],
    )
    for (const { where, frames } of figures.wire.captures) assert.ok(frames > 5_000, `${frames} frames at ${where}`)
    const { initiation, response, data } = figures.wire.messages
    assert.ok(initiation >= 3 && response >= 3 && data > 5_000, JSON.stringify(figures.wire.messages))
    for (const event of [figures.join, figures.restart]) {
      assert.deepEqual(
        event.streams.map(({ lost, duplicates }) => [lost, duplicates]),
        [
          [0, 0],
          [0, 0],
        ],
      )
      for (const { sent, name } of event.streams) assert.ok(sent > 1_500, `${sent} packets, ${name}`)
    }
    assert.equal(figures.restart.deviceUnchanged, true)
    assert.ok(figures.join.firstAnswerMs > 0 && figures.join.firstAnswerMs < 10_000, `${figures.join.firstAnswerMs} ms`)
    assert.ok(figures.throughput.gigabitsPerSecond > 0.05, `${figures.throughput.gigabitsPerSecond} Gbit/s`)
    assert.equal(figures.wgShow.match(/^peer: /gm)?.length, 3)
    assert.match(figures.wgShow, /private key: \(hidden\)/)
    assert.ok(figures.seconds < 60, `${figures.seconds} s`)

    const commands = stderr.split('\n').flatMap(line => /^ {2}(.*)$/.exec(line)?.[1] ?? [])
    assert.equal(commands.length, 7)
    // Something for tcpdump to see, and the last one takes it down.
    const exec = `node ${main} lab exec /run/podwire-lab/demo/shared/lab.json`
    const traffic = `${exec} a -- ping -i 0.1 $(${exec} b/c1 -- hostname -I | cut -d ' ' -f 1)`
    const background = spawn('sh', ['-c', traffic], { cwd: root, stdio: 'ignore' })
    for (const command of commands) {
      const { status, stderr } = spawnSync('sh', ['-c', command], { ...runOptions, timeout: 30_000 })
      assert.equal(status, 0, `${command}: ${stderr}`)
    }
    await once(background, 'exit') // the lab took it along
  } finally {
    cleanUp()
  }
  assertNothingLeft('demo', links)
})

test('podwire demo: Ctrl-C takes everything down, agents and devices too', async () => {
  try {
    const child = spawn(process.execPath, [main, 'demo'], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise<void>(resolve => {
      child.stdout.on('data', chunk => String(chunk).includes('6 containers') && resolve())
    })
    const file = '/run/podwire-lab/demo/shared/lab.json'
    const status = execFileSync(process.execPath, [main, 'lab', 'status', '--json', file], runOptions)
    const processes = (JSON.parse(status) as LabStatus).places.flatMap(place => place.processes)
    assert.ok(processes.length >= 9, 'captures, agents and devices run')
    child.kill('SIGINT')
    assert.deepEqual(await once(child, 'exit'), [null, 'SIGINT'])
    assert.deepEqual(processes.filter(isRunning), [])
  } finally {
    cleanUp()
  }
  assertNothingLeft('demo', links)
})

test('podwire demo: Ctrl-C on a terminal ends it at once, and takes everything down', async () => {
  try {
    // script(1) gives it a terminal, and types what it reads.
    const command = `stty columns 200 rows 50; exec ${process.execPath} ${main} demo`
    const child = spawn('script', ['-qefc', command, '/dev/null'], { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] })
    let screen = ''
    await new Promise<void>(resolve => {
      child.stdout.on('data', chunk => {
        screen += String(chunk)
        if (screen.includes('6 containers')) resolve()
      })
    })
    child.stdin.write('\x03')
    assert.deepEqual(await once(child, 'close'), [130, null])
    assert.doesNotMatch(screen, /podwire: |FAILED/)
    assert.ok(screen.endsWith('\x1b[?25h'), 'the cursor is shown again')
  } finally {
    cleanUp()
  }
  assertNothingLeft('demo', links)
})

test('podwire demo: a planted route cannot send in clear; without the firewall it does, and the capture shows it', async () => {
  const demo = planDemo([process.execPath, `${root}${main}`], 'canary-012345678')
  try {
    const step = (title: RegExp) => demo.steps.find(candidate => title.test(candidate.title))?.run(() => {})
    await step(/^Three hosts/)
    await step(/^An agent on each/)
    const lab = demo.stage()?.lab
    assert.ok(lab)
    // The agent would put back what is taken away.
    const agent = execFileSync('pgrep', ['-f', '--', `--store file:${lab.sharedFolder}/store --name a `], runOptions)
    process.kill(Number(agent), 'SIGKILL')
    const plant = async (address: string) => {
      await lab.exec('a', ['ip', 'route', 'add', `${address}/32`, 'via', '192.0.2.254'])
      await assert.rejects(lab.exec('a', ['ping', '-c', '1', '-W', '1', address]))
    }
    await plant('10.99.77.1')
    await lab.exec('a', ['nft', 'delete', 'table', 'inet', 'podwire-podwire0'])
    await plant('10.99.77.2')
    await step(/^What was on the wire/)
    const { violations } = demo.figures().wire
    const north = violations.filter(({ where }) => where === 'router, north')
    assert.equal(north[0]?.reason, 'the destination is 10.99.77.2')
    assert.equal(
      violations.some(({ reason }) => reason.includes('10.99.77.1')),
      false,
    )
    assert.match(
      demo.failures.join('\n'),
      /frames in clear at router, north; frame \d+: the destination is 10\.99\.77\.2/,
    )
  } finally {
    await demo.stage()?.lab.stop()
  }
  assertNothingLeft('demo', links)
})
