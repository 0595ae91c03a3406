// The link of an interface: the kernel's WireGuard, or a userspace device where there is none.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { PodwireError, podwireError } from '../base/errors.ts'
import { exec } from '../base/exec.ts'

export interface LinkOptions {
  readonly backend: 'auto' | 'kernel' | 'userspace'
  /** The command line that starts a userspace device when the name is put behind it. */
  readonly deviceCommand: readonly [string, ...string[]]
  readonly tell: (line: string) => void
  /** The descriptor of the interface's lock. */
  readonly lockFd?: number
}

/** As wg-quick does: the kernel's, and where there is none, a userspace device. Errors: those of the programs that are run. */
export async function createLink(name: string, { backend, deviceCommand, tell, lockFd }: LinkOptions): Promise<void> {
  if (backend !== 'userspace') {
    try {
      await exec(['ip', 'link', 'add', 'dev', name, 'type', 'wireguard'], { env: { ...process.env, LC_ALL: 'C' } })
      return
    } catch (error) {
      const isMissing = error instanceof PodwireError && /Unknown device type|not supported/.test(error.message)
      if (backend === 'kernel' || !isMissing || existsSync('/sys/module/wireguard')) throw error
      tell('the kernel has no WireGuard: a userspace device takes its place')
    }
  }
  const command = [...deviceCommand, name]
  tell(`[#] ${command.join(' ')}`)
  await startDevice(command, lockFd)
}

/**
 * Runs the program that starts a device. If we are killed meanwhile, it makes its link all the same: so a shell holds the lock until
 * it has ended, and the next run sees what it made. The device itself, which lives on, does not get the lock.
 */
async function startDevice(command: readonly string[], lockFd: number | undefined): Promise<void> {
  const child = spawn('sh', ['-c', '"$@" 3>&-; exit $?', 'sh', ...command], {
    stdio: ['ignore', 'ignore', 'pipe', lockFd ?? 'ignore'],
    detached: true, // Ctrl-C would end the program, and not the device that it is starting
    // With a level the device would log to our output, and hold it open for as long as it lives.
    env: { ...process.env, LOG_LEVEL: '' },
  })
  const [[status, signal], output] = await Promise.all([once(child, 'exit'), child.stderr ? text(child.stderr) : ''])
  if (status === 0) return
  const line = command.join(' ')
  if (status === 127) {
    const values = { tool: command[0] ?? '', what: `\`${line}\``, package: 'podwire' }
    throw podwireError('ERR_PODWIRE_TOOL_MISSING', values)
  }
  throw podwireError('ERR_PODWIRE_COMMAND_FAILED', {
    command: line,
    status: signal === null ? `status ${status}` : `signal ${signal}`,
    output: output.trim().slice(0, 2000) || 'it printed nothing',
  })
}
