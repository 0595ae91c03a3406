// The userspace devices that are compared, where `npm run bench` has built them, and their versions.

import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exec } from '../../src/base/exec.ts'
import { ours, reference } from './conditions.ts'

export const root: string = fileURLToPath(new URL('../../..', import.meta.url))
export const cacheBin: string = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'podwire/bin')
const wireguardGo = process.env.PODWIRE_WIREGUARD_GO ?? join(cacheBin, 'wireguard')
const podwire = `${root}build/src/cli/main.js`

export interface Program {
  readonly name: string
  /** Takes the name of the interface as its last argument and stays in the foreground. */
  readonly command: readonly [string, ...string[]]
  readonly file: string
  version(): Promise<string>
}

const lastWord = async (...command: [string, ...string[]]) =>
  (await exec(command)).stdout.trim().split(/\s/).at(-1) ?? 'unknown'

const programs: readonly Program[] = [
  {
    name: reference,
    command: [wireguardGo, '-f'],
    file: wireguardGo,
    version: async () =>
      /mod\s+\S+\s+(\S+)/.exec((await exec(['go', 'version', '-m', wireguardGo])).stdout)?.[1] ?? 'unknown',
  },
  {
    name: 'gotatun',
    command: [join(cacheBin, 'gotatun'), '--foreground', '--disable-drop-privileges'],
    file: join(cacheBin, 'gotatun'),
    version: () => lastWord(join(cacheBin, 'gotatun'), '--version'),
  },
  {
    name: 'boringtun',
    command: [join(cacheBin, 'boringtun-cli'), '--foreground', '--disable-drop-privileges'],
    file: join(cacheBin, 'boringtun-cli'),
    version: () => lastWord(join(cacheBin, 'boringtun-cli'), '--version'),
  },
  {
    name: ours,
    command: [process.execPath, podwire, 'device', '-f'],
    file: podwire,
    version: () => lastWord(process.execPath, podwire, '--version'),
  },
]

/** Those that are there; says which are not. `quick` asks only for the reference and ours. */
export function findPrograms({ quick }: { quick: boolean }): readonly Program[] {
  const wanted = programs.filter(({ name }) => !quick || name === reference || name === ours)
  for (const { name, file } of wanted) {
    if (!existsSync(file)) console.error(`${name} is left out: there is no ${file}`)
  }
  return wanted.filter(({ file }) => existsSync(file))
}
