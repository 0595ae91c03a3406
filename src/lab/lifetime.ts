// Who holds a lab, and how it ends. A lab belongs to the process that started it, or to nobody once it is detached
// (`podwire lab up`); its record says which. What a killed owner left behind is found by its names and removed by the next
// start. Removal is synchronous, so that it also works from an exit or signal handler.

import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { podwireError, reasonOf } from '../base/errors.ts'
import { exec } from '../base/exec.ts'
import type { LabDescription } from './description.ts'
import { labFolder, labsFolder, namespacePrefix, netnsFolder, netnsPath, sharedFolder, stateFile } from './names.ts'

/** What is recorded of a lab. */
export interface LabState {
  /** Null: it stays until someone ends it. The start time tells the process from a later one of the same number. */
  readonly owner: { readonly pid: number; readonly startTime: string } | null
  /** A lab does not outlive the machine's boot, but its files may. */
  readonly bootId: string
  readonly description: LabDescription
  /** The file that it came from. */
  readonly file?: string
}

const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()

/** The fields of /proc/PID/stat from the third, the state, on; undefined if there is no such process. */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

/** Field 22, in clock ticks since the boot. */
function startTimeOf(pid: number): string | undefined {
  return statOf(pid)?.[19]
}

/** The record of a lab that is alive; undefined for none, and for what a dead owner or an earlier boot left. */
export function readState(lab: string): LabState | undefined {
  let state: LabState
  try {
    state = JSON.parse(readFileSync(stateFile(lab), 'utf8'))
  } catch {
    return undefined
  }
  if (state.bootId !== bootId()) return undefined
  if (state.owner !== null && startTimeOf(state.owner.pid) !== state.owner.startTime) return undefined
  return state
}

/** Records a lab; `detached` leaves it without an owner. */
export function writeState(description: LabDescription, options: { detached: boolean; file?: string }): void {
  const owner = options.detached ? null : { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' }
  const { file } = options
  const state: LabState = { owner, bootId: bootId(), description, ...(file !== undefined && { file }) }
  const target = stateFile(description.name)
  writeFileSync(`${target}.new`, JSON.stringify(state, undefined, 2), { mode: 0o600 })
  renameSync(`${target}.new`, target)
}

/**
 * Takes a lab's name, after removing what a dead owner of it left. From here to `release` the lab goes when this process
 * does. Errors: ERR_PODWIRE_LAB_IN_USE, ERR_PODWIRE_NEEDS_ROOT.
 */
export async function claimLab(description: LabDescription, file?: string): Promise<void> {
  const { name } = description
  requireRoot('a lab')
  await withLock(name, async () => {
    const state = readState(name)
    if (state !== undefined) throw inUse(name, state)
    removeLab(name)
    mkdirSync(sharedFolder(name), { recursive: true, mode: 0o755 })
    holdLab(name)
    writeState(description, { detached: false, ...(file !== undefined && { file }) })
    // Mount namespaces can be pinned only on a mount that does not propagate.
    await exec(['mount', '--bind', labFolder(name), labFolder(name)])
    await exec(['mount', '--make-private', labFolder(name)])
  })
}

function inUse(name: string, { owner, file }: LabState) {
  return podwireError('ERR_PODWIRE_LAB_IN_USE', {
    name,
    holder: owner === null ? 'left up in the background' : `held by process ${owner.pid}`,
    file: file ?? name,
    or: owner === null ? '' : ` or \`kill ${owner.pid}\``,
  })
}

/** Error: ERR_PODWIRE_NEEDS_ROOT. */
export function requireRoot(what: string): void {
  if (process.geteuid?.() !== 0) throw podwireError('ERR_PODWIRE_NEEDS_ROOT', { what })
}

/** Ends a lab whoever holds it; returns whether there was anything. Error: ERR_PODWIRE_NEEDS_ROOT. */
export async function endLab(name: string): Promise<boolean> {
  requireRoot('a lab')
  return withLock(name, async () => removeLab(name))
}

/** One start or end of a lab at a time: an abstract socket, which goes with the process that has it. */
async function withLock<T>(name: string, run: () => Promise<T>): Promise<T> {
  const server = createServer()
  const listen = () =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(`\0podwire-lab/${name}`, () => resolve())
    })
  const deadline = Date.now() + 30_000
  for (;;) {
    try {
      await listen()
      break
    } catch (error) {
      server.removeAllListeners()
      if (Date.now() > deadline) {
        const values = { seconds: 30, what: `the lab "${name}"`, reason: 'another process is starting or ending it' }
        throw podwireError('ERR_PODWIRE_LAB_TIMEOUT', values, error)
      }
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
  try {
    return await run()
  } finally {
    server.close()
  }
}

// The labs that go when this process goes.
const held = new Set<string>()
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
let aborter = new AbortController()

/** Aborted when this process is told to end: programs that are still building a lab are stopped by it. */
export function ending(): AbortSignal {
  return aborter.signal
}

function onExit(): void {
  aborter.abort()
  for (const name of held) removeLab(name)
}

function onSignal(signal: NodeJS.Signals): void {
  onExit()
  for (const other of signals) process.removeListener(other, onSignal)
  // Whoever else listens decides what follows; with nobody, the signal does what it always does.
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
}

function holdLab(name: string): void {
  if (held.size === 0) {
    aborter = new AbortController()
    process.on('exit', onExit)
    // Before all others, so that whatever they do, the lab is gone by then.
    for (const signal of signals) process.prependListener(signal, onSignal)
  }
  held.add(name)
}

/**
 * Waits until a signal that came while this process was busy has been heard. Ctrl-C reaches the programs of a lab too, and what they
 * say of it may be here first: without this, nobody would listen any more when it comes.
 */
export async function heardSignals(): Promise<void> {
  // The event loop looks for signals between two of these.
  for (let turn = 0; turn < 2; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** The lab no longer goes with this process. */
export function releaseLab(name: string): void {
  held.delete(name)
  if (held.size > 0) return
  process.removeListener('exit', onExit)
  for (const signal of signals) process.removeListener(signal, onSignal)
}

/** Names of the network namespaces of a lab, LANs' included. */
export function namespacesOf(lab: string): string[] {
  return entries(netnsFolder)
    .filter(name => name.startsWith(namespacePrefix(lab)))
    .sort()
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Kills what runs in a lab and removes all of it, whatever state it is in; returns whether there was anything. */
export function removeLab(name: string): boolean {
  let found = false
  let umount: ReturnType<typeof spawnSync> | undefined
  // Once more after something was found: what was being built at that moment may have come late.
  for (let pass = 0; pass < 10; pass++) {
    const namespaces = namespacesOf(name)
    const folder = labFolder(name)
    if (namespaces.length === 0 && !existsSync(folder)) break
    found = true
    const pins = entries(folder).filter(file => file.endsWith('.mnt'))
    killInside([...namespaces.map(netnsPath), ...pins.map(pin => `${folder}/${pin}`)])
    // A second mount on the same place, or none at all, is no error here: the next pass looks again.
    umount = spawnSync('umount', ['--lazy', ...namespaces.map(netnsPath), folder], { stdio: 'ignore' })
    for (const namespace of namespaces) tryRemove(netnsPath(namespace))
    tryRemove(folder)
  }
  try {
    rmdirSync(labsFolder)
  } catch {
    // Another lab is up, or none ever was.
  }
  const rest = namespacesOf(name)
  if (rest.length > 0 || existsSync(labFolder(name))) {
    if (umount?.error !== undefined) {
      const values = { tool: 'umount', what: `ending the lab "${name}"`, package: 'mount' }
      throw podwireError('ERR_PODWIRE_TOOL_MISSING', values, umount.error)
    }
    const reason = `${[...rest.map(netnsPath), labFolder(name)].join(', ')} cannot be removed`
    throw podwireError('ERR_PODWIRE_SYSTEM', { what: `ending the lab "${name}"`, reason })
  }
  return found
}

function tryRemove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch (error) {
    // Busy: a mount came in between; the next pass unmounts it.
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error
  }
}

/** Numbers of the processes whose network or mount namespace is one of those at `paths`; never this one. */
export function processesIn(paths: readonly string[]): number[] {
  const inodes = new Set(paths.flatMap(path => statSync(path, { throwIfNoEntry: false })?.ino ?? []))
  const inside = (pid: number): boolean =>
    ['net', 'mnt'].some(kind => {
      try {
        return inodes.has(Number(/\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/${kind}`))?.[1]))
      } catch {
        return false // it has ended
      }
    })
  return entries('/proc')
    .filter(entry => /^\d+$/.test(entry))
    .map(Number)
    .filter(pid => pid !== process.pid && inside(pid))
}

/** Kills every process in the namespaces, and waits until they have ended. */
function killInside(paths: readonly string[]): void {
  const deadline = Date.now() + 30_000
  const killed = new Set<number>()
  for (;;) {
    const found = processesIn(paths)
    for (const pid of found) {
      kill(pid)
      killed.add(pid)
    }
    // A process leaves its namespaces first, and is not yet gone then.
    const left = [...killed].filter(pid => !hasEnded(pid))
    if (found.length === 0 && left.length === 0) return
    if (Date.now() > deadline) {
      const reason = `processes ${left.join(', ')} do not end`
      throw podwireError('ERR_PODWIRE_SYSTEM', { what: 'killing what runs in the lab', reason })
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
  }
}

/** Gone, or a zombie that only waits for its parent to ask. */
function hasEnded(pid: number): boolean {
  const state = statOf(pid)?.[0]
  return state === undefined || state === 'Z' || state === 'X'
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
      throw podwireError('ERR_PODWIRE_SYSTEM', { what: `killing process ${pid}`, reason: reasonOf(error) }, error)
    }
  }
}
