// Builds the addon (cargo) and the TypeScript (tsc) into build/. Both tools build only what changed.

import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const only = process.argv[2]

function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

mkdirSync(`${root}build`, { recursive: true })
if (only !== 'ts') {
  run('cargo', 'build', '--release', '--locked', '-p', 'podwire-addon')
  const built = `${process.env.CARGO_TARGET_DIR ?? `${root}target`}/release/libpodwire_addon.so`
  const placed = `${root}build/podwire.node`
  if (statSync(placed, { throwIfNoEntry: false })?.mtimeMs !== statSync(built).mtimeMs) {
    // Beside and renamed: a running device keeps the file that it has mapped.
    copyFileSync(built, `${placed}.new`)
    renameSync(`${placed}.new`, placed)
  }
}
if (only !== 'addon') {
  // Outputs of sources that are gone would still be run as tests.
  rmSync(`${root}build/test`, { recursive: true, force: true })
  run(process.execPath, `${root}node_modules/typescript/bin/tsc`, '-p', root)
  chmodSync(`${root}build/src/cli/main.js`, 0o755) // the `podwire` of `npm link`
}
