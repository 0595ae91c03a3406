// `podwire lab`: brings a network of namespaces up from a JSON file, shows it, runs programs in it, takes it down.

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { podwireError, reasonOf } from '../base/errors.ts'
import { type LabDescription, parseLab } from '../lab/description.ts'
import { openLab, startLab } from '../lab/lab.ts'
import { endLab } from '../lab/lifetime.ts'
import { type LabStatus, labStatus } from '../lab/status.ts'

const examples = `
Examples:
  podwire lab up examples/lab/two-sites.json
  podwire lab status examples/lab/two-sites.json
  podwire lab exec examples/lab/two-sites.json a -- ping -c 3 10.2.0.2
  podwire lab exec examples/lab/two-sites.json b/web -- ip address
  podwire lab down examples/lab/two-sites.json

The file's schema is schema/lab.json.`

export function define(command: Command): void {
  command.addHelpText('after', examples).enablePositionalOptions()
  const verb = (name: string, says: string) =>
    command.command(name).description(says).argument('<file>', 'the description of the lab, in JSON')

  verb('up', 'bring it up, and leave it up').action(async (file: string) => {
    const lab = await startLab(readLab(file), { file: resolve(file) })
    lab.detach()
    const { hosts } = lab.description
    console.log(`The lab "${lab.name}" is up: ${Object.keys(hosts).join(', ')}.`)
    console.log(
      `Run something in it with \`podwire lab exec ${file} ${Object.keys(hosts)[0] ?? 'HOST'} -- ip address\`.`,
    )
  })

  verb('down', 'kill what runs in it, and remove it').action(async (file: string) => {
    const { name } = readLab(file)
    const found = await endLab(name)
    console.log(found ? `The lab "${name}" is down.` : `The lab "${name}" was not up.`)
  })

  verb('status', 'hosts, containers, interfaces, addresses')
    .option('--json', 'as JSON')
    .action(async (file: string, { json }: { json?: boolean }) => {
      const status = await labStatus(readLab(file).name, file)
      console.log(json === true ? JSON.stringify(status, undefined, 2) : statusTable(status))
    })

  verb('exec', 'run a program in a host or container; ends with its exit status')
    .argument('<host>', 'HOST or HOST/CONTAINER')
    .argument('<command...>', 'the program and its arguments, after --')
    .passThroughOptions()
    .action(async (file: string, host: string, [tool = '', ...args]: string[]) => {
      process.exitCode = await runIn(readLab(file).name, file, host, [tool, ...args])
    })
}

function readLab(file: string): LabDescription {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const values = { file, path: 'the document', reason: `cannot be read: ${reasonOf(error)}` }
    throw podwireError('ERR_PODWIRE_DOCUMENT', values, error)
  }
  return parseLab(text, file)
}

/** Runs a program with this one's input and output; resolves to its exit status, 128 + the signal that killed it. */
function runIn(lab: string, file: string, host: string, program: [string, ...string[]]): Promise<number> {
  const [command, ...args] = openLab(lab, file).command(host, program)
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit' })
    // The terminal sends Ctrl-C to both: the program decides what it means.
    process.on('SIGINT', () => {})
    process.on('SIGTERM', () => child.kill('SIGTERM'))
    child.once('error', (error: NodeJS.ErrnoException) => {
      const values = { tool: command, what: '`podwire lab exec`', package: 'util-linux' }
      reject(error.code === 'ENOENT' ? podwireError('ERR_PODWIRE_TOOL_MISSING', values, error) : error)
    })
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  })
}

function statusTable({ name, owner, places }: LabStatus): string {
  const head = `lab "${name}", ${owner === null ? 'up in the background' : `of process ${owner}`}`
  const rows = places.flatMap(({ kind, name, interfaces, processes }) =>
    (interfaces.length === 0 ? [undefined] : interfaces).map((link, i) => [
      i === 0 ? kind : '',
      i === 0 ? name : '',
      link?.name ?? '-',
      link === undefined ? '-' : link.up ? 'up' : 'down',
      link === undefined ? '-' : String(link.mtuBytes),
      i === 0 ? String(processes.length) : '',
      link?.addresses.join(' ') || '-',
    ]),
  )
  const table = [['kind', 'name', 'interface', 'state', 'mtu', 'processes', 'addresses'], ...rows]
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map(row => row[column]?.length ?? 0)))
  return [
    head,
    ...table.map(row =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    ),
  ].join('\n')
}
