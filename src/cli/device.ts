// `podwire device IF`: a userspace WireGuard device as a process, in place of wireguard-go: the same arguments, environment,
// socket and ways to end (a signal, its link deleted, its socket removed).
//
//   podwire device IF     parent: starts `device -f IF` detached, waits until it serves its socket or failed, passes that on
//   podwire device -f IF  the device itself, until it ends
//   podwire device status is the one word that is not an interface's name

import { spawn } from 'node:child_process'
import { fstatSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { realClock } from '../base/clock.ts'
import { type ErrorCode, PodwireError, podwireError, reasonOf } from '../base/errors.ts'
import { type EngineOptions, openEngine } from '../native/engine.ts'
import { claimSocket, serveUapi } from '../wireguard/uapi-server.ts'
import { UserspaceDevice } from '../wireguard/userspace-device.ts'
import { addEngineOptions, engineOptions, optionsVariable } from './device-options.ts'
import { keepHeapSmall } from './small-heap.ts'
import { version } from './version.ts'

/** Until `ip link set mtu` or wg-quick says better: a path of 1500 less IPv6, UDP and WireGuard headers. */
const defaultMtuBytes = 1420

export function define(command: Command): void {
  defineStatus(command)
  command
    .usage('[options] <interface>\n       podwire device status [interface] [--json]')
    .argument('<interface>', 'name of the network interface to create')
    .option('-f, --foreground', 'stay in the foreground instead of becoming a daemon')
  addEngineOptions(command)
    .addHelpText(
      'after',
      `
Environment:
  LOG_LEVEL=verbose|debug|error|silent  what is printed (error)
  WG_PROCESS_FOREGROUND=1               the same as --foreground
  WG_TUN_FD=N, WG_UAPI_FD=N             use an open TUN device, a listening socket
  WG_TUN_NAME_FILE=FILE                 write the interface's name there
  ${optionsVariable}='--no-gso …'   options from --no-tso to --threads, for callers that pass none:
                                        wg-quick, podwire agent

As podwire-device, or through a link named wireguard-go, it is one word, which is what wg-quick takes:
  WG_QUICK_USERSPACE_IMPLEMENTATION=podwire-device wg-quick up wg0

It ends on SIGTERM and SIGINT, when the interface is deleted, and when /var/run/wireguard/IF.sock is removed.

Examples:
  podwire device wg0                              # a daemon; then: wg set wg0 …, ip link set wg0 up
  LOG_LEVEL=verbose podwire device -f wg0         # see what it does
  podwire device status wg0                       # offloads, memory, what was dropped and why
  rm /var/run/wireguard/wg0.sock                  # end it`,
    )
    .action(async (name: string, options: Parameters<typeof engineOptions>[0] & { foreground?: boolean }) => {
      checkName(name)
      const engine = engineOptions(options, process.env[optionsVariable])
      if (options.foreground || process.env.WG_PROCESS_FOREGROUND === '1') await runDevice(name, engine)
      else await startDaemon(name)
    })
}

function defineStatus(command: Command): void {
  command
    .command('status')
    .description('what podwire devices say of themselves: all of this host, or one')
    .argument('[interface]', 'name of its interface, or path of its socket')
    .option('--json', 'as JSON; its schema is schema/device-status.json')
    .action(async (name: string | undefined, { json }: { json?: boolean }) => {
      // Options before the word mean that somebody wants an interface of that name.
      if (process.argv[3] !== 'status') {
        const reason = '`podwire device status` shows the devices that run'
        throw podwireError('ERR_PODWIRE_NAME', { where: 'interface', text: 'status', reason })
      }
      const { showStatus } = await import('./device-status.ts')
      await showStatus(name, { json: json === true })
    })
}

function checkName(name: string): void {
  const fail = (reason: string) => podwireError('ERR_PODWIRE_NAME', { where: 'interface', text: name, reason })
  if (name.length > 15) throw fail('it is longer than 15 characters')
  if (!/^[a-zA-Z0-9_=+.-]+$/.test(name) || /^\.{1,2}$/.test(name)) {
    throw fail('an interface name has letters, digits and _ = + . - only')
  }
}

/** What the daemon tells the process that started it, once. */
type Report =
  | { readonly kind: 'ready' }
  | { readonly kind: 'error'; readonly code: ErrorCode; readonly message: string; readonly hint: string }
  | { readonly kind: 'defect'; readonly stack: string }

/** Becomes the device. Returns when it serves its socket; the process lives until it ends. */
async function runDevice(name: string, engine: Partial<EngineOptions>): Promise<void> {
  try {
    await openDevice(name, engine)
    report({ kind: 'ready' })
  } catch (error) {
    if (process.send === undefined) throw error
    // The parent says it, and ends with this status.
    process.exitCode = 1
    if (!(error instanceof PodwireError)) report({ kind: 'defect', stack: String((error as Error).stack ?? error) })
    else report({ kind: 'error', code: error.code, message: error.message, hint: error.hint })
  }
}

/** Over the channel to a waiting parent, if there is one; it does not outlive the report. A parent that was killed meanwhile is no matter. */
function report(message: Report): void {
  process.send?.(message, () => {
    if (process.connected) process.disconnect()
  })
}

async function openDevice(wanted: string, options: Partial<EngineOptions>): Promise<void> {
  keepHeapSmall()
  const log = logger(wanted)
  const tunFd = descriptor('WG_TUN_FD')
  const uapiFd = descriptor('WG_UAPI_FD')
  if (uapiFd === undefined) await claimSocket(wanted)
  const device = new UserspaceDevice({
    openEngine: onEvents =>
      openEngine({
        ...options,
        name: wanted,
        mtuBytes: defaultMtuBytes,
        ...(tunFd !== undefined && { tunFd }),
        onEvents,
      }),
    clock: engine => realClock(() => engine.nowMs()),
    log,
    onEnd: () => end('the interface is gone'),
  })
  const { name } = device
  const end = (why: string) => {
    log('debug', `ending: ${why}`)
    device.close()
    server?.close()
    process.exit(0) // connections and timers that are left have nothing to wait for
  }
  let server: Awaited<ReturnType<typeof serveUapi>> | undefined
  try {
    if (uapiFd === undefined && name !== wanted) await claimSocket(name)
    server = await serveUapi({
      device,
      status: () => ({ version, ...device.status() }),
      nameOrPath: name,
      ...(uapiFd !== undefined && { fd: uapiFd }),
      log,
      onRemoved: () => end('the socket was removed'),
    })
    const nameFile = process.env.WG_TUN_NAME_FILE
    if (nameFile) writeFileSync(nameFile, `${name}\n`)
  } catch (error) {
    device.close()
    server?.close()
    throw error
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end(signal))
  log('debug', `serving ${name}`)
}

function descriptor(variable: string): number | undefined {
  const text = process.env[variable]
  if (!text) return undefined
  if (!/^\d{1,9}$/.test(text) || !isOpen(Number(text))) {
    throw podwireError('ERR_PODWIRE_USAGE', { what: `${variable} is not an open file descriptor`, command: 'device' })
  }
  return Number(text)
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}

/** Plain lines on standard output, as wireguard-go's; LOG_LEVEL says which. */
function logger(name: string): (level: 'debug' | 'error', text: string) => void {
  const level = process.env.LOG_LEVEL ?? 'error'
  const shown = { verbose: ['debug', 'error'], debug: ['debug', 'error'], silent: [] as string[] }[level] ?? ['error']
  return (kind, text) => {
    if (shown.includes(kind)) console.log(`${kind.toUpperCase()}: (${name}) ${text}`)
  }
}

/** Starts the device as a process of its own and returns when it serves its socket. Errors: the device's own. */
async function startDaemon(name: string): Promise<void> {
  const logged = !['', 'silent'].includes(process.env.LOG_LEVEL ?? '')
  const output = logged ? 'inherit' : 'ignore'
  const fds = { WG_TUN_FD: descriptor('WG_TUN_FD'), WG_UAPI_FD: descriptor('WG_UAPI_FD') }
  const env: NodeJS.ProcessEnv = { ...process.env, WG_PROCESS_FOREGROUND: '1' }
  const stdio: (number | 'ignore' | 'inherit' | 'ipc')[] = ['ignore', output, output, 'ipc']
  for (const [variable, fd] of Object.entries(fds)) {
    if (fd === undefined) continue
    env[variable] = String(stdio.length)
    stdio.push(fd)
  }
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], { detached: true, stdio, env })
  const outcome = await new Promise<Report | string>(resolve => {
    child.once('message', message => resolve(message as Report))
    child.once('error', error => resolve(reasonOf(error)))
    child.once('exit', (status, signal) => resolve(signal ?? `status ${status}`))
  })
  if (typeof outcome === 'string') {
    const command = `podwire device -f ${name}`
    throw podwireError('ERR_PODWIRE_COMMAND_FAILED', { command, status: outcome, output: 'it did not say why' })
  }
  if (outcome.kind === 'error') throw new PodwireError(outcome.code, outcome.message, outcome.hint)
  if (outcome.kind === 'defect') throw Object.assign(new Error('the device'), { stack: outcome.stack })
  child.unref()
}
