// Runs the system's programs, without a shell, and turns their failures into errors that say the command and its words.

import { type ExecFileOptions, execFile } from 'node:child_process'
import { podwireError } from './errors.ts'

/** Debian's packages of the programs that podwire calls, for the error that says one is missing. */
const packages: Record<string, string> = {
  ip: 'iproute2',
  tc: 'iproute2',
  nft: 'nftables',
  wg: 'wireguard-tools',
  bash: 'bash',
  resolvconf: 'openresolv',
  nsenter: 'util-linux',
  setsid: 'util-linux',
  unshare: 'util-linux',
  mount: 'mount',
  tcpdump: 'tcpdump',
  iperf3: 'iperf3',
  ping: 'iputils-ping',
  curl: 'curl',
}

/** Debian's package of a program. */
export function packageOf(tool: string): string {
  return packages[tool] ?? tool
}

export interface Execution {
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a program to its end and returns what it printed. `input` goes to its standard input.
 * Errors: ERR_PODWIRE_TOOL_MISSING, ERR_PODWIRE_COMMAND_FAILED. Secrets go through `input`, never through arguments.
 */
export function exec(
  command: readonly [string, ...string[]],
  options: { input?: string } & Pick<ExecFileOptions, 'timeout' | 'env' | 'signal'> = {},
): Promise<Execution> {
  const [tool, ...args] = command
  const { input, ...rest } = options
  return new Promise((resolve, reject) => {
    const child = execFile(tool, args, { ...rest, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      if (error === null) return resolve({ stdout, stderr })
      if (error.code === 'ENOENT') {
        const values = { tool, what: `\`${command.join(' ')}\``, package: packageOf(tool) }
        return reject(podwireError('ERR_PODWIRE_TOOL_MISSING', values, error))
      }
      const status = error.signal ? `signal ${error.signal}` : `status ${error.code}`
      const output = (stderr || stdout).trim().slice(0, 2000) || 'it printed nothing'
      reject(podwireError('ERR_PODWIRE_COMMAND_FAILED', { command: command.join(' '), status, output }, error))
    })
    // A program that ends without reading its input closes the pipe; its exit status tells the story.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input ?? '')
  })
}
