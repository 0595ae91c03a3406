// The unit that keeps an agent running, where systemd runs this machine: deploy/systemd/podwire@.service, installed with the
// command line of this podwire in it, wherever that is.

import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { podwireError, reasonOf } from '../base/errors.ts'
import { exec } from '../base/exec.ts'

/** Whether systemd is what started this machine: sd_booted(3). */
export function hasSystemd(): boolean {
  return existsSync('/run/systemd/system')
}

/** The text of a unit with `/usr/bin/env podwire` replaced by a command line of one's own. */
export function unitText(text: string, podwire: readonly string[]): string {
  const words = podwire.map(word => `"${word.replace(/["\\]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`)
  return text.replaceAll('/usr/bin/env podwire', () => words.join(' '))
}

/** Puts a unit in its place, if it is not there as it should be. Errors: ERR_PODWIRE_FILE, ERR_PODWIRE_COMMAND_FAILED. */
export async function installUnit(file: string, text: string): Promise<void> {
  if ((await readFile(file, 'utf8').catch(() => undefined)) === text) return
  try {
    await mkdir(dirname(file), { recursive: true })
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
