// The labs of examples/lab, for the tests of the lab itself.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type LabDescription, parseLab } from '../../src/lab/description.ts'
import { type Lab, startLab } from '../../src/lab/lab.ts'
import { assertNothingLeft, machineLinks } from './leftovers.ts'

export const root = fileURLToPath(new URL('../../../', import.meta.url))
export const cli = join(root, 'build/src/cli/main.js')
/** For files of the test; it is gone at its end. */
export const folder = mkdtempSync(join(tmpdir(), 'podwire-lab-test-'))
export const links = machineLinks()
after(() => rmSync(folder, { recursive: true }))

/** An example of examples/lab, under a name of this test's own. */
export function example(file: string, suffix: string): LabDescription {
  const path = join(root, 'examples/lab', file)
  const lab = parseLab(readFileSync(path, 'utf8'), path)
  return { ...lab, name: `${lab.name}-${suffix}-${process.pid}` }
}

export function writeExample(file: string, suffix: string): { file: string; name: string } {
  const lab = example(file, suffix)
  const path = join(folder, `${lab.name}.json`)
  writeFileSync(path, JSON.stringify({ ...lab, $schema: join(root, 'schema/lab.json') }))
  return { file: path, name: lab.name }
}

export async function withLab(description: LabDescription, run: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await startLab(description)
  try {
    await run(lab)
  } finally {
    await lab.stop()
  }
  assertNothingLeft(lab.name, links)
}

export const ping = (lab: Lab, from: string, to: string, ...more: string[]) =>
  lab.exec(from, ['ping', '-c', '1', '-W', '2', ...more, to])

export function podwire(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'lab', ...args], { encoding: 'utf8' })
  return { status, stdout, stderr }
}
