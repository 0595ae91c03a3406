// Records what passes an interface of a lab, whole: tcpdump, started before anything is sent and stopped after everything
// has been read from its buffer. The report of what is in the file comes from pcap.ts and leaks.ts.

import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { podwireError } from '../base/errors.ts'
import type { Lab } from './lab.ts'
import { analyzeCapture, type CaptureReport, type Secrets } from './leaks.ts'
import { parsePcap } from './pcap.ts'

export interface Capture {
  readonly file: string
  /** Ends the recording when nothing waits to be written any more. Again is no error. */
  stop(): Promise<CaptureCounts>
}

export interface CaptureCounts {
  readonly captured: number
  /** Frames that the kernel could not hand over: more than 0 means that the file does not show everything. */
  readonly dropped: number
}

const deadlineMs = 20_000

/**
 * Starts recording an interface of a host, a container, or of the bridge of a LAN (host "_NETWORK", interface "_lan") to
 * `file`, and returns when frames are being recorded. Errors: ERR_PODWIRE_TOOL_MISSING, ERR_PODWIRE_COMMAND_FAILED.
 */
export async function startCapture(lab: Lab, host: string, link: string, file: string): Promise<Capture> {
  const command = [
    'tcpdump',
    '-i',
    link,
    '-n',
    '-U',
    '--immediate-mode',
    '-B',
    '65536',
    '-s',
    '0',
    '-Z',
    'root',
    '-w',
    file,
  ]
  const child = lab.spawn(host, ['tcpdump', ...command.slice(1)], { stdio: ['ignore', 'ignore', 'pipe'] })
  const said: string[] = []
  let wake = () => {}
  const lines = child.stderr === null ? undefined : createInterface({ input: child.stderr })
  lines?.on('line', line => {
    said.push(line)
    wake()
  })
  let ended = false
  const exit = once(child, 'close').then(() => {
    ended = true
    wake()
  })
  const fail = (status: string) => {
    const output = said.join('\n') || 'it printed nothing'
    if (output.includes('exec: tcpdump: not found')) {
      return podwireError('ERR_PODWIRE_TOOL_MISSING', { tool: 'tcpdump', what: 'a capture', package: 'tcpdump' })
    }
    return podwireError('ERR_PODWIRE_COMMAND_FAILED', { command: `[${host}] ${command.join(' ')}`, status, output })
  }
  /** The next thing it says, from line `from` on, that fits. */
  const heard = async (what: RegExp, from: number): Promise<RegExpExecArray> => {
    const deadline = Date.now() + deadlineMs
    for (;;) {
      for (const line of said.slice(from)) {
        const match = what.exec(line)
        if (match !== null) return match
      }
      if (ended) throw fail('an early end')
      if (Date.now() > deadline) throw fail(`nothing said within ${deadlineMs / 1000} s`)
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, 200)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  await heard(/listening on/, 0)
  let counts: Promise<CaptureCounts> | undefined
  const stop = async (): Promise<CaptureCounts> => {
    // It says at SIGUSR1 how much it has written of what the kernel took in; an interrupt would throw the rest away.
    for (;;) {
      const from = said.length
      child.kill('SIGUSR1')
      const counts = /(\d+) packets? captured, (\d+) packets? received by filter, (\d+) packets? dropped/
      const [, captured, received, dropped] = await heard(counts, from)
      // What was dropped was received, and never comes.
      if (Number(captured) + Number(dropped) >= Number(received)) break
    }
    const from = said.length
    child.kill('SIGINT')
    await exit
    const [, captured] = await heard(/(\d+) packets? captured/, from)
    const [, dropped] = await heard(/(\d+) packets? dropped by kernel/, from)
    return { captured: Number(captured), dropped: Number(dropped) }
  }
  return {
    file,
    stop: () => {
      counts ??= stop()
      return counts
    },
  }
}

/** Reads a capture file and judges it. Error: ERR_PODWIRE_CAPTURE. */
export async function judgeCapture(file: string, secrets: Secrets): Promise<CaptureReport> {
  return analyzeCapture(parsePcap(await readFile(file), file), secrets)
}
