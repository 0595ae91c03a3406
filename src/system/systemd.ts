// The unit that keeps an agent running, where systemd runs this machine: deploy/systemd/podwire@.service, installed with the
// command line of this podwire in it, wherever that is.

import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { podwireError, reasonOf } from '../base/errors.ts'
import { exec } from '../base/exec.ts'

/** Whether systemd is what started this machine: sd_booted(3). */
export function hasSystemd(): boolean {
  return existsSync('/run/systemd/system')
}

/** The name of the agents' unit. */
export const agentUnit = 'podwire@.service'
/** Where a machine's own units are. */
const unitFolder = '/etc/systemd/system'

/** The text of a unit for a podwire of that command line, and for a folder in place of / where one is used. */
export function unitText(
  text: string,
  { podwire, root }: { podwire: readonly string[]; root?: string | undefined },
): string {
  const quote = (word: string) => `"${word.replace(/["\\]/g, '\\$&').replaceAll('%', '%%')}"`
  const command = podwire.map(word => quote(word).replaceAll('$', '$$$$')).join(' ')
  return text
    .replace('/usr/bin/env podwire', () => command)
    .replace('[Service]\n', line => (root ? `${line}Environment=${quote(`PODWIRE_ROOT=${root}`)}\n` : line))
}

/** Puts the agents' unit in its place, if it is not there as it should be. Errors: ERR_PODWIRE_FILE, ERR_PODWIRE_COMMAND_FAILED. */
export async function installUnit(text: string): Promise<void> {
  const file = join(unitFolder, agentUnit)
  if ((await readFile(file, 'utf8').catch(() => undefined)) === text) return
  try {
    await mkdir(unitFolder, { recursive: true })
    await writeFile(file, text)
  } catch (error) {
    throw podwireError('ERR_PODWIRE_FILE', { file, what: 'written', reason: reasonOf(error) }, error)
  }
  await exec(['systemctl', 'daemon-reload'])
}

/** Starts a unit, now and at every start of the machine. Errors: ERR_PODWIRE_COMMAND_FAILED, _TOOL_MISSING. */
export async function enableUnit(unit: string): Promise<void> {
  await exec(['systemctl', 'enable', '--now', '--quiet', unit])
}

/** Stops it, now and for good. One that nobody knows is stopped already. Errors: as above. */
export async function disableUnit(unit: string): Promise<void> {
  const { stdout } = await exec(['systemctl', 'list-unit-files', '--no-legend', unit]).catch(() => ({ stdout: '' }))
  const isKnown = stdout.trim() !== '' || (await exec(['systemctl', 'is-active', unit]).catch(() => undefined))
  if (isKnown) await exec(['systemctl', 'disable', '--now', '--quiet', unit])
}
