// The units of a host in a network, where systemd runs it: those of deploy/systemd, installed with the command line of this podwire
// in them, wherever that is.

import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { podwireError, reasonOf } from '../base/errors.ts'
import { exec } from '../base/exec.ts'

/** Whether systemd is what started this machine: sd_booted(3). */
export function hasSystemd(): boolean {
  return existsSync('/run/systemd/system')
}

/** What a host in a network has: its way closed before there is one, and its agent. */
export const agentUnits = ['podwire-close.service', 'podwire@.service'] as const
/** Where a machine's own units are. */
const unitFolder = '/etc/systemd/system'
/** The folder of all networks' state, as units name it. */
const stateFolder = '/var/lib/podwire'

/** The text of a unit for a podwire of that command line, and for a folder in place of / where one is used. */
export function unitText(
  text: string,
  { podwire, root }: { podwire: readonly string[]; root?: string | undefined },
): string {
  const quote = (word: string) => `"${word.replace(/["\\]/g, '\\$&').replaceAll('%', '%%')}"`
  const command = podwire.map(word => quote(word).replaceAll('$', '$$$$')).join(' ')
  return text
    .replace('/usr/bin/env podwire', () => command)
    .replaceAll(stateFolder, () => (root ? join(root, stateFolder) : stateFolder))
    .replace('[Service]\n', line => (root ? `${line}Environment=${quote(`PODWIRE_ROOT=${root}`)}\n` : line))
}

/** Puts a unit in its place, if it is not there as it should be. Errors: ERR_PODWIRE_FILE, ERR_PODWIRE_COMMAND_FAILED. */
export async function installUnit(unit: string, text: string): Promise<void> {
  const file = join(unitFolder, unit)
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
  const { stdout } = await exec(['systemctl', 'show', '--property=LoadState', '--value', unit])
  if (stdout.trim() === 'not-found') return
  await exec(['systemctl', 'disable', '--now', '--quiet', unit])
  // It may have ended by itself, when its node was removed; one that did not is unknown to this.
  await exec(['systemctl', 'reset-failed', unit]).catch(() => {})
}

/** Takes all of them off a host that is in no network any more. Errors: as above. */
export async function removeAgentUnits(): Promise<void> {
  const [close] = agentUnits
  await disableUnit(close)
  for (const unit of agentUnits) await rm(join(unitFolder, unit), { force: true })
  await exec(['systemctl', 'daemon-reload'])
}
