// The options of a device's engine, from the command line and, for callers that pass none (wg-quick, the agent), from one environment
// variable in the same words. What either turns off is off; of two thread counts the command line's counts.

import { Command, type CommanderError, InvalidArgumentError } from 'commander'
import { podwireError } from '../base/errors.ts'
import type { EngineOptions, EngineSwitches } from '../native/engine.ts'

export const optionsVariable = 'PODWIRE_DEVICE_OPTIONS'
/** More gain nothing: as in native/engine/src/engine.rs. */
const maxThreads = 8

interface Parsed extends Required<EngineSwitches> {
  readonly threads?: number
}

export function addEngineOptions(command: Command): Command {
  return command
    .option('--no-tso', 'take no TCP super-packets from the interface')
    .option('--no-uso', 'take no UDP super-packets from the interface')
    .option('--no-gso', 'send datagrams one by one, not by UDP_SEGMENT')
    .option('--no-gro', 'receive datagrams one by one, not by UDP_GRO')
    .option('--no-coalesce', 'do not join TCP and UDP packets towards the interface')
    .option('--threads <n>', `threads that move packets each way, at most ${maxThreads} (half the cores)`, parseThreads)
}

function parseThreads(text: string): number {
  const threads = Number(text)
  if (/^\d{1,3}$/.test(text) && threads <= maxThreads) return threads
  throw new InvalidArgumentError(`It is a number from 1 to ${maxThreads}, or 0 for half the cores.`)
}

/** What `openEngine` takes, of a command with `addEngineOptions` that was parsed, and the variable's text. Error: ERR_PODWIRE_USAGE. */
export function engineOptions(parsed: Parsed, variable = ''): Pick<EngineOptions, 'switches' | 'threads'> {
  const others = parseVariable(variable)
  const threads = parsed.threads ?? others.threads
  const both = (name: keyof EngineSwitches) => parsed[name] && others[name]
  return {
    switches: { tso: both('tso'), uso: both('uso'), gso: both('gso'), gro: both('gro'), coalesce: both('coalesce') },
    ...(threads !== undefined && { threads }),
  }
}

function parseVariable(text: string): Parsed {
  const command = addEngineOptions(new Command(optionsVariable))
    .helpOption(false)
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => {}, outputError: () => {} })
    .exitOverride()
  try {
    return command.parse(text.split(/\s+/).filter(Boolean), { from: 'user' }).opts<Parsed>()
  } catch (error) {
    const reason = (error as CommanderError).message.replace(/^error: /, '').replace('\n', ' ')
    throw podwireError('ERR_PODWIRE_USAGE', { what: `${optionsVariable}: ${reason}`, command: 'device' }, error)
  }
}
